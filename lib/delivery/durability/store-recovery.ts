import { type QueuedEvent } from '../delivery.js';
import { backgroundTimer, stopTimer, type Timer } from '../timers.js';
import { type DurableBuffer } from './durable-buffer.js';
import { type Capacity } from './event-store.js';

/** The queue that recovered events are added to. */
interface RecoveringQueue {
  readonly freeCapacity: Capacity;
  /** Number of events that could be sent now. */
  readonly available: number;
}

/** Recovers the events of other processes from the store, in as many steps as the capacity of the queue requires. */
export class StoreRecovery {
  readonly #durable: DurableBuffer;
  readonly #queue: RecoveringQueue;
  readonly #maxAhead: number;
  readonly #onRecovered: (events: readonly QueuedEvent[]) => void;
  #timer: Timer | null = null;
  #soon: NodeJS.Immediate | null = null;
  #loading = false;
  /** More was asked for during a load. */
  #again = false;
  /** The store may have more events than there was capacity for. */
  #more = false;
  #stopped = false;

  /** @param maxAhead maximum number of recovered events that could be sent, but wait for a request */
  constructor(
    durable: DurableBuffer,
    queue: RecoveringQueue,
    maxAhead: number,
    onRecovered: (events: readonly QueuedEvent[]) => void,
  ) {
    this.#durable = durable;
    this.#queue = queue;
    this.#maxAhead = maxAhead;
    this.#onRecovered = onRecovered;
  }

  /** Recovers what there is capacity for, and looks for more periodically. Rejects when the store cannot be used. */
  async open(): Promise<void> {
    await this.#load();
    this.#lookAgain();
  }

  /** The store has more events now. */
  recoverMore(): void {
    this.#more = true;
    void this.#load();
  }

  /** Call when there may be capacity for more. */
  capacityFreed(): void {
    if (this.#more) void this.#load();
  }

  /** Call when fewer events could be sent. */
  eventsTaken(): void {
    if (this.#maxAhead < Infinity) this.capacityFreed();
  }

  stop(): void {
    this.#stopped = true;
    stopTimer(this.#timer);
    if (this.#soon) clearImmediate(this.#soon);
  }

  get #isAskedAgain(): boolean {
    return this.#again;
  }

  get #isStopped(): boolean {
    return this.#stopped;
  }

  get #capacity(): Capacity {
    const { freeCapacity, available } = this.#queue;
    const maxEvents = Math.min(freeCapacity.maxEvents, Math.max(0, this.#maxAhead - available));
    return { maxEvents, maxBytes: freeCapacity.maxBytes };
  }

  async #load(): Promise<void> {
    this.#again = this.#loading;
    if (this.#loading || this.#stopped) return;
    const capacity = this.#capacity;
    if (capacity.maxEvents === 0) return;
    this.#loading = true;
    try {
      const { any, more } = await this.#durable.recover(capacity, (events) => {
        // Otherwise they stay in the store.
        if (!this.#stopped) this.#onRecovered(events);
      });
      const again = more || this.#isAskedAgain;
      this.#more = any || again;
      // Not awaited: it must not delay the boot.
      if (again && !this.#isStopped) this.#soon = setImmediate(() => void this.#load());
    } finally {
      this.#loading = false;
    }
  }

  #lookAgain(): void {
    this.#timer = backgroundTimer(() => {
      void this.#load().then(() => {
        if (!this.#stopped) this.#lookAgain();
      });
    }, this.#durable.lookAgainMs);
  }
}
