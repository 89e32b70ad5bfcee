import {
  type Delivery,
  type DeliveryReport,
  type DeliveryStats,
  type DropReason,
  type ImmediateCall,
  type ImmediateOutcome,
  NOTHING_DELIVERED,
  type QueuedEvent,
} from '../../delivery/delivery.js';

/** Callbacks for events. Must not throw. */
export interface RecordingObserver {
  /** Called synchronously, before `capture` returns. */
  recorded(event: QueuedEvent): void;
  /** Called at the end of the turn. */
  delivered(events: readonly QueuedEvent[]): void;
  dropped(event: QueuedEvent, reason: DropReason, detail: string): void;
}

/**
 * Replaces delivery in tests: an event is recorded immediately and counts as delivered at the end of the current turn. Opens no
 * socket and starts no timer.
 */
export class RecordingDelivery implements Delivery {
  readonly #shutdownTimeoutMs: number;
  readonly #observer: RecordingObserver;
  #pending: QueuedEvent[] = [];
  #delivering: Promise<void> = Promise.resolve();
  #delivered = 0;
  #closing: Promise<DeliveryReport> | null = null;
  #closeAt = Infinity;

  /** @param options.shutdownTimeoutMs milliseconds after `close` during which events are still accepted */
  constructor({ shutdownTimeoutMs }: { readonly shutdownTimeoutMs: number }, observer: RecordingObserver) {
    this.#shutdownTimeoutMs = shutdownTimeoutMs;
    this.#observer = observer;
  }

  stats(): DeliveryStats {
    const pendingBytes = this.#pending.reduce((sum, { bytes }) => sum + bytes, 0);
    const pending = this.#pending.length;
    return { ...NOTHING_DELIVERED, delivered: this.#delivered, pending, pendingBytes };
  }

  accept(event: QueuedEvent): boolean {
    if (this.#isClosed) {
      this.#observer.dropped(event, 'shutdown', 'captured after shutdown');
      return false;
    }
    this.#record(event);
    return true;
  }

  async deliverNow(event: QueuedEvent, { signal }: ImmediateCall): Promise<ImmediateOutcome> {
    if (signal?.aborted) {
      const message = 'PostHog request aborted';
      this.#observer.dropped(event, 'undelivered', message);
      return { delivered: false, reason: 'undelivered', message };
    }
    if (!this.accept(event)) return { delivered: false, reason: 'shutdown', message: 'Event dropped: shutdown' };
    await this.#delivering;
    return { delivered: true };
  }

  async flush(): Promise<DeliveryReport> {
    const delivered = this.#pending.length;
    await this.#delivering;
    return { delivered, pending: 0, dropped: {}, error: null };
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<DeliveryReport> {
    if (this.#closing === null) {
      this.#closeAt = performance.now() + this.#shutdownTimeoutMs;
      this.#closing = this.flush();
    }
    return this.#closing;
  }

  get #isClosed(): boolean {
    return performance.now() >= this.#closeAt;
  }

  #record(event: QueuedEvent): void {
    this.#observer.recorded(event);
    // A promise, because fake timers may replace queueMicrotask.
    if (this.#pending.length === 0) this.#delivering = Promise.resolve().then(() => this.#deliver());
    this.#pending.push(event);
  }

  #deliver(): void {
    const events = this.#pending;
    this.#pending = [];
    this.#delivered += events.length;
    this.#observer.delivered(events);
  }
}
