/**
 * The contracts of delivery, which knows neither the product at the other end nor Nest nor HTTP: an event is an id, an
 * order key and a serialized payload, and an attempt to send a batch has one of six outcomes.
 */

/** An event to be delivered. Immutable: retries and restarts send the same payload. */
export interface QueuedEvent {
  /** The event's uuid. No two events of one batch have the same. */
  readonly id: string;
  /**
   * True if the id was generated for this event, so that no other such event has it. Capture knows; a store returns it only if
   * it cannot return an event twice. Default: false.
   */
  readonly hasOwnId?: boolean;
  /** The event's name, for reports only. */
  readonly name: string;
  /** Events with equal keys are sent in order, and never in two requests at once. */
  readonly orderKey: string;
  /** Encoding of `payload`. Opaque; all events of a batch have the same. */
  readonly format: string;
  /** The serialized event. */
  readonly payload: string;
  /** UTF-8 length of `payload`. */
  readonly bytes: number;
  /** Time of the capture, in epoch milliseconds. */
  readonly capturedAt: number;
}

/** The content of one request. A retry has the same id. */
export interface Batch {
  readonly id: string;
  /** Epoch milliseconds; the same for every attempt. */
  readonly createdAt: number;
  readonly format: string;
  readonly events: readonly QueuedEvent[];
}

/** One attempt to send a batch. */
export interface Attempt {
  /** 1, 2, 3 … per batch id. */
  readonly number: number;
  readonly signal: AbortSignal;
}

/** The reason why sending failed, in one sentence, and the remedy. Contains neither key nor payload. */
export interface SendFailure {
  readonly message: string;
  readonly remedy: string;
  /** The receiver accepts nothing, and retries will not help. Default: false. */
  readonly refusesAll?: boolean;
  /** Smaller batches would fail as well, so they are not tried. Default: false. */
  readonly anySize?: boolean;
}

/** A size of requests that the receiver accepts, found after it had refused larger ones without saying so. */
export interface BatchLimit extends SendFailure {
  /** Bytes of the events of one request, before compression. */
  readonly bytes: number;
}

/** The result of one attempt. Events of a `settled` batch that are neither in `rejected` nor in `retry` were accepted. */
export type BatchOutcome = {
  /** For statistics: the receiver's status code, or a word for why there is none. */
  readonly code?: number | string;
  /** The attempt took two requests, which counts as two for `Attempt.number`. */
  readonly isRepeated?: boolean;
} & (
  | {
      readonly kind: 'settled';
      readonly rejected: readonly { readonly id: string; readonly detail: string }[];
      readonly retry: readonly string[];
      /** Why the events in `retry` must be sent again, unless the receiver asked for them. */
      readonly failure?: SendFailure | undefined;
      readonly retryAfterMs?: number;
    }
  /** Perhaps nothing was accepted; the same batch may be sent again. */
  | { readonly kind: 'retryable'; readonly failure: SendFailure; readonly retryAfterMs?: number }
  /** The batch as a whole is too large. */
  | { readonly kind: 'tooLarge'; readonly failure: SendFailure }
  /** An event in the batch is at fault. */
  | { readonly kind: 'rejected'; readonly failure: SendFailure }
  /** The receiver accepts no more of these events. */
  | { readonly kind: 'quota'; readonly failure: SendFailure }
  /** The key, the host or a proxy is wrong: no event is at fault, and none gets through. */
  | { readonly kind: 'refused'; readonly failure: SendFailure }
);

/** Makes one attempt. Never rejects; an aborted attempt returns `retryable`. */
export type SendBatch = (batch: Batch, attempt: Attempt) => Promise<BatchOutcome>;

/** Sentences about the receiver, which delivery cannot name. */
export interface SenderMessages {
  /** For a call that was aborted. */
  readonly aborted: string;
  /** For a call without a response within `timeoutMs`. */
  timedOut(timeoutMs: number): string;
  /** For events that the receiver asked for again, without a reason. */
  readonly askedAgain: SendFailure;
  /** Remedy for a receiver that refuses one event after the other: none of them is at fault. */
  readonly refusesEveryEvent: string;
  /** For a receiver that accepts only requests up to about `bytes`. */
  limited(bytes: number): SendFailure;
}

/** Sends batches to one receiver. */
export interface Sender {
  readonly send: SendBatch;
  readonly messages: SenderMessages;
  /** Closes idle connections. Called when nothing is in flight: at the end, and again after late events. */
  release(): void;
}

/** The reason why an event will not arrive. */
export type DropReason =
  /** It breaks a rule of the input. */
  | 'invalid'
  /** The current user opted out. */
  | 'opted_out'
  /** It breaks its definition, or has none: see option `events`. */
  | 'schema'
  /** A `beforeSend` returned null, threw, or returned a promise. */
  | 'before_send'
  /** It is an error of a type of which too many were captured. */
  | 'rate_limited'
  /** Option `limits` keeps a share of the persons, and its person is none of them. */
  | 'sampled'
  /** More events of its name, or of its person, than option `limits` allows. */
  | 'over_limit'
  /** An event with the same `dedupeKey` was captured before. */
  | 'duplicate'
  /** It is larger than `maxEventBytes`, or was refused alone with 413. */
  | 'too_large'
  /** The queue was full, and this was the oldest event not in flight. */
  | 'queue_full'
  /** The receiver refused this event for good. */
  | 'rejected'
  /** The project is over its quota. */
  | 'quota'
  /** A `captureNow` failed, and its caller got the error. */
  | 'undelivered'
  /** It was older than `maxEventAgeMs`. */
  | 'expired'
  /** The application shut down before it could be sent. */
  | 'shutdown'
  /** The transaction in which it was captured was rolled back. */
  | 'rolled_back';

/** An event that will not arrive. */
export interface EventDrop {
  reason: DropReason;
  /** The event's name. */
  event: string;
  /** null when the event was dropped before it had one. */
  uuid: string | null;
  /** The problem in one sentence, without property values. */
  detail: string;
}

/** The fates of the events that were captured before a flush or a close. */
export interface DeliveryReport {
  readonly delivered: number;
  /** Events that are neither delivered nor dropped yet. */
  readonly pending: number;
  readonly dropped: Partial<Record<DropReason, number>>;
  /** The last failure, if events are still pending because of it. */
  readonly error: string | null;
}

/** Limits of one call that waits for its event. */
export interface ImmediateCall {
  /** Milliseconds, retries included. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** The result of such a call. `message` is one sentence. */
export type ImmediateOutcome =
  { readonly delivered: true } | { readonly delivered: false; readonly reason: DropReason; readonly message: string };

/** A finished request. */
export interface AnsweredRequest {
  /** Number of events it carried. */
  readonly events: number;
  /** Status code; null without a response, or if the receiver has none. */
  readonly status: number | null;
  /** `timeout`, `network` or `aborted` if there was no response, otherwise null. */
  readonly failure: string | null;
  readonly durationMs: number;
  /** 1, 2, 3 … per batch id. */
  readonly attempt: number;
}

/** All finished requests, successful or not. */
export interface RequestStats {
  readonly total: number;
  /** By status, such as `200`; requests without a response under `timeout`, `network` and `aborted`; with a shared queue also `ok`. */
  readonly byStatus: Readonly<Record<string, number>>;
  /** Median duration of the last 1000 requests, including the response; null before the first. */
  readonly p50Ms: number | null;
  /** 90th percentile. */
  readonly p90Ms: number | null;
  /** 99th percentile. */
  readonly p99Ms: number | null;
}

/** Limits of the pending events. */
export interface PendingLimits {
  readonly maxQueueEvents: number;
  readonly maxQueueBytes: number;
  /** null: unlimited. */
  readonly maxEventAgeMs: number | null;
  /** Maximum time that an event waits for others before it is sent, in milliseconds. */
  readonly flushIntervalMs: number;
}

/** State and totals. `pending` includes the events in flight. */
export interface DeliveryStats {
  /** Events recovered from a store, without those that another process took over since. */
  readonly recovered: number;
  readonly delivered: number;
  readonly pending: number;
  readonly pendingBytes: number;
  readonly inFlight: number;
  /** Number of requests that were retries. */
  readonly retries: number;
  readonly requests: RequestStats;
  /** Age of the oldest pending event by the wall clock; null if none is pending. */
  readonly oldestPendingMs: number | null;
  /** Time of the next probe, in epoch milliseconds; null unless cooling down. */
  readonly coolDownUntil: number | null;
  /** null: unlimited. */
  readonly limits: PendingLimits | null;
  /** The last failure, until a request succeeds. */
  readonly lastFailure: SendFailure | null;
  /** Set while requests are kept smaller than `maxBatchBytes`, because larger ones fail. */
  readonly batchLimit: BatchLimit | null;
  /** True if the store fails, and pending events are in memory only. */
  readonly storeFailing: boolean;
  /** The part of `pending` in a second lane, which has the same limits; null if there is none. */
  readonly secondLane: Pick<DeliveryStats, 'pending' | 'pendingBytes'> | null;
}

/** Stats before anything was accepted. */
export const NOTHING_DELIVERED: DeliveryStats = Object.freeze({
  recovered: 0,
  delivered: 0,
  pending: 0,
  pendingBytes: 0,
  inFlight: 0,
  retries: 0,
  requests: Object.freeze({ total: 0, byStatus: Object.freeze({}), p50Ms: null, p90Ms: null, p99Ms: null }),
  oldestPendingMs: null,
  coolDownUntil: null,
  limits: null,
  lastFailure: null,
  batchLimit: null,
  storeFailing: false,
  secondLane: null,
});

/** Accepts events and accounts for each: delivered, or reported as dropped. No method throws or rejects. */
export interface Delivery {
  /** The part of `pending` in transactions that are still open. Default: 0. */
  readonly uncommitted?: number;

  stats(): DeliveryStats;

  /** Returns false if the event was dropped immediately. */
  accept(event: QueuedEvent): boolean;

  /** Sends one event ahead of all others and resolves with the result. */
  deliverNow(event: QueuedEvent, call: ImmediateCall): Promise<ImmediateOutcome>;

  /** Sends everything pending. Resolves when all of it is settled, when sending fails, or at the time limit. */
  flush(timeoutMs: number): Promise<DeliveryReport>;

  /** Resolves when there is capacity for more events, when closed, or after `timeoutMs`. */
  ready(timeoutMs?: number): Promise<void>;

  /**
   * Sends the pending events, then closes. Idempotent.
   *
   * @param callsEnded resolves when work that may still capture events has ended. Not awaited beyond the time limit
   */
  close(callsEnded?: Promise<unknown>): Promise<DeliveryReport>;
}

/**
 * Follows the events of a pipeline. Called synchronously and only while the counts balance; must return at once and must
 * not throw.
 */
export interface DeliveryObserver {
  /** The event waits to be sent, in the queue or as a `captureNow`. It may come from a store. */
  queued(event: QueuedEvent): void;
  /** A request is sent. The parts of a split batch are batches of their own. */
  sending(events: readonly QueuedEvent[], attempt: number): void;
  /** A request is over. The fates of its events follow. */
  answered(request: AnsweredRequest): void;
  /** The events will be sent again after `delayMs`, or, if it is null, from the queue once sending resumes. */
  retrying(events: readonly QueuedEvent[], delayMs: number | null, failure: SendFailure): void;
  /** The events of one batch were delivered. `durationMs` counts from its first attempt. */
  delivered(events: readonly QueuedEvent[], attempts: number, durationMs: number): void;
  /** @param event absent if it was dropped before it could be delivered */
  dropped(drop: EventDrop, event?: QueuedEvent): void;
  /** Another process took over these recovered events: neither delivered nor dropped here, and no longer pending. */
  gone(events: readonly QueuedEvent[]): void;
  /** Sending stops for `coolDownMs`, or until a flush. Called again if a probe fails. */
  coolingDown(failure: SendFailure, coolDownMs: number, pending: number): void;
  /** The receiver responds again: the cool-down is over. */
  resumed(pending: number): void;
  /** A request size that is accepted was found; null: the limit is lifted. */
  batchLimited(limit: BatchLimit | null): void;
  /** From now on, events are in memory only. */
  storeFailed(problem: string): void;
  /** The store works again and holds everything pending. */
  storeWorks(): void;
  storeWarned(warning: string): void;
}
