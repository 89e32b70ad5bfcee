import { type QueuedEvent } from '../delivery.js';

/**
 * How old events are. The wall clock says it once, when an event comes: an earlier process may have captured it. From then on
 * the time that passes counts, so that setting the clock makes no event older or younger.
 */
export class EventAges {
  /** When each was captured, by the clock that nobody sets. */
  readonly #capturedAt = new WeakMap<QueuedEvent, number>();

  arrived(event: QueuedEvent): void {
    const ageMs = Math.max(0, Date.now() - event.capturedAt);
    this.#capturedAt.set(event, performance.now() - ageMs);
  }

  /** Milliseconds since the capture; 0 for an event that never arrived. */
  of(event: QueuedEvent): number {
    const now = performance.now();
    return now - (this.#capturedAt.get(event) ?? now);
  }
}
