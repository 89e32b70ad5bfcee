import { type DeliveryObserver, type DropReason, type QueuedEvent, type SendFailure } from './delivery.js';
import { type DurableBuffer } from './durability/durable-buffer.js';
import { type TravelListener } from './sending/deliver-batch.js';
import { type Claim, Ledger } from './ledger.js';

/** The one place where an event that has left the queue gets its fate: store, ledger, observer, in this order. */
export class Settlement {
  readonly ledger = new Ledger();
  /** Number of requests that were retries. */
  retries = 0;
  /** Why the receiver accepts nothing; null once it has accepted an event. */
  refusal: SendFailure | null = null;
  readonly #observer: DeliveryObserver;
  readonly #durable: DurableBuffer | null;
  readonly #onSettled: () => void;

  /** @param onSettled called after each event, when capacity may be free */
  constructor(observer: DeliveryObserver, durable: DurableBuffer | null, onSettled: () => void) {
    this.#observer = observer;
    this.#durable = durable;
    this.#onSettled = onSettled;
  }

  /** @param returned called when a request is over, whatever its outcome */
  listener(returned: () => void): TravelListener {
    return {
      delivered: (events, attempts, durationMs) => {
        this.refusal = null;
        this.#observer.delivered(events, attempts, durationMs);
      },
      refusing: (failure) => (this.refusal = failure),
      retried: () => (this.retries += 1),
      retrying: (events, delayMs, failure) => this.#observer.retrying(events, delayMs, failure),
      returned,
    };
  }

  /** @param reason null: delivered */
  settle(event: QueuedEvent, claim: Claim, reason: DropReason | null, detail: string): void {
    if (typeof claim === 'number') this.#durable?.remove(event);
    this.ledger.settle(claim, reason);
    if (reason !== null) this.refuse(event, reason, detail);
    this.#onSettled();
  }

  /** Reports an event that was never accepted. */
  refuse({ name: event, id: uuid }: QueuedEvent, reason: DropReason, detail: string): void {
    this.#observer.dropped({ reason, event, uuid, detail });
  }
}
