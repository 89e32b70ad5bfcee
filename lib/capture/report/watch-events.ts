import { processSingleton } from '../../shared/process-singleton.js';
import { type CaptureService } from '../capture.service.js';
import { type EventStats } from '../event-stats.js';
import { type EventReporter, type EventWatcher } from './event-reporter.js';

/** Kept apart from the service: watchers see payloads, which the public API must not expose. */
const reporters = processSingleton('event-watchers', () => new WeakMap<object, EventReporter>());

export function allowWatching(capture: CaptureService, reporter: EventReporter): void {
  reporters.set(capture, reporter);
}

/**
 * Watches the events of an instance from now on. Events that are already pending are seen when they are sent.
 *
 * @param capture a test double of the service has nothing to watch
 * @returns a function that removes the watcher
 */
export function watchEvents(capture: CaptureService, watcher: EventWatcher): () => void {
  return reporters.get(capture)?.watch(watcher) ?? (() => undefined);
}

/** The events of the names that were captured first, and the sum of all others. Unlike those of `stats().byEvent`, no count ever decreases. */
export function firstEventsOf(capture: CaptureService): readonly EventStats[] {
  return reporters.get(capture)?.events.first ?? [];
}
