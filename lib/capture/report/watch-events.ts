import { processSingleton } from '../../shared/process-singleton.js';
import { type CaptureService } from '../capture.service.js';
import { type EventWatcher, type EventWatchers } from './event-watcher.js';

/** Beside the service, because a watcher sees payloads: nothing of it belongs to what an application is offered. */
const known = processSingleton('event-watchers', () => new WeakMap<object, EventWatchers>());

export function rememberWatchers(capture: CaptureService, watchers: EventWatchers): void {
  known.set(capture, watchers);
}

/**
 * Watches what happens to the events of an instance from now on. What was pending before is seen when it leaves.
 *
 * @param capture a test's stand-in has nothing to watch
 * @returns what ends it
 */
export function watchEvents(capture: CaptureService, watcher: EventWatcher): () => void {
  return known.get(capture)?.add(watcher) ?? (() => undefined);
}
