import {
  type DeliveryObserver,
  type DropReason,
  type ImmediateOutcome,
  type QueuedEvent,
  type SendFailure,
} from './delivery.js';
import { type DurableBuffer } from './durability/durable-buffer.js';
import { type Claim, Ledger } from './ledger.js';
import { type Evicted } from './queue/event-queue.js';
import { type Lease } from './queue/lease.js';
import { type AttemptResult } from './sending/deliver-batch.js';

const DELIVERED: ImmediateOutcome = { delivered: true };

/**
 * The one place where events get their fate: they leave the queue, the store and the ledger, in this order, and then the
 * observer is called. So the counts balance whenever it is called.
 */
export class Settlement {
  readonly ledger = new Ledger();
  readonly observer: DeliveryObserver;
  readonly #durable: DurableBuffer | null;
  readonly #onSettled: () => void;
  #refusal: SendFailure | null = null;

  /** @param onSettled called when the fates of some events are known */
  constructor(observer: DeliveryObserver, durable: DurableBuffer | null, onSettled: () => void) {
    this.observer = observer;
    this.#durable = durable;
    this.#onSettled = onSettled;
  }

  /** The failure of a receiver that accepts nothing; null once it has accepted an event. */
  get refusal(): SendFailure | null {
    return this.#refusal;
  }

  settle(lease: Lease, { delivered, dropped, failure, number, durationMs }: AttemptResult): void {
    if (failure?.refusesAll) this.#refusal = failure;
    const wanted = lease.wanted(delivered);
    if (wanted.length > 0) {
      this.#refusal = null;
      for (const event of wanted) this.#settleDelivered(event, lease.ack(event));
      this.observer.delivered(wanted, number, durationMs);
      this.#onSettled();
    }
    for (const { event, reason, detail } of dropped) this.dropLeased(lease, event, reason, detail);
  }

  dropLeased(lease: Lease, event: QueuedEvent, reason: DropReason, detail: string): void {
    const claim = lease.ack(event);
    if (claim !== null) this.drop(event, claim, reason, detail);
  }

  /**
   * Drops an event that has left the queue.
   *
   * @param stored false if the event was never given to the store
   */
  drop(event: QueuedEvent, claim: Claim, reason: DropReason, detail: string, stored = typeof claim === 'number'): void {
    if (stored) this.#durable?.remove(event);
    this.ledger.settle(event, claim, reason);
    this.refuse(event, reason, detail);
    if (typeof claim === 'object') claim.answer({ delivered: false, reason, message: detail });
    this.#onSettled();
  }

  /** Settles events that have left the queue, and were delivered by another process. */
  settleSent(sent: readonly Evicted[], durationMs: number): void {
    for (const { event, seq } of sent) this.#settleDelivered(event, seq);
    this.observer.delivered(
      sent.map(({ event }) => event),
      1,
      durationMs,
    );
    this.#onSettled();
  }

  /** Another process took over events that have left the queue. */
  takenOver(gone: readonly Evicted[]): void {
    if (gone.length === 0) return;
    for (const { event, seq } of gone) this.ledger.takenOver(event, seq);
    this.observer.gone(gone.map(({ event }) => event));
    this.#onSettled();
  }

  /** Reports an event that was never accepted. */
  refuse(event: QueuedEvent, reason: DropReason, detail: string): void {
    this.observer.dropped({ reason, event: event.name, uuid: event.id, detail }, event);
  }

  #settleDelivered(event: QueuedEvent, claim: Claim | null): void {
    if (claim === null) return;
    if (typeof claim === 'number') this.#durable?.remove(event);
    else claim.answer(DELIVERED);
    this.ledger.settle(event, claim, null);
  }
}
