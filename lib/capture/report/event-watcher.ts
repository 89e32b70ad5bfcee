import { type DropReason, type QueuedEvent } from '../../delivery/delivery.js';

/**
 * Who watches what happens to the events of an instance. Called in the middle of it, so it must return at once and capture
 * nothing; one that throws is removed.
 */
export interface EventWatcher {
  /** Something of a call is left out, replaced or of no use, yet its event goes on. Told while the call lasts. */
  warned?(warning: string, event: string): void;
  /** The event waits to be sent, in the queue or as a `captureNow`. A store may just have brought it back. */
  queued?(event: QueuedEvent): void;
  /** A request leaves with these. `attempt` is 1, 2, 3 … for the same batch; what is left of one taken apart begins anew. */
  sending?(events: readonly QueuedEvent[], attempt: number): void;
  /** A request is over. What it means for its events is told after it. */
  answered?(request: WatchedRequest): void;
  /** These wait for their next attempt: `delayMs`, or, where it is null, in the queue until sending goes on. */
  retrying?(events: readonly QueuedEvent[], delayMs: number | null, message: string): void;
  delivered?(events: readonly QueuedEvent[]): void;
  dropped?(drop: WatchedDrop): void;
  /** Nothing gets through: sending stops until `untilMs` (epoch milliseconds), or until a flush. Told again when a probe fails. */
  coolingDown?(message: string, untilMs: number): void;
  /** A cool-down is over: PostHog answers. */
  recovered?(): void;
}

/** One request that is over. */
export interface WatchedRequest {
  /** How many events it carried. */
  readonly events: number;
  /** The HTTP status; null when there was no answer. */
  readonly status: number | null;
  /** Why there was none: `timeout`, `network` or `aborted`; null when there was one. */
  readonly failure: string | null;
  readonly durationMs: number;
  readonly attempt: number;
}

/** One event that will not arrive. */
export interface WatchedDrop {
  /** null when it was refused before it had one. */
  readonly uuid: string | null;
  readonly event: string;
  readonly reason: DropReason;
  readonly detail: string;
}

/** The watchers of one instance. */
export class EventWatchers {
  readonly #failed: () => void;
  readonly #watchers = new Set<EventWatcher>();

  /** @param failed told when a watcher threw */
  constructor(failed: () => void) {
    this.#failed = failed;
  }

  /** Whether anybody watches: ask before `tell`, as nearly always nobody does. */
  get any(): boolean {
    return this.#watchers.size > 0;
  }

  /** Returns what ends it. */
  add(watcher: EventWatcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  /** Tells each watcher that wants to know. */
  tell<Name extends keyof EventWatcher>(name: Name, ...what: Parameters<Required<EventWatcher>[Name]>): void {
    for (const watcher of this.#watchers) {
      try {
        const hear: unknown = watcher[name];
        if (typeof hear === 'function') Reflect.apply(hear, watcher, what);
      } catch {
        this.#watchers.delete(watcher);
        this.#failed();
      }
    }
  }
}
