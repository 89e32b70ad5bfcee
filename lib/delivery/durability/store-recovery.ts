import { type QueuedEvent } from '../delivery.js';
import { type DurableBuffer, type Capacity } from './durable-buffer.js';
import { backgroundTimer, type Timer } from '../timers.js';

/** Who takes what is brought back. Must not throw. */
export interface StoreRecoveryListener {
  /** How much may be brought back now. */
  capacity(): Capacity;
  recovered(events: readonly QueuedEvent[]): void;
}

/** How often the store is asked for what processes left that ended meanwhile. */
const LOOK_AGAIN_MS = 10_000;

/** What earlier processes left in the store, brought back piece by piece as there is room for it. */
export class StoreRecovery {
  readonly #durable: DurableBuffer;
  readonly #listener: StoreRecoveryListener;
  #timer: Timer | null = null;
  #loading = false;
  /** The store may hold more than there was room for. */
  #more = false;
  #stopped = false;

  constructor(durable: DurableBuffer, listener: StoreRecoveryListener) {
    this.#durable = durable;
    this.#listener = listener;
  }

  /** Brings back the first piece, and goes on looking. Rejects when the store cannot be used. */
  async open(): Promise<void> {
    await this.#load();
    this.#lookAgain();
  }

  /** There is capacity for more. */
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
    const capacity = this.#listener.capacity();
    if (this.#loading || this.#stopped || capacity.maxEvents === 0) return;
    this.#loading = true;
    try {
      const events = await this.#durable.recover(capacity);
      this.#more = events.length > 0;
      // Too late: they stay where they are.
      if (this.#isStopped) return;
      if (events.length > 0) this.#listener.recovered(events);
    } finally {
      this.#loading = false;
    }
  }

  /** Processes that share the store may end at any time. */
  #lookAgain(): void {
    this.#timer = backgroundTimer(() => {
      void this.#load().then(() => {
        if (!this.#stopped) this.#lookAgain();
      });
    }, LOOK_AGAIN_MS);
  }
}
