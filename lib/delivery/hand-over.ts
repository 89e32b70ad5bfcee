import { type QueuedEvent } from './delivery.js';
import { type DurableBuffer } from './durability/durable-buffer.js';
import { type EventQueue, type Evicted } from './queue/event-queue.js';
import { type ImmediateSender } from './sending/immediate-sender.js';
import { type Settlement } from './settlement.js';

/** The pending events of a process that ends now, without those that its store keeps. */
export interface Remainder {
  readonly events: readonly QueuedEvent[];
  /** Call with those of `events` that were delivered. The others stay pending, and are written to the store if there is one. */
  settle(delivered: ReadonlySet<QueuedEvent>, durationMs: number): void;
}

export interface HandsOver {
  /** @param useStore has the store write what it lacks, so that only what it cannot keep remains */
  begin(useStore: boolean): Remainder;
}

/**
 * Hands the pending events of a process that ends now over to its store, or to another process. Synchronous throughout, and without
 * effect on a process that continues, except that events may be sent twice, which the receiver merges.
 */
export class HandOver implements HandsOver {
  readonly #queue: EventQueue;
  readonly #immediate: ImmediateSender;
  readonly #settlement: Settlement;
  readonly #durable: DurableBuffer | null;

  constructor(queue: EventQueue, immediate: ImmediateSender, settlement: Settlement, durable: DurableBuffer | null) {
    this.#queue = queue;
    this.#immediate = immediate;
    this.#settlement = settlement;
    this.#durable = durable;
  }

  begin(useStore: boolean): Remainder {
    const isKept = useStore ? this.#durable?.commitNow(this.#immediate.events) : undefined;
    return {
      events: this.#events.filter((event) => isKept?.(event) !== true),
      settle: (delivered, durationMs) => this.#settle(delivered, durationMs),
    };
  }

  get #events(): readonly QueuedEvent[] {
    return [...this.#immediate.events, ...this.#queue.events];
  }

  /**
   * Events in requests stay pending, because their requests settle them if the process continues, as do events behind one that was not
   * delivered.
   */
  #settle(delivered: ReadonlySet<QueuedEvent>, durationMs: number): void {
    const sent: Evicted[] = [];
    const isSent = (event: QueuedEvent | undefined): boolean => event !== undefined && delivered.has(event);
    for (let next = this.#takeIf(isSent); next; next = this.#takeIf(isSent)) sent.push(next);
    if (sent.length > 0) this.#settlement.settleSent(sent, durationMs);
    if (!this.#durable) return;
    // The next process must not send them.
    for (const event of delivered) this.#durable.remove(event);
    this.#durable.commitNow(this.#immediate.events.filter((event) => !delivered.has(event)));
  }

  #takeIf(isSent: (event: QueuedEvent | undefined) => boolean): Evicted | null {
    return isSent(this.#queue.oldest) ? this.#queue.takeOldest() : null;
  }
}
