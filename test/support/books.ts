import { expect } from '@jest/globals';
import {
  type CaptureEvent,
  type CaptureService,
  type DropReason,
  type PostHogCaptureModuleOptions,
} from 'nestjs-posthog-capture';
import { type FakePostHog, type RecordedRequest, type StoredEvent } from 'nestjs-posthog-capture/testing';
import { expectBalanced } from './harness.js';
import { PATIENCE_MS } from './until.js';

/** The fate of an event, as reported to the application. */
type Fate = 'delivered' | DropReason;

/** A captured event; each person has an order of their own. */
interface Captured {
  readonly person: string;
  readonly index: number;
}

/** Expectations at the end, besides the rules that always hold. */
export interface Expected {
  /** Number of events left in a store. Default: 0, every event has its fate. */
  readonly pending?: number;
  /**
   * Drop reasons of events that may be stored nevertheless, because the answer to an earlier attempt was lost. Default: only
   * `undelivered`.
   */
  readonly perhapsStored?: readonly DropReason[];
  /** Each person's events must be stored in the order of their capture. Default: true. */
  readonly inOrder?: boolean;
}

/**
 * Follows one application from outside: the events it captured, the fates it reported, and the events that PostHog has. The
 * rules of every test with faults: captured = stored + reported as dropped, nothing is stored under two merge keys, no batch
 * contains a uuid twice, and the counts balance at every moment.
 */
export class Books {
  readonly #captured = new Map<string, Captured>();
  readonly #fates = new Map<string, Fate>();
  readonly #flaws: string[] = [];
  readonly #uncounted: Captured[] = [];
  #capture: CaptureService | null = null;
  #indices = 0;

  /** Options for the application. */
  readonly listeners: PostHogCaptureModuleOptions = {
    onDelivery: ({ uuids }) => {
      for (const uuid of uuids) this.#settle(uuid, 'delivered');
      this.sample();
    },
    onDrop: ({ uuid, reason }) => {
      if (uuid !== null) this.#settle(uuid, reason);
      this.sample();
    },
  };

  /** Checks the counts of this service from now on. */
  follow(capture: CaptureService): void {
    this.#capture = capture;
  }

  /** Number of captured events. */
  get captured(): number {
    return this.#captured.size;
  }

  /** Number of events reported as dropped. */
  dropped(reason?: DropReason): number {
    const drops = [...this.#fates.values()].filter((fate) => fate !== 'delivered');
    return drops.filter((fate) => reason === undefined || fate === reason).length;
  }

  captureOne(person: string, event: Partial<CaptureEvent> = {}): string | null {
    const index = this.#indices++;
    const uuid = this.#service.capture({ event: 'step', distinctId: person, ...event, properties: { index } });
    this.#note(uuid, { person, index });
    this.sample();
    return uuid;
  }

  /** Sends one event and waits for the result, which must match the reported fate. */
  async captureNow(person: string, options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<void> {
    const index = this.#indices++;
    const { uuid, success } = await this.#service.captureNow(
      { event: 'now', distinctId: person, properties: { index } },
      options,
    );
    this.#note(uuid, { person, index });
    if (uuid !== null && success !== (this.#fates.get(uuid) === 'delivered')) {
      this.#flaws.push(`captureNow returned ${success}, and the reported fate is ${this.#fates.get(uuid)}`);
    }
    this.sample();
  }

  /** Fails unless the counts balance now. */
  sample(): void {
    if (this.#capture) expectBalanced(this.#capture);
  }

  /** Sends until nothing is pending. Fails when that takes longer than `timeoutMs`. */
  async drain(timeoutMs = PATIENCE_MS): Promise<void> {
    const end = performance.now() + timeoutMs;
    while (this.#service.stats().pending > 0) {
      if (performance.now() > end) throw new Error(`still pending: ${JSON.stringify(this.#service.stats())}`);
      await this.#service.flush({ timeoutMs: 250 });
      this.sample();
    }
  }

  /** Compares the captured events with those that PostHog has. */
  check(posthog: FakePostHog, { pending = 0, perhapsStored = ['undelivered'], inOrder = true }: Expected = {}): void {
    this.sample();
    const arrivals = new Map<string, StoredEvent>();
    for (const event of posthog.events) if (!arrivals.has(event.uuid)) arrivals.set(event.uuid, event);
    const open = [...this.#captured.keys()].filter((uuid) => !this.#fates.has(uuid));
    const lost = [...this.#fates].filter(([uuid, fate]) => fate === 'delivered' && !arrivals.has(uuid));
    const wrongly = [...this.#fates].filter(
      ([uuid, fate]) => fate !== 'delivered' && arrivals.has(uuid) && !perhapsStored.includes(fate),
    );
    expect({
      flaws: this.#flaws,
      open: open.length,
      unknown: [...arrivals.keys(), ...this.#fates.keys()].filter((uuid) => !this.#captured.has(uuid)),
      lost,
      wrongly,
      uncounted: this.#uncounted.length,
      altered: [...arrivals].filter(([uuid, event]) => !this.#isAsCaptured(uuid, event)),
      underTwoKeys: posthog.rows.length - arrivals.size,
      twiceInABatch: posthog.requests.filter(holdsOneTwice).map(({ index }) => index),
      violations: violationsOf(posthog).slice(0, 5),
    }).toEqual({
      flaws: [],
      open: pending,
      unknown: [],
      lost: [],
      wrongly: [],
      uncounted: 0,
      altered: [],
      underTwoKeys: 0,
      twiceInABatch: [],
      violations: [],
    });
    if (inOrder) this.#checkOrder(arrivals.values());
  }

  get #service(): CaptureService {
    if (!this.#capture) throw new Error('no application is followed');
    return this.#capture;
  }

  #note(uuid: string | null, captured: Captured): void {
    if (uuid === null) this.#uncounted.push(captured);
    else this.#captured.set(uuid, captured);
  }

  #settle(uuid: string, fate: Fate): void {
    const before = this.#fates.get(uuid);
    if (before !== undefined) this.#flaws.push(`${uuid} was reported as ${before} and as ${fate}`);
    this.#fates.set(uuid, fate);
  }

  #isAsCaptured(uuid: string, event: StoredEvent): boolean {
    const { person, index } = this.#captured.get(uuid) ?? {};
    return event.distinct_id === person && event.properties.index === index;
  }

  #checkOrder(arrivals: Iterable<StoredEvent>): void {
    const last = new Map<string, number>();
    const overtaken: string[] = [];
    for (const { distinct_id: person, properties, event } of arrivals) {
      if (event === 'now') continue;
      const index = Number(properties.index);
      if (index < (last.get(person) ?? -1)) overtaken.push(`${person}: ${index} after ${last.get(person)}`);
      last.set(person, index);
    }
    expect(overtaken).toEqual([]);
  }
}

function holdsOneTwice({ json }: RecordedRequest): boolean {
  const { batch = [] } = (json ?? {}) as { batch?: readonly { uuid?: unknown }[] };
  return new Set(batch.map(({ uuid }) => uuid)).size < batch.length;
}

/** Rules that compare an attempt with the one that was seen before it. */
const RULES_OF_ORDER: ReadonlySet<string> = new Set([
  'attempt_not_counted',
  'request_timestamp_reused',
  'sent_at_reused',
]);

/** An aborted attempt may arrive after the next one, so attempts are compared by their number instead. */
function violationsOf({ violations, requests }: FakePostHog): readonly unknown[] {
  const series = new Map<string, Set<string>>();
  const repeated = requests.filter(({ headers }) => {
    const { 'posthog-request-id': id, 'posthog-attempt': attempt } = headers;
    if (id === undefined || attempt === undefined) return false;
    const attempts = series.get(id) ?? new Set();
    series.set(id, attempts);
    return attempts.size === attempts.add(attempt).size;
  });
  return [...violations.filter(({ rule }) => !RULES_OF_ORDER.has(rule)), ...repeated.map(({ headers }) => headers)];
}
