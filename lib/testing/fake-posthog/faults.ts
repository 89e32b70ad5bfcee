import { type EventResult } from './validation.js';
import { type RecordedRequest, type StoredEvent } from './recorded.js';

/** Every fault can be made to wait. */
export interface Delay {
  /**
   * Milliseconds before anything is stored and answered: a slow network or a slow server. A client that gave up
   * meanwhile still gets its events stored, as it would at PostHog.
   */
  readonly delayMs?: number;
}

/** Nothing but the wait, then the normal answer. */
export interface DelayFault {
  readonly delayMs: number;
}

/** Answers a status of your choice, and stores nothing. */
export interface StatusFault extends Delay {
  readonly status: number;
  /** true: the events are stored all the same, and the answer lies. */
  readonly store?: boolean;
  /** `Retry-After`: seconds, or an HTTP date. Default: none. */
  readonly retryAfter?: string | number;
  /** A string is sent as plain text, anything else as JSON. Default: of a 2xx the normal body, else a short error. */
  readonly body?: string | object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Breaks the connection: `before` anything is read or stored, or `after` the events were stored. */
export interface ResetFault extends Delay {
  readonly reset: 'before' | 'after';
}

/** Takes the request and never answers; nothing is stored. */
export interface HangFault extends Delay {
  readonly hang: true;
}

/**
 * Answers 200 with a result of your choice per event; only `ok`, `warning` and `limited` are stored. v0 has no results:
 * there the answer stays as it is, and what is not stored is lost in silence, as over a quota.
 */
export interface ResultsFault extends Delay {
  /**
   * Called for each event that the server would accept; undefined leaves the result to the server.
   *
   * @param event the event as it would be stored
   * @param index its position in the batch
   */
  readonly results: (event: StoredEvent, index: number) => EventResult | undefined;
  /** `Retry-After`, sent when a result is `retry`. Default: 1 second, as PostHog; null: none. */
  readonly retryAfter?: string | number | null;
}

/** Stores, promises the whole answer, sends half of it and breaks the connection. */
export interface HalfAnswerFault extends Delay {
  readonly halfAnswer: true;
}

/** Stores, and answers 200 with a body that is no JSON. */
export interface InvalidJsonFault extends Delay {
  readonly invalidJson: true;
}

/** Stores, sends the head of the answer at once and its body in pieces over this many milliseconds. */
export interface SlowBodyFault extends Delay {
  readonly slowBodyMs: number;
}

/** Answers 307 to another address; nothing is stored. */
export interface RedirectFault extends Delay {
  readonly redirect: string;
}

/** Answers 413 to a batch of more events than this, else as usual. */
export interface MaxEventsFault extends Delay {
  readonly maxEvents: number;
}

/** v0: answers 400 to a batch that holds such an event. v1: drops such an event. */
export interface PoisonFault extends Delay {
  readonly poison: (event: StoredEvent) => boolean;
}

/** What a `FakePostHog` can be told to do instead of answering as PostHog would. */
export type Fault =
  | DelayFault
  | StatusFault
  | ResetFault
  | HangFault
  | ResultsFault
  | HalfAnswerFault
  | InvalidJsonFault
  | SlowBodyFault
  | RedirectFault
  | MaxEventsFault
  | PoisonFault;

/** Which fault meets which request: what was queued first, then the rule, then the standing fault. */
export class FaultScript {
  #queue: Fault[] = [];
  #always: Fault | null = null;
  #rule: ((request: RecordedRequest) => Fault | null) | null = null;

  queue(faults: readonly Fault[]): void {
    this.#queue.push(...faults);
  }

  setAlways(fault: Fault | null): void {
    this.#always = fault;
  }

  setRule(rule: ((request: RecordedRequest) => Fault | null) | null): void {
    this.#rule = rule;
  }

  clear(): void {
    this.#queue = [];
    this.#always = null;
    this.#rule = null;
  }

  /** Called once per request, when its headers are there. undefined: it takes the whole request to decide. */
  onHeaders(): Fault | null | undefined {
    const queued = this.#queue.shift();
    if (queued !== undefined) return queued;
    return this.#rule === null ? this.#always : undefined;
  }

  /** Decides for a whole request. */
  onRequest(request: RecordedRequest): Fault | null {
    return this.#rule?.(request) ?? this.#always;
  }
}
