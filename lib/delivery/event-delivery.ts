import { type DeliveryReport, type QueuedEvent } from './delivery.js';
import { type ExpressCall, type ExpressOutcome } from './express-lane.js';

/** What is held now, and what was done. `inFlight` counts events, which are pending ones too. */
export interface DeliveryStats {
  /** Brought back from a store. */
  readonly recovered: number;
  readonly delivered: number;
  readonly pending: number;
  readonly pendingBytes: number;
  readonly inFlight: number;
  readonly retries: number;
}

/** Who takes events over, and answers for each of them: delivered, or reported as dropped. Nothing here throws or rejects. */
export interface EventDelivery {
  stats(): DeliveryStats;

  /**
   * Takes an event over, for ever: it will be delivered or reported as dropped.
   *
   * @returns false when it was dropped at once
   */
  accept(event: QueuedEvent): boolean;

  /** Delivers one event past all others and resolves with the answer. */
  deliverNow(event: QueuedEvent, call: ExpressCall): Promise<ExpressOutcome>;

  /** Delivers all that was accepted. Resolves when it is settled, when that cannot be now, or at the time limit. */
  flush(timeoutMs: number): Promise<DeliveryReport>;

  /** Resolves when there is room for more, when closed, or at the time limit. */
  ready(timeoutMs?: number): Promise<void>;

  /** Delivers what is left, and ends. Idempotent. */
  close(): Promise<DeliveryReport>;
}
