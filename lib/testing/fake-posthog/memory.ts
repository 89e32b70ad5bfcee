import { randomUUID } from 'node:crypto';
import { isJsonObject, type JsonObject } from './json-values.js';
import { type RecordedRequest, type StoredEvent, type Violation } from './recorded.js';
import { type RuleViolation } from './validation.js';

/** A request whose answer is still to come. */
export type OpenRequest = { -readonly [Key in keyof RecordedRequest]: RecordedRequest[Key] };

/** What a server remembers: the newest events, requests and violations, within a bound. */
export class Memory {
  events: StoredEvent[] = [];
  requests: RecordedRequest[] = [];
  violations: Violation[] = [];
  /** Changes with every change. */
  version = 0;
  #requestCount = 0;
  /** Events in the bodies of `requests`, one at least for each. */
  #requestWeight = 0;
  readonly #maxRemembered: number;

  /** @param maxRemembered how many events, stored and in the bodies of requests, are remembered; the oldest are forgotten */
  constructor(maxRemembered: number) {
    this.#maxRemembered = maxRemembered;
  }

  /** Gives the request its index and remembers it, with what was wrong with it. */
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
    this.version++;
  }

  addEvents(events: readonly StoredEvent[]): void {
    for (const event of events) this.events.push(event);
    forgetOldest(this.events, this.#maxRemembered);
    this.version++;
  }

  /** The first arrival of each row that PostHog would keep. */
  rows(): StoredEvent[] {
    const rows = new Map<string, StoredEvent>();
    for (const event of this.events) {
      const key = mergeKey(event);
      if (!rows.has(key)) rows.set(key, event);
    }
    return [...rows.values()];
  }

  /** Forgets everything, and counts requests from 0 again. What was handed out before stays as it is. */
  clear(): void {
    this.events = [];
    this.requests = [];
    this.violations = [];
    this.#requestCount = 0;
    this.#requestWeight = 0;
    this.version++;
  }
}

function weight(request: RecordedRequest): number {
  return Math.max(1, request.events);
}

function forgetOldest(list: unknown[], max: number): void {
  if (list.length > max) list.splice(0, list.length - max);
}

const V0_DISTINCT_ID_CHARACTERS = 200;

/** What PostHog would keep of an event that it accepts, with its own corrections. */
export function toStoredEvent(wire: JsonObject, request: RecordedRequest): StoredEvent {
  const v1 = request.format === 'v1';
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
    format: v1 ? 'v1' : 'v0',
    requestIndex: request.index,
    receivedAt: request.receivedAt,
  };
}

/** PostHog merges events that are equal in this: the UTC date, the name, the distinct id and the uuid. */
export function mergeKey(event: StoredEvent): string {
  const time = Date.parse(event.timestamp);
  const date = Number.isNaN(time) ? event.timestamp : new Date(time).toISOString().slice(0, 10);
  return JSON.stringify([date, event.event, event.distinct_id, event.uuid]);
}

function library(sdkInfo = ''): JsonObject {
  const slash = sdkInfo.lastIndexOf('/');
  return slash > 0 ? { $lib: sdkInfo.slice(0, slash), $lib_version: sdkInfo.slice(slash + 1) } : {};
}
