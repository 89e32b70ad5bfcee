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

/** Who is told of events. Must not throw. */
export interface RecordingObserver {
  /** Told before whoever captured it goes on. */
  recorded(event: QueuedEvent): void;
  /** Told soon after: these are delivered. */
  delivered(events: readonly QueuedEvent[]): void;
  dropped(event: QueuedEvent, reason: DropReason, detail: string): void;
}

/**
 * Delivery to nowhere: every event is recorded at once and counts as delivered when the current turn is over, as if PostHog were
 * very near. No socket and no timer.
 */
export class RecordingDelivery implements Delivery {
  readonly #shutdownTimeoutMs: number;
  readonly #observer: RecordingObserver;
  #pending: QueuedEvent[] = [];
  #settling: Promise<void> = Promise.resolve();
  #delivered = 0;
  #closing: Promise<DeliveryReport> | null = null;
  #closeAt = Infinity;

  /** @param options.shutdownTimeoutMs how long after `close` events are still taken */
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
    this.#take(event);
    return true;
  }

  async deliverNow(event: QueuedEvent, { signal }: ImmediateCall): Promise<ImmediateOutcome> {
    if (signal?.aborted) {
      const message = 'PostHog request aborted';
      this.#observer.dropped(event, 'undelivered', message);
      return { delivered: false, reason: 'undelivered', message };
    }
    if (!this.accept(event)) return { delivered: false, reason: 'shutdown', message: 'Event dropped: shutdown' };
    await this.#settling;
    return { delivered: true };
  }

  async flush(): Promise<DeliveryReport> {
    const delivered = this.#pending.length;
    await this.#settling;
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

  #take(event: QueuedEvent): void {
    this.#observer.recorded(event);
    // A promise: fake timers may well hold back what queueMicrotask is given.
    if (this.#pending.length === 0) this.#settling = Promise.resolve().then(() => this.#settle());
    this.#pending.push(event);
  }

  #settle(): void {
    const events = this.#pending;
    this.#pending = [];
    this.#delivered += events.length;
    this.#observer.delivered(events);
  }
}
