import { type QueuedEvent } from '../delivery.js';

/**
 * Ages of events. The wall clock is read once, when an event arrives, as an earlier process may have captured it; from then on
 * the monotonic clock counts, so that setting the clock makes no event older or younger.
 */
export class EventAges {
  /** Capture times by the monotonic clock. */
  readonly #capturedAt = new WeakMap<QueuedEvent, number>();

  arrived(event: QueuedEvent): void {
    const ageMs = Math.max(0, Date.now() - event.capturedAt);
    this.#capturedAt.set(event, performance.now() - ageMs);
  }

  /** Returns the events that were captured more than `ageMs` ago; none that never arrived. */
  olderThan(ageMs: number, events: readonly QueuedEvent[]): readonly QueuedEvent[] {
    const now = performance.now();
    return events.filter((event) => now - (this.#capturedAt.get(event) ?? now) > ageMs);
  }
}
