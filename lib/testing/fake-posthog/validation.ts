import { type BodyLimits, type RequestBody } from './request-body.js';
import { isJsonObject, type JsonObject } from './json-values.js';
import { type CaptureFormat, type RuleViolation } from './recorded.js';

/** The error response to a request of which PostHog accepts no event. */
export interface Refusal {
  readonly status: number;
  readonly message: string;
}

/** The result of one event in a `v1` response. */
export interface EventResult {
  /** `ok`, `warning` and `limited`: stored. `drop`: discarded. `retry`: not stored, the client should send it again. */
  readonly result: string;
  /** The reason, e.g. `event_name_blank`. */
  readonly details?: string;
}

/** An event of an accepted batch. */
export interface ValidatedEvent {
  readonly wire: JsonObject;
  /** Position in the batch. */
  readonly index: number;
  /** false: PostHog does not store the event, even if `result` is `ok`. */
  readonly kept: boolean;
  /** Not part of a v0 response. */
  readonly result: EventResult;
}

/** The rules that a request violated, and the events that PostHog would store. */
export interface Validation {
  readonly violations: readonly RuleViolation[];
  /** null: the batch is accepted, and each event has its own result. */
  readonly refusal: Refusal | null;
  /** The parsed body; undefined if it is not a JSON object. */
  readonly json: unknown;
  /** The events as sent, including those of a refused batch. */
  readonly batch: readonly JsonObject[];
  /** Empty for a refused batch. */
  readonly events: readonly ValidatedEvent[];
}

/** The rules of an endpoint that stores events. */
export interface Protocol extends BodyLimits {
  readonly endpoint: 'analytics' | 'ai';
  readonly format: CaptureFormat;
  /**
   * @param headers names in lower case
   * @param apiKey the only accepted key; null: any well-formed key
   */
  validate(headers: Readonly<Record<string, string>>, body: RequestBody, apiKey: string | null): Validation;
}

/** Collects violations. The first refusal determines the response. */
export class ViolationCollector {
  readonly list: RuleViolation[] = [];
  refusal: Refusal | null = null;

  /** Adds a violation for which PostHog discards or alters data without refusing the request. */
  add(rule: string, detail: string): void {
    this.list.push({ rule, detail });
  }

  /** Adds a violation for which PostHog refuses the whole request. */
  refuse(status: number, rule: string, detail: string): void {
    this.add(rule, detail);
    this.refusal ??= { status, message: detail };
  }

  /** @param root the body; null: it could not be read */
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
 * The consequence of violating a rule.
 *
 * - `refused`: responds with 400 to the whole batch
 * - `dropped`: discards the event, which only v1 reports
 * - `lost`: reports success and discards the event later
 * - `altered`: stores the event, but not as sent
 */
export type Consequence = 'refused' | 'dropped' | 'lost' | 'altered';

export interface EventRule {
  readonly rule: string;
  /** null: the rule does not apply to v0. */
  readonly v0: Consequence | null;
  /** null: the rule does not apply to v1. */
  readonly v1: Consequence | null;
  /** Returns a description of the problem, or null if the event satisfies the rule. */
  readonly check: (event: JsonObject, format: CaptureFormat) => string | null;
}
