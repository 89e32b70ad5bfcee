import { type QueuedEvent, type SendFailure } from '../delivery.js';
import { type DeliveryObserver } from '../delivery-observer.js';

/** Who is told what becomes of requests, whichever lane they take. Must not throw. */
export interface TravelListener {
  /** One request delivered these; each was told as settled before. */
  delivered(events: readonly QueuedEvent[], attempts: number, durationMs: number): void;
  /** The receiver answers, and takes nothing: what is sent next fares no better. */
  refusing(failure: SendFailure): void;
  retried(): void;
  /** These wait for their next attempt: so long, or, where `delayMs` is null, in the queue again. */
  retrying(events: readonly QueuedEvent[], delayMs: number | null, failure: SendFailure): void;
  /** A request is over, whatever came of it. */
  returned(): void;
}

/** Remembers what the requests of all lanes have come to. */
export class TravelBook {
  /** Requests that were repeated. */
  retries = 0;
  /** Why the receiver takes nothing: since it said so it has taken no event, of whatever lane. */
  refusal: SendFailure | null = null;
  readonly listener: TravelListener;

  constructor(observer: DeliveryObserver, returned: () => void) {
    this.listener = {
      delivered: (events, attempts, durationMs) => {
        this.refusal = null;
        observer.delivered(events, attempts, durationMs);
      },
      refusing: (failure) => (this.refusal = failure),
      retried: () => (this.retries += 1),
      retrying: (events, delayMs, failure) => observer.retrying(events, delayMs, failure),
      returned,
    };
  }
}
