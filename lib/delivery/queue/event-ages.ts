import { type QueuedEvent } from '../delivery.js';

const NONE: readonly never[] = [];

/**
 * Ages of events. The wall clock is read once, when an event arrives, as an earlier process may have captured it; from then on
 * the monotonic clock counts, so that setting the clock makes no event older or younger.
 */
export class EventAges {
  /** Capture times by the monotonic clock. */
  readonly #capturedAt = new WeakMap<QueuedEvent, number>();
  readonly #maxAgeMs: number | null;

  /** @param maxAgeMs null: events do not expire */
  constructor(maxAgeMs: number | null) {
    this.#maxAgeMs = maxAgeMs;
  }

  arrived(event: QueuedEvent): void {
    if (this.#maxAgeMs === null) return;
    const ageMs = Math.max(0, Date.now() - event.capturedAt);
    this.#capturedAt.set(event, performance.now() - ageMs);
  }

  /** Returns the events that are too old; none that never arrived. */
  expired(events: readonly QueuedEvent[]): readonly QueuedEvent[] {
    const ageMs = this.#maxAgeMs;
    if (ageMs === null) return NONE;
    const now = performance.now();
    return events.filter((event) => now - (this.#capturedAt.get(event) ?? now) > ageMs);
  }
}
