import { isDeepStrictEqual } from 'node:util';
import { isJsonObject, type JsonObject, quoted } from './json-values.js';
import { type RuleViolation } from './validation.js';
import { type CaptureFormat } from './recorded.js';

/** What the ledger needs to know of one request. */
export interface ObservedRequest {
  readonly format: CaptureFormat;
  readonly headers: Readonly<Record<string, string>>;
  /** The parsed body; undefined when it did not arrive or is none. */
  readonly json: unknown;
  readonly batch: readonly JsonObject[];
  readonly receivedAt: number;
}

/** The last attempt of a series: of a request id in v1, of the same leading event in v0. */
interface Attempt {
  readonly stamp: string;
  readonly receivedAt: number;
  readonly number: number;
  /** null: the body has not been seen yet. */
  readonly createdAt: unknown;
  /** The events of the first attempt whose body was seen. */
  readonly uuids: ReadonlySet<unknown> | null;
}

/**
 * Compares requests with earlier ones. A retry must leave untouched what makes it a retry (the request id, the time
 * the batch was made, its events) and renew what belongs to the attempt (its number, the time it was sent): PostHog
 * merges duplicates by the first and corrects the clock by the second.
 */
export class RetryLedger {
  readonly #attempts = new Map<string, Attempt>();
  readonly #events = new Map<string, JsonObject>();
  readonly #maxRemembered: number;

  /** @param maxRemembered how many events, and how many series of attempts, are remembered; the oldest are forgotten */
  constructor(maxRemembered: number) {
    this.#maxRemembered = maxRemembered;
  }

  /** Takes note of a request and says what is wrong with it as a retry. */
  observe(request: ObservedRequest): RuleViolation[] {
    const violations = request.format === 'v1' ? this.#observeV1(request) : this.#observeV0(request);
    for (const event of request.batch) {
      const violation = this.#compareEvent(event);
      if (violation !== null) violations.push(violation);
    }
    return violations;
  }

  /** Forgets everything. */
  clear(): void {
    this.#attempts.clear();
    this.#events.clear();
  }

  #observeV0({ json, batch, receivedAt }: ObservedRequest): RuleViolation[] {
    const stamp = isJsonObject(json) ? json.sent_at : undefined;
    const first = batch[0]?.uuid;
    if (typeof stamp !== 'string' || typeof first !== 'string') return [];
    const before = this.#attempts.get(first);
    remember(
      this.#attempts,
      first,
      { stamp, receivedAt, number: 1, createdAt: null, uuids: null },
      this.#maxRemembered,
    );
    return before !== undefined && isStale(before, stamp)
      ? [{ rule: 'sent_at_reused', detail: `sent_at ${stamp} is the time of an earlier attempt` }]
      : [];
  }

  #observeV1({ headers, json, batch, receivedAt }: ObservedRequest): RuleViolation[] {
    const id = headers['posthog-request-id'];
    const number = Number(headers['posthog-attempt']);
    if (id === undefined || !Number.isInteger(number)) return [];
    const violations: RuleViolation[] = [];
    const stamp = headers['posthog-request-timestamp'] ?? '';
    const createdAt = isJsonObject(json) ? json.created_at : null;
    const uuids = isJsonObject(json) ? new Set(batch.map((event) => event.uuid)) : null;

    const before = this.#attempts.get(id);
    if (before !== undefined) {
      if (number <= before.number) {
        const detail = `PostHog-Attempt ${number} of request ${id} comes after ${before.number}`;
        violations.push({ rule: 'attempt_not_counted', detail });
      }
      if (isStale(before, stamp)) {
        const detail = `PostHog-Request-Timestamp ${stamp} of request ${id} is the time of an earlier attempt`;
        violations.push({ rule: 'request_timestamp_reused', detail });
      }
      if (createdAt !== null && before.createdAt !== null && createdAt !== before.createdAt) {
        const detail = `created_at of request ${id} was ${quoted(before.createdAt)} and is ${quoted(createdAt)}`;
        violations.push({ rule: 'created_at_changed', detail });
      }
      const strangers = [...(uuids ?? [])].filter((uuid) => before.uuids?.has(uuid) === false);
      if (strangers.length > 0) {
        const detail = `request ${id} comes again with events that were not in it: ${strangers.slice(0, 3).join(', ')}`;
        violations.push({ rule: 'request_id_reused', detail });
      }
    }
    const attempt = {
      stamp,
      receivedAt,
      number,
      createdAt: before?.createdAt ?? createdAt,
      uuids: before?.uuids ?? uuids,
    };
    remember(this.#attempts, id, attempt, this.#maxRemembered);
    return violations;
  }

  #compareEvent(event: JsonObject): RuleViolation | null {
    if (typeof event.uuid !== 'string') return null;
    const before = this.#events.get(event.uuid);
    if (before === undefined) {
      remember(this.#events, event.uuid, event, this.#maxRemembered);
      return null;
    }
    const keys = new Set([...Object.keys(before), ...Object.keys(event)]);
    const changed = [...keys].filter((key) => !isDeepStrictEqual(before[key], event[key]));
    return changed.length === 0
      ? null
      : { rule: 'event_changed', detail: `event ${event.uuid} came before with another ${changed.join(', ')}` };
  }
}

/** A stamp made afresh is not older than the arrival of the attempt before it, unless two attempts share a millisecond. */
function isStale(before: Attempt, stamp: string): boolean {
  const previous = Date.parse(before.stamp);
  const current = Date.parse(stamp);
  return current < previous || (current === previous && current < before.receivedAt);
}

function remember<T>(map: Map<string, T>, key: string, value: T, max: number): void {
  map.set(key, value);
  if (map.size <= max) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
}
