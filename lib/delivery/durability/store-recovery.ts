import { type QueuedEvent } from '../delivery.js';
import { backgroundTimer, type Timer } from '../timers.js';
import { type Capacity, type DurableBuffer } from './durable-buffer.js';

/** How often the store is asked for events of processes that ended meanwhile. */
const LOOK_AGAIN_MS = 10_000;

/** Brings back the events that earlier processes left in the store, piece by piece as capacity allows. */
export class StoreRecovery {
  readonly #durable: DurableBuffer;
  readonly #queue: { readonly freeCapacity: Capacity };
  readonly #onRecovered: (events: readonly QueuedEvent[]) => void;
  #timer: Timer | null = null;
  #loading = false;
  /** The store may hold more than there was capacity for. */
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

  /** Brings back the first piece, and keeps looking. Rejects when the store cannot be used. */
  async open(): Promise<void> {
    await this.#load();
    this.#lookAgain();
  }

  /** Call when there may be capacity for more. */
  capacityFreed(): void {
    if (this.#more) void this.#load();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer) clearTimeout(this.#timer);
  }

  get #isStopped(): boolean {
    return this.#stopped;
  }

  async #load(): Promise<void> {
    const capacity = this.#queue.freeCapacity;
    if (this.#loading || this.#stopped || capacity.maxEvents === 0) return;
    this.#loading = true;
    try {
      const events = await this.#durable.recover(capacity);
      this.#more = events.length > 0;
      // Stopped meanwhile: they stay in the store.
      if (this.#isStopped) return;
      if (events.length > 0) this.#onRecovered(events);
    } finally {
      this.#loading = false;
    }
  }

  #lookAgain(): void {
    this.#timer = backgroundTimer(() => {
      void this.#load().then(() => {
        if (!this.#stopped) this.#lookAgain();
      });
    }, LOOK_AGAIN_MS);
  }
}
