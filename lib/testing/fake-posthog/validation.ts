import { isJsonObject, type JsonObject } from './json-values.js';
import { type CaptureFormat } from './recorded.js';

/** A broken rule, before it is known which request broke it. */
export interface RuleViolation {
  readonly rule: string;
  readonly detail: string;
}

/** The answer to a request that PostHog accepts nothing of. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
}

/** What v1 answers for one event. `ok`, `warning` and `limited` say that it was stored. */
export interface EventResult {
  readonly result: string;
  readonly details?: string;
}

/** One event of an accepted batch. */
export interface ValidatedEvent {
  readonly wire: JsonObject;
  /** Position in the batch. */
  readonly index: number;
  /** false: PostHog keeps nothing of it, whatever it answers. */
  readonly kept: boolean;
  /** v0 has no place to say so: there it is told to nobody. */
  readonly result: EventResult;
}

/** What PostHog would do with a request, and every rule the request broke. */
export interface Validation {
  readonly violations: readonly RuleViolation[];
  /** null: the batch is accepted, event by event. */
  readonly refusal: Refusal | null;
  /** The parsed body; undefined when it is no JSON object. */
  readonly json: unknown;
  /** The events as they were sent, also those of a refused batch. */
  readonly batch: readonly JsonObject[];
  /** Empty for a refused batch. */
  readonly events: readonly ValidatedEvent[];
}

/** A request's body: text, or the reason why there is none. */
export type RequestBody =
  { readonly text: string } | { readonly unreadable: RuleViolation & { readonly status: number } };

/** One of PostHog's two ingestion endpoints. */
export interface Protocol {
  readonly format: CaptureFormat;
  readonly maxWireBytes: number;
  readonly maxDecodedBytes: number;
  /** The values of `Content-Encoding` that are understood. */
  readonly encodings: readonly string[];
  /** The status for any other. */
  readonly unknownEncodingStatus: number;
  /**
   * @param headers names in lower case
   * @param apiKey the only token accepted; null: any well-formed one
   */
  validate(headers: Readonly<Record<string, string>>, body: RequestBody, apiKey: string | null): Validation;
}

/** Collects broken rules. The first one that PostHog refuses the request for decides the answer. */
export class ViolationCollector {
  readonly list: RuleViolation[] = [];
  refusal: Refusal | null = null;

  /** PostHog would take the request all the same, and lose or alter something. */
  add(rule: string, detail: string): void {
    this.list.push({ rule, detail });
  }

  /** PostHog would take nothing of the request. */
  refuse(status: number, rule: string, detail: string): void {
    this.add(rule, detail);
    this.refusal ??= { status, message: detail };
  }

  /** Ends the validation of a request whose body is `root` (null: unreadable) and whose events are `events`. */
  toValidation(root: JsonObject | null, events: readonly ValidatedEvent[]): Validation {
    const batch: unknown = root?.batch;
    return {
      violations: this.list,
      refusal: this.refusal,
      json: root ?? undefined,
      batch: Array.isArray(batch) ? batch.filter(isJsonObject) : [],
      events: this.refusal === null ? events : [],
    };
  }
}

/**
 * What PostHog does with an event that breaks a rule: it refuses the whole batch with 400; drops the event (and only
 * v1 says so); says that it took the event and loses it later; or keeps it, but not as it was sent.
 */
export type Consequence = 'refused' | 'dropped' | 'lost' | 'altered';

/** One rule about one event. */
export interface EventRule {
  readonly rule: string;
  /** null: v0 has no such rule. */
  readonly v0: Consequence | null;
  /** null: v1 has no such rule. */
  readonly v1: Consequence | null;
  /** A sentence that says what is wrong, or null. */
  readonly broken: (event: JsonObject, format: CaptureFormat) => string | null;
}
