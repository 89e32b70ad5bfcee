/**
 * The vocabulary of delivery. Nothing here knows PostHog, Nest or HTTP: an event is an id, an order key and
 * text that was serialized once, and whoever sends answers with one of a closed set of outcomes.
 */

/** One event on its way. Immutable: retries and restarts all send the same text. */
export interface QueuedEvent {
  /** The event's uuid. No two events of one batch have the same. */
  readonly id: string;
  /**
   * Whether the id was made for this event: no two such events have the same, and any other event may have that of any. Only
   * capture knows, so a store leaves it out of what it brings back. Default: false.
   */
  readonly hasOwnId?: boolean;
  /** The event's name, for reports only. */
  readonly name: string;
  /** Events with equal keys are never sent side by side nor out of order. */
  readonly orderKey: string;
  /** How `payload` is encoded and for whom. Opaque; a batch never mixes two. */
  readonly format: string;
  /** The event, serialized. */
  readonly payload: string;
  /** UTF-8 length of `payload`. */
  readonly bytes: number;
  /** Epoch milliseconds of the capture. */
  readonly capturedAt: number;
}

/** What leaves in one request. The id stays the same when a part of the batch is tried again. */
export interface Batch {
  readonly id: string;
  /** Epoch milliseconds; stable across attempts. */
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

/** What went wrong, in a sentence, and what a person can do about it. Never holds a key or a payload. */
export interface SendFailure {
  readonly message: string;
  readonly remedy: string;
  /** The receiver takes nothing at all from us, and will not of its own accord. Default: false. */
  readonly refusesAll?: boolean;
}

/** What one attempt came to. */
export type BatchOutcome = Answer & {
  /** For statistics: the receiver's code, or a word for why there is none. Opaque. */
  readonly code?: number | string;
};

/** The closed set of answers to one attempt. Events of a `settled` batch that are named nowhere were stored. */
type Answer =
  | {
      readonly kind: 'settled';
      readonly rejected: readonly { readonly id: string; readonly detail: string }[];
      readonly retry: readonly string[];
      readonly retryAfterMs?: number;
    }
  /** Nothing certain was stored; the same batch may go again. */
  | { readonly kind: 'retryable'; readonly failure: SendFailure; readonly retryAfterMs?: number }
  /** The batch is too large as a whole. */
  | { readonly kind: 'tooLarge'; readonly failure: SendFailure }
  /** The batch was refused because of something in it. */
  | { readonly kind: 'rejected'; readonly failure: SendFailure }
  /** The receiver takes no more of these events. */
  | { readonly kind: 'quota'; readonly failure: SendFailure }
  /** The key, the host or a proxy is wrong: no event is to blame, and none will get through. */
  | { readonly kind: 'refused'; readonly failure: SendFailure };

/** Makes one attempt. Never rejects; an aborted attempt answers `retryable`. */
export type SendBatch = (batch: Batch, attempt: Attempt) => Promise<BatchOutcome>;

/** Why an event will not arrive. */
export type DropReason =
  /** It broke a rule of the input. */
  | 'invalid'
  /** The acting person opted out. */
  | 'opted_out'
  /** A `beforeSend` returned null, threw, or returned a promise. */
  | 'before_send'
  /** It is larger than `maxEventBytes`, or PostHog refused it alone with 413. */
  | 'too_large'
  /** The queue was full: the oldest event not in flight made room. */
  | 'queue_full'
  /** PostHog refused this event for good. */
  | 'rejected'
  /** The PostHog project is over its quota. */
  | 'quota'
  /** A `captureNow` failed and its caller was told. */
  | 'undelivered'
  /** It was older than `maxEventAgeMs`. */
  | 'expired'
  /** The application shut down before it could be sent. */
  | 'shutdown';

/** What became of the events that were captured before a flush or a close and settled during it. */
export interface DeliveryReport {
  readonly delivered: number;
  /** Of the events the report covers, those not settled yet. */
  readonly pending: number;
  readonly dropped: Partial<Record<DropReason, number>>;
  /** What PostHog or the network last answered, when something is still pending because of it. */
  readonly error: string | null;
}
