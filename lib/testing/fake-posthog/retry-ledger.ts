import { isDeepStrictEqual } from 'node:util';
import { isJsonObject, type JsonObject, quoted } from './json-values.js';
import { type CaptureFormat, type RuleViolation } from './recorded.js';

export interface ObservedRequest {
  readonly format: CaptureFormat;
  readonly headers: Readonly<Record<string, string>>;
  /** The parsed body; undefined if it did not arrive or is not a JSON object. */
  readonly json: unknown;
  readonly batch: readonly JsonObject[];
  readonly receivedAt: number;
}

/** The last attempt of a request. v1 identifies the request by its id, v0 by the first event of the batch. */
interface Attempt {
  readonly stamp: string;
  readonly receivedAt: number;
  readonly number: number;
  /** null: no body has arrived yet. */
  readonly createdAt: unknown;
  /** The events of the first attempt whose body arrived. */
  readonly uuids: ReadonlySet<unknown> | null;
}

/**
 * Compares requests with earlier ones. A retry must keep the request id, the creation time of the batch and its events,
 * by which PostHog merges duplicates. It must renew the attempt number and the time of sending, by which PostHog corrects
 * clock skew.
 */
export class RetryLedger {
  readonly #attempts = new Map<string, Attempt>();
  readonly #events = new Map<string, JsonObject>();
  readonly #maxRemembered: number;

  /** @param maxRemembered limit of remembered events, and of remembered requests; the oldest are removed */
  constructor(maxRemembered: number) {
    this.#maxRemembered = maxRemembered;
  }

  /** Records a request. Returns its violations as a retry. */
  observe(request: ObservedRequest): RuleViolation[] {
    const violations = request.format === 'v1' ? this.#observeV1(request) : this.#observeV0(request);
    for (const event of request.batch) {
      const violation = this.#compareEvent(event);
      if (violation !== null) violations.push(violation);
    }
    return violations;
  }

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
      ? [{ rule: 'sent_at_reused', detail: `sent_at ${stamp} was reused from an earlier attempt` }]
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
        const detail = `PostHog-Attempt ${number} of request ${id} follows attempt ${before.number}`;
        violations.push({ rule: 'attempt_not_counted', detail });
      }
      if (isStale(before, stamp)) {
        const detail = `PostHog-Request-Timestamp ${stamp} of request ${id} was reused from an earlier attempt`;
        violations.push({ rule: 'request_timestamp_reused', detail });
      }
      if (createdAt !== null && before.createdAt !== null && createdAt !== before.createdAt) {
        const detail = `created_at of request ${id} changed from ${quoted(before.createdAt)} to ${quoted(createdAt)}`;
        violations.push({ rule: 'created_at_changed', detail });
      }
      const added = [...(uuids ?? [])].filter((uuid) => before.uuids?.has(uuid) === false);
      if (added.length > 0) {
        const detail = `request ${id} was repeated with additional events: ${added.slice(0, 3).join(', ')}`;
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
      : { rule: 'event_changed', detail: `event ${event.uuid} was sent before with a different ${changed.join(', ')}` };
  }
}

/** A renewed stamp is not older than the arrival of the previous attempt, unless both attempts share a millisecond. */
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
