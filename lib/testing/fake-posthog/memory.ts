import { type RuleViolation } from './validation.js';
import { type RecordedRequest, type StoredEvent, type Violation } from './recorded.js';
import { mergeKey } from './stored-event.js';

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
