import { type DeliveryReport, type QueuedEvent, type SendFailure } from './delivery.js';
import { type ImmediateCall, type ImmediateOutcome } from './sending/immediate-sender.js';
import { NO_REQUESTS, type RequestStats } from './sending/request-stats.js';

/** How much may be pending, and for how long. */
export interface PendingLimits {
  readonly maxQueueEvents: number;
  readonly maxQueueBytes: number;
  /** null: for ever. */
  readonly maxEventAgeMs: number | null;
  /** How long an event waits for others while all is well. */
  readonly flushIntervalMs: number;
}

/** What is held now, and what was done. `inFlight` counts events, which are pending ones too. */
export interface DeliveryStats {
  /** Brought back from a store. */
  readonly recovered: number;
  readonly delivered: number;
  readonly pending: number;
  readonly pendingBytes: number;
  readonly inFlight: number;
  /** Requests that were repeated. */
  readonly retries: number;
  readonly requests: RequestStats;
  /** How old the oldest pending event is, by the clock; null when there is none. */
  readonly oldestPendingMs: number | null;
  /** When the next probe leaves, in epoch milliseconds; now or past while there is one, null when sending has not stalled. */
  readonly coolDownUntil: number | null;
  /** What may be pending; null where nothing is bounded. */
  readonly limits: PendingLimits | null;
  /** What the receiver or the network last answered, while it has answered nothing better since. */
  readonly lastFailure: SendFailure | null;
  /** Whether the store does not hold all that is pending, because it fails. */
  readonly storeFailing: boolean;
}

export const NOTHING_DELIVERED: DeliveryStats = Object.freeze({
  recovered: 0,
  delivered: 0,
  pending: 0,
  pendingBytes: 0,
  inFlight: 0,
  retries: 0,
  requests: NO_REQUESTS,
  oldestPendingMs: null,
  coolDownUntil: null,
  limits: null,
  lastFailure: null,
  storeFailing: false,
});

/** Who takes events over, and answers for each of them: delivered, or reported as dropped. Nothing here throws or rejects. */
export interface Delivery {
  stats(): DeliveryStats;

  /**
   * Takes an event over, for ever: it will be delivered or reported as dropped.
   *
   * @returns false when it was dropped at once
   */
  accept(event: QueuedEvent): boolean;

  /** Delivers one event past all others and resolves with the answer. */
  deliverNow(event: QueuedEvent, call: ImmediateCall): Promise<ImmediateOutcome>;

  /** Delivers all that was accepted. Resolves when it is settled, when that cannot be now, or at the time limit. */
  flush(timeoutMs: number): Promise<DeliveryReport>;

  /** Resolves when there is room for more, when closed, or at the time limit. */
  ready(timeoutMs?: number): Promise<void>;

  /** Delivers what is left, and ends. Idempotent. */
  close(): Promise<DeliveryReport>;
}
