import { type QueuedEvent } from '../delivery.js';
import { SmallSet } from '../queue/collections.js';
import { type EventStore } from './event-store.js';
import { withTimeout } from './store-timeout.js';

export interface StoreWritesCallbacks {
  /** @param events of the failed write that are still pending */
  onFailed(error: unknown, events: readonly QueuedEvent[]): void;
  /**
   * A write that counted as failed has succeeded.
   *
   * @param removed those of its events whose fate is known by now
   */
  onLateSuccess(events: readonly QueuedEvent[], removed: readonly QueuedEvent[]): void;
}

/** A write that counted as failed is followed for this long, as it may still succeed. */
const FOLLOW_UP_MS = 60_000;
/** Number of events in followed writes; a store that hangs must not fill the memory. */
const MAX_FOLLOWED = 10_000;

interface Write {
  readonly answer: Promise<void>;
  readonly events: QueuedEvent[];
  /** Events removed meanwhile: if the write fails, the store does not lack them. */
  readonly removals: (readonly QueuedEvent[])[];
  readonly done: Promise<void>;
}

/** A write that took too long. */
interface LateWrite {
  /** Its events whose fate is known. */
  readonly removed: QueuedEvent[];
}

/** Writes events to a store that may throw, reject, or take too long and succeed nevertheless. */
export class StoreWrites {
  readonly #callbacks: StoreWritesCallbacks;
  readonly #pendingRemovals: () => readonly QueuedEvent[];
  /** In progress. */
  readonly #writes = new SmallSet<Write>();
  /** Writes that took too long and may still succeed. */
  readonly #late = new Map<QueuedEvent, LateWrite>();
  /** The write begun last. */
  #newest: Write | null = null;

  /** @param pendingRemovals returns events to be removed that the store was not asked to remove yet */
  constructor(callbacks: StoreWritesCallbacks, pendingRemovals: () => readonly QueuedEvent[]) {
    this.#callbacks = callbacks;
    this.#pendingRemovals = pendingRemovals;
  }

  /** Number of writes in progress. */
  get size(): number {
    return this.#writes.size;
  }

  /** Events of the writes in progress. */
  get events(): readonly QueuedEvent[] {
    return [...this.#writes].flatMap(({ events }) => events);
  }

  /** Resolves when the writes in progress have succeeded or failed; null when there are none. */
  get written(): Promise<unknown> | null {
    return this.#writes.size === 0 ? null : Promise.all([...this.#writes].map(({ done }) => done));
  }

  write(store: Pick<EventStore, 'append'>, events: readonly QueuedEvent[]): void {
    let answer: Promise<void> | undefined;
    // A store may throw instead of rejecting.
    try {
      answer = store.append(events);
    } catch (error) {
      this.#callbacks.onFailed(error, events);
    }
    if (!answer) return;
    // Many calls may return one promise.
    if (this.#newest?.answer !== answer) this.#newest = this.#newWrite(answer);
    for (const event of events) this.#newest.events.push(event);
  }

  /** The fate of the event is known. */
  settled(event: QueuedEvent): void {
    this.#late.get(event)?.removed.push(event);
  }

  /** The store is asked to remove these events. */
  removing(events: readonly QueuedEvent[]): void {
    for (const write of this.#writes) write.removals.push(events);
  }

  /** Events of late writes whose fate is known. */
  get lateRemovals(): readonly QueuedEvent[] {
    return [...new Set(this.#late.values())].flatMap(({ removed }) => removed);
  }

  #newWrite(answer: Promise<void>): Write {
    const write: Write = {
      answer,
      events: [],
      removals: [],
      done: withTimeout(answer)
        .catch((error: unknown) => {
          const removed = new Set([...write.removals, this.#pendingRemovals()].flat());
          this.#callbacks.onFailed(
            error,
            write.events.filter((event) => !removed.has(event)),
          );
          this.#followUp(
            write,
            write.events.filter((event) => removed.has(event)),
          );
        })
        .then(() => {
          this.#writes.delete(write);
          if (this.#newest === write) this.#newest = null;
        }),
    };
    this.#writes.add(write);
    return write;
  }

  /** A write that took too long may still succeed: then its events are kept, and those settled meanwhile must be removed. */
  #followUp({ answer, events }: Write, removed: QueuedEvent[]): void {
    if (this.#late.size + events.length > MAX_FOLLOWED) return;
    const late: LateWrite = { removed };
    for (const event of events) this.#late.set(event, late);
    const over = (): void => {
      for (const event of events) if (this.#late.get(event) === late) this.#late.delete(event);
    };
    withTimeout(answer, FOLLOW_UP_MS).then(() => {
      over();
      this.#callbacks.onLateSuccess(events, removed);
    }, over);
  }
}
