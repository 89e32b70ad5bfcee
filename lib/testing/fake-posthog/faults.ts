import { type EventResult } from './validation.js';
import { type RecordedRequest, type StoredEvent } from './recorded.js';

/** Can be combined with every fault. */
export interface Delay {
  /**
   * Milliseconds before the batch is stored and the response is sent. The events are stored even if the client
   * disconnects meanwhile, as PostHog would.
   */
  readonly delayMs?: number;
}

/** Delays the normal response. */
export interface DelayFault {
  readonly delayMs: number;
}

/**
 * Responds with this status and stores nothing.
 *
 * ```ts
 * posthog.fail([{ status: 503 }, { status: 429, retryAfter: 1 }]);
 * ```
 */
export interface StatusFault extends Delay {
  readonly status: number;
  /** true: stores the batch nevertheless, which the client cannot know. Default: false. */
  readonly store?: boolean;
  /** Value of `Retry-After`: seconds or an HTTP date. Default: no such header. */
  readonly retryAfter?: string | number;
  /** A string is sent as plain text, an object as JSON. Default: for a 2xx status the normal body, otherwise a short error. */
  readonly body?: string | object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Resets the connection, either `before` the body is read or `after` the batch was stored. The client cannot tell which. */
export interface ResetFault extends Delay {
  readonly reset: 'before' | 'after';
}

/** Reads the request, stores nothing and never responds. */
export interface HangFault extends Delay {
  readonly hang: true;
}

/**
 * Responds with 200 and a result for each event. Events with the result `ok`, `warning` or `limited` are stored. A `v0`
 * response has no results: it stays the same, and the other events are silently discarded, as over a quota.
 *
 * ```ts
 * posthog.fail({ results: ({ event }) => (event === 'order_placed' ? { result: 'retry' } : undefined) });
 * ```
 */
export interface ResultsFault extends Delay {
  /**
   * Called for each event that would be stored. Returns undefined to keep the normal result.
   *
   * @param event the event as it would be stored
   * @param index its position in the batch
   */
  readonly results: (event: StoredEvent, index: number) => EventResult | undefined;
  /** Value of `Retry-After` if a result is `retry`. Default: 1 (second), as PostHog; null: no such header. */
  readonly retryAfter?: string | number | null;
}

/** Stores the batch, sends the headers and half of the body, then closes the connection. */
export interface HalfAnswerFault extends Delay {
  readonly halfAnswer: true;
}

/** Stores the batch and responds with 200 and a body that is not JSON. */
export interface InvalidJsonFault extends Delay {
  readonly invalidJson: true;
}

/** Stores the batch, sends the headers immediately and the body in pieces. */
export interface SlowBodyFault extends Delay {
  /** Milliseconds until the body is complete. */
  readonly slowBodyMs: number;
}

/** Responds with a 307 redirect and stores nothing. */
export interface RedirectFault extends Delay {
  /** The `Location`. */
  readonly redirect: string;
}

/** Responds with 413 to a batch of more events. */
export interface MaxEventsFault extends Delay {
  readonly maxEvents: number;
}

/** Responds with 400 to a batch that contains a matching event. `v1` drops the event instead. */
export interface PoisonFault extends Delay {
  /** Called with each event of the request. */
  readonly poison: (event: StoredEvent) => boolean;
}

/**
 * A failure that FakePostHog simulates, for `fail`, `failAlways` and `failWhen`. Every fault can have a `delayMs`.
 *
 * ```ts
 * posthog.fail([{ status: 503 }, { reset: 'after' }, { hang: true, delayMs: 100 }]);
 * ```
 */
export type Fault = FlagsFault | ResultsFault | MaxEventsFault | PoisonFault;

/** A failure of an endpoint that takes no events, for `fail`, `failAlways` and `failWhen` of `flags` and `flags.definitions`. */
export type FlagsFault =
  | DelayFault
  | StatusFault
  | ResetFault
  | HangFault
  | HalfAnswerFault
  | InvalidJsonFault
  | SlowBodyFault
  | RedirectFault;

/** Selects the fault for a request: queued faults first, then that of the rule, then the permanent one. */
export class FaultScript<F extends Fault = Fault> {
  #queue: F[] = [];
  #always: F | null = null;
  #rule: ((request: RecordedRequest) => F | null) | null = null;

  queue(faults: F | readonly F[]): void {
    this.#queue.push(...('length' in faults ? faults : [faults]));
  }

  setAlways(fault: F | null): void {
    this.#always = fault;
  }

  setRule(rule: ((request: RecordedRequest) => F | null) | null): void {
    this.#rule = rule;
  }

  clear(): void {
    this.#queue = [];
    this.#always = null;
    this.#rule = null;
  }

  /** Called once per request, when its headers have arrived. Returns undefined if the rule needs the whole request. */
  onHeaders(): F | null | undefined {
    const queued = this.#queue.shift();
    if (queued !== undefined) return queued;
    return this.#rule === null ? this.#always : undefined;
  }

  onRequest(request: RecordedRequest): F | null {
    return this.#rule?.(request) ?? this.#always;
  }
}
