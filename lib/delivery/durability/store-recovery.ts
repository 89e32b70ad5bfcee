import { type QueuedEvent } from '../delivery.js';
import { backgroundTimer, stopTimer, type Timer } from '../timers.js';
import { type DurableBuffer } from './durable-buffer.js';
import { type Capacity } from './event-store.js';

/** Recovers the events of other processes from the store, in as many steps as the capacity of the queue requires. */
export class StoreRecovery {
  readonly #durable: DurableBuffer;
  readonly #queue: { readonly freeCapacity: Capacity };
  readonly #onRecovered: (events: readonly QueuedEvent[]) => void;
  #timer: Timer | null = null;
  #soon: NodeJS.Immediate | null = null;
  #loading = false;
  /** The store may have more events than there was capacity for. */
  #more = false;
  #stopped = false;

  constructor(
    durable: DurableBuffer,
    queue: { readonly freeCapacity: Capacity },
    onRecovered: (events: readonly QueuedEvent[]) => void,
  ) {
    this.#durable = durable;
    this.#queue = queue;
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

  stop(): void {
    this.#stopped = true;
    stopTimer(this.#timer);
    if (this.#soon) clearImmediate(this.#soon);
  }

  get #isStopped(): boolean {
    return this.#stopped;
  }

  async #load(): Promise<void> {
    const capacity = this.#queue.freeCapacity;
    if (this.#loading || this.#stopped || capacity.maxEvents === 0) return;
    this.#loading = true;
    try {
      const { any, more } = await this.#durable.recover(capacity, (events) => {
        // Otherwise they stay in the store.
        if (!this.#stopped) this.#onRecovered(events);
      });
      this.#more = any || more;
      // Not awaited: it must not delay the boot.
      if (more && !this.#isStopped) this.#soon = setImmediate(() => void this.#load());
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
