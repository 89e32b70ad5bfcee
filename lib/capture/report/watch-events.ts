import { type DeliveryObserver } from '../../delivery/delivery.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { type CaptureService } from '../capture.service.js';

/**
 * Follows the events of an instance, drops before delivery included. Called synchronously, so it must return at once and
 * capture nothing; a watcher that throws is removed.
 */
export interface EventWatcher extends Partial<DeliveryObserver> {
  /** Part of a call was omitted or replaced; its event goes on. Called during the call. */
  warned?(warning: string, event: string): void;
}

/** The watchers of one instance. */
export class EventWatchers {
  readonly #onFailure: () => void;
  readonly #watchers = new Set<EventWatcher>();

  /** @param onFailure called when a watcher threw */
  constructor(onFailure: () => void) {
    this.#onFailure = onFailure;
  }

  /** Nearly always false: check it before `tell`, which allocates. */
  get any(): boolean {
    return this.#watchers.size > 0;
  }

  /** Returns a function that removes the watcher. */
  add(watcher: EventWatcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  tell<Name extends keyof EventWatcher>(name: Name, ...args: Parameters<Required<EventWatcher>[Name]>): void {
    for (const watcher of this.#watchers) {
      try {
        const method: unknown = watcher[name];
        if (typeof method === 'function') Reflect.apply(method, watcher, args);
      } catch {
        this.#watchers.delete(watcher);
        this.#onFailure();
      }
    }
  }
}

/** Kept apart from the service: watchers see payloads, which the public API must not expose. */
const watchersOf = processSingleton('event-watchers', () => new WeakMap<object, EventWatchers>());

export function rememberWatchers(capture: CaptureService, watchers: EventWatchers): void {
  watchersOf.set(capture, watchers);
}

/**
 * Watches the events of an instance from now on. Events that are already pending are seen when they are sent.
 *
 * @param capture has nothing to watch if it is a test's stand-in
 * @returns a function that ends it
 */
export function watchEvents(capture: CaptureService, watcher: EventWatcher): () => void {
  return watchersOf.get(capture)?.add(watcher) ?? (() => undefined);
}
