import { randomUUID } from 'node:crypto';
import { type OpenRequest } from './endpoint.js';
import { isJsonObject, type JsonObject } from './json-values.js';
import { type RecordedRequest, type StoredEvent, type Violation, type RuleViolation } from './recorded.js';
import { type Protocol } from './validation.js';

/** The newest events, requests and violations of one server. */
export class Memory {
  events: StoredEvent[] = [];
  requests: RecordedRequest[] = [];
  violations: Violation[] = [];
  #requestCount = 0;
  /** Number of events in the bodies of `requests`; a request counts as at least one. */
  #requestWeight = 0;
  readonly #maxRemembered: number;

  /** @param maxRemembered limit of stored events, and of events in the bodies of requests; the oldest are removed */
  constructor(maxRemembered: number) {
    this.#maxRemembered = maxRemembered;
  }

  /** Assigns `request.index`. */
  addRequest(request: OpenRequest, violations: readonly RuleViolation[]): void {
    request.index = this.#requestCount++;
    this.requests.push(request);
    this.#requestWeight += weight(request);
    while (this.#requestWeight > this.#maxRemembered && this.requests.length > 1) {
      const forgotten = this.requests.shift();
      if (forgotten !== undefined) this.#requestWeight -= weight(forgotten);
    }
    this.addViolations(request, violations);
  }

  addViolations(request: RecordedRequest, violations: readonly RuleViolation[]): void {
    for (const { rule, detail } of violations) this.violations.push({ rule, detail, requestIndex: request.index });
    forgetOldest(this.violations, this.#maxRemembered);
  }

  addEvents(events: readonly StoredEvent[]): void {
    for (const event of events) this.events.push(event);
    forgetOldest(this.events, this.#maxRemembered);
  }

  /** The first stored event of each row that PostHog keeps. */
  rows(): StoredEvent[] {
    const rows = new Map<string, StoredEvent>();
    for (const event of this.events) {
      const key = mergeKey(event);
      if (!rows.has(key)) rows.set(key, event);
    }
    return [...rows.values()];
  }

  /** Also resets the request index. Arrays that were returned before stay unchanged. */
  clear(): void {
    this.events = [];
    this.requests = [];
    this.violations = [];
    this.#requestCount = 0;
    this.#requestWeight = 0;
  }
}

function weight(request: RecordedRequest): number {
  return Math.max(1, request.events);
}

function forgetOldest(list: unknown[], max: number): void {
  if (list.length > max) list.splice(0, list.length - max);
}

const V0_DISTINCT_ID_CHARACTERS = 200;

/** Applies the corrections that PostHog makes to an accepted event. */
export function toStoredEvent(wire: JsonObject, request: RecordedRequest, protocol: Protocol): StoredEvent {
  const { endpoint, format } = protocol;
  const v1 = format === 'v1';
  const distinctId = String(wire.distinct_id);
  const properties = isJsonObject(wire.properties) ? wire.properties : {};
  return {
    uuid: typeof wire.uuid === 'string' ? wire.uuid.toLowerCase() : randomUUID(),
    event: String(wire.event),
    distinct_id: v1 ? distinctId.trim() : distinctId.slice(0, V0_DISTINCT_ID_CHARACTERS),
    timestamp: typeof wire.timestamp === 'string' ? wire.timestamp : new Date(request.receivedAt).toISOString(),
    properties: v1 ? { ...properties, ...library(request.headers['posthog-sdk-info']) } : properties,
    ...(v1 && isJsonObject(wire.options) ? { options: wire.options } : {}),
    ...(v1 && typeof wire.session_id === 'string' ? { session_id: wire.session_id } : {}),
    ...(v1 && typeof wire.window_id === 'string' ? { window_id: wire.window_id } : {}),
    endpoint,
    format,
    requestIndex: request.index,
    receivedAt: request.receivedAt,
  };
}

/** PostHog merges events with the same UTC date, name, distinct id and uuid. */
export function mergeKey(event: StoredEvent): string {
  const time = Date.parse(event.timestamp);
  const date = Number.isNaN(time) ? event.timestamp : new Date(time).toISOString().slice(0, 10);
  return JSON.stringify([date, event.event, event.distinct_id, event.uuid]);
}

function library(sdkInfo = ''): JsonObject {
  const slash = sdkInfo.lastIndexOf('/');
  return slash > 0 ? { $lib: sdkInfo.slice(0, slash), $lib_version: sdkInfo.slice(slash + 1) } : {};
}
