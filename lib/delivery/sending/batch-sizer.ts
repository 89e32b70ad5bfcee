import { type BatchLimit, type QueuedEvent, type SendFailure } from '../delivery.js';
import { type LeaseLimits } from '../queue/event-queue.js';
import { backgroundTimer, stopTimer, type Timer } from '../timers.js';
import { type AttemptResult } from './deliver-batch.js';

/** The limits of one request, and the reason for them. */
export interface BatchPlan extends LeaseLimits {
  readonly why: 'normal' | 'probe' | 'search' | 'grow';
}

/** Why a batch goes back to the queue. */
export interface GivenUp {
  readonly failure: SendFailure;
  /** A longer pause than a retry may wait. */
  readonly retryAfterMs?: number;
  /**
   * `size`: it may be the cause. `outage`: it is not. `pause`: the receiver asked for one. `events`: it refuses one after the other.
   * `another`: another batch failed.
   */
  readonly about: 'size' | 'outage' | 'pause' | 'events' | 'another';
}

export function aboutOf({
  number,
  retryAfterMs,
  failure,
}: Pick<AttemptResult, 'number' | 'retryAfterMs' | 'failure'>): GivenUp['about'] {
  if (retryAfterMs !== undefined) return 'pause';
  if (failure?.anySize === true) return 'outage';
  return number === 0 ? 'events' : 'size';
}

/** A probe is tried once; when it was answered it is a batch like any other. */
export function maxRetriesOf({ why }: BatchPlan, { maxRetries }: { readonly maxRetries: number }, isAnswered: boolean) {
  return why === 'probe' && !isAnswered ? 0 : maxRetries;
}

export interface BatchSizerCallbacks {
  /** Describes a limit. */
  limited(bytes: number): SendFailure;
  /** @param limit null: the limit is lifted */
  onLimit(limit: BatchLimit | null): void;
  /** Events that were set aside may be sent again. */
  onReady(): void;
}

/** In cool-downs: the first wait before a larger size is tried, and the time for which an event is set aside. */
const FIRST_WAIT = 10;
/** In cool-downs: the longest wait before a larger size is tried. */
const MAX_WAIT = 120;
/** Up to this many events in a row may fail alone before an outage is assumed. */
const MAX_ALONE = 3;
/** Events that failed alone and are avoided by the next probes. */
const MAX_AVOIDED = 50;

/**
 * Finds the size of a request that the receiver, or something in front of it, accepts, if it refuses larger ones with an answer that does
 * not say so: another status, a reset, a time-out. After a failed batch, the probe is a single event. If that is accepted and the batch
 * fails again, its size is to blame: it is halved until a batch is accepted. That size is the limit; larger ones are tried from time to
 * time. An event that fails alone while others are accepted is set aside, with all of its key, so that it does not stop the rest.
 *
 * If not size but an outage is the cause, a search ends after a few requests, because single events fail, too.
 */
export class BatchSizer {
  readonly #limits: LeaseLimits;
  readonly #coolDownMs: number;
  readonly #callbacks: BatchSizerCallbacks;
  #batchLimit: BatchLimit | null = null;
  /** Bytes of the batch that failed; null unless a size is searched. */
  #failed: number | null = null;
  /** The first of them, for the next search if this one is ended by an outage. */
  #firstFailed = 0;
  /** Something smaller was accepted since. */
  #smallerAccepted = false;
  /** The size is to blame. */
  #isBlamed = false;
  /** By the monotonic clock. */
  #growAt = Infinity;
  #growWaitMs = 0;
  /** Keys of events that failed alone since an event was accepted. */
  readonly #failedAlone = new Set<string>();
  /** How often, with an accepted event in between. Forgotten once an event of the key is accepted. */
  readonly #strikes = new Map<string, number>();
  #failure: SendFailure | null = null;
  #probesOne = false;
  #hasStalled = false;
  readonly #aside = new Map<string, Timer>();

  constructor(options: LeaseLimits & { readonly coolDownMs: number }, callbacks: BatchSizerCallbacks) {
    this.#limits = options;
    this.#coolDownMs = options.coolDownMs;
    this.#callbacks = callbacks;
  }

  /** The limit that was found; null without one. */
  get batchLimit(): BatchLimit | null {
    return this.#batchLimit;
  }

  get maxBatchBytes(): number {
    return this.#batchLimit?.bytes ?? this.#limits.maxBatchBytes;
  }

  /** Sizes are tried one by one. */
  get isSearching(): boolean {
    return this.#failed !== null;
  }

  /** A batch failed, and no single event was tried since. */
  get isUndecided(): boolean {
    return this.#failed !== null && !this.#smallerAccepted && this.#failedAlone.size === 0;
  }

  /** An event failed alone, and nothing was accepted since: it or the receiver is to blame. */
  get isUncertain(): boolean {
    return this.#failedAlone.size > 0;
  }

  /** The failure of the last event that failed alone. */
  get failure(): SendFailure | null {
    return this.#failure;
  }

  next(isProbe: boolean): BatchPlan {
    const { maxBatchEvents } = this.#limits;
    const plan = (maxBatchBytes: number, why: BatchPlan['why']): BatchPlan => ({
      maxBatchEvents: why === 'probe' && this.#probesOne ? 1 : maxBatchEvents,
      maxBatchBytes,
      why,
      avoid:
        this.#aside.size > 0 || this.#failedAlone.size > 0
          ? new Set([...this.#aside.keys(), ...this.#failedAlone])
          : undefined,
    });
    const max = this.maxBatchBytes;
    if (isProbe) return plan(max, 'probe');
    if (this.#failed !== null)
      return plan(this.#isBlamed ? Math.ceil(this.#failed / 2) : Math.min(max, this.#failed), 'search');
    if (performance.now() >= this.#growAt) return plan(Math.min(2 * max, this.#limits.maxBatchBytes), 'grow');
    return plan(max, 'normal');
  }

  /** A request leaves. */
  leaves({ why }: BatchPlan): void {
    if (why === 'grow') this.#growAt = Infinity;
  }

  /** The receiver answered for an event, of whatever request. Called after `accepted`. */
  answered(): void {
    if (this.#failed !== null) this.#smallerAccepted = true;
    for (const key of this.#failedAlone) {
      // After an outage, the events that failed in it are as good as any, unless it happens again.
      if (!this.#hasStalled || (this.#strikes.get(key) ?? 0) > 1) this.#setAside(key);
    }
    this.#failedAlone.clear();
    this.#hasStalled = false;
  }

  /** Events of one request were accepted. */
  accepted(events: readonly QueuedEvent[], plan: BatchPlan): void {
    if (this.#strikes.size > 0) this.#acquit(events);
    if (this.#failed === null && this.#batchLimit === null) return;
    const bytes = sizeOf(events);
    const isLarge = 2 * bytes >= plan.maxBatchBytes || events.length >= plan.maxBatchEvents;
    if (this.#failed !== null) {
      const isFound = plan.why === 'search' && isLarge;
      if (!isFound && bytes < this.#failed) return;
      this.#failed = null;
      if (isFound && this.#isBlamed) this.#setLimit(bytes);
      this.#isBlamed = false;
    } else if (plan.why === 'grow' && this.#batchLimit !== null) {
      const limit = this.#batchLimit.bytes;
      const isUnlimited = isLarge && (plan.maxBatchBytes >= this.#limits.maxBatchBytes || bytes <= limit);
      if (isUnlimited) this.#setLimit(null);
      else if (bytes > limit) this.#setLimit(bytes, this.#coolDownMs);
      else this.#growAt = 0;
    }
  }

  /**
   * A request was given up.
   *
   * @returns true if nothing must be sent for a while: size does not explain it
   */
  gaveUp(events: readonly QueuedEvent[], plan: BatchPlan, { failure, about }: GivenUp): boolean {
    if (plan.why === 'grow') this.#waitLonger();
    const [event] = events;
    if (about !== 'another') this.#probesOne = about === 'size';
    if (about !== 'size' || !event) return this.#stall();
    if (events.length === 1) {
      this.#failure = failure;
      return this.#gaveUpAlone(event, plan);
    }
    const bytes = sizeOf(events);
    if (plan.why === 'grow') return false;
    if (this.#failed === null) {
      this.#failed = this.#firstFailed = bytes;
      this.#smallerAccepted = false;
      this.#isBlamed = false;
    } else if (plan.why === 'search' && (this.#smallerAccepted || this.#isBlamed)) {
      this.#failed = bytes;
      this.#isBlamed = true;
    }
    return this.#isBlamed ? false : this.#stall();
  }

  /** Tries all events again that were set aside. */
  takeBack(): void {
    for (const timer of this.#aside.values()) stopTimer(timer);
    this.#aside.clear();
  }

  #gaveUpAlone({ orderKey, bytes }: QueuedEvent, { why }: BatchPlan): boolean {
    if (this.#failedAlone.size >= MAX_AVOIDED) this.#failedAlone.clear();
    if (!this.#failedAlone.has(orderKey)) this.#strikes.set(orderKey, (this.#strikes.get(orderKey) ?? 0) + 1);
    this.#failedAlone.add(orderKey);
    const othersAccepted = why !== 'probe' && (this.#batchLimit !== null || this.#smallerAccepted);
    if (othersAccepted && this.#failedAlone.size <= MAX_ALONE) return false;
    if (this.#failed === null) this.#failed = this.#firstFailed = bytes;
    return this.#stall();
  }

  #acquit(events: readonly QueuedEvent[]): void {
    for (const { orderKey } of events) {
      this.#strikes.delete(orderKey);
      this.#failedAlone.delete(orderKey);
    }
  }

  #stall(): true {
    if (this.#failed !== null) this.#failed = this.#firstFailed;
    this.#isBlamed = false;
    this.#smallerAccepted = false;
    this.#hasStalled = true;
    return true;
  }

  #setLimit(bytes: number | null, growInMs = FIRST_WAIT * this.#coolDownMs): void {
    this.#batchLimit = bytes === null ? null : { ...this.#callbacks.limited(bytes), bytes };
    this.#growWaitMs = growInMs;
    this.#growAt = bytes === null ? Infinity : performance.now() + growInMs;
    if (bytes === null) this.takeBack();
    this.#callbacks.onLimit(this.#batchLimit);
  }

  #waitLonger(): void {
    this.#growWaitMs = Math.min(2 * this.#growWaitMs, MAX_WAIT * this.#coolDownMs);
    this.#growAt = performance.now() + this.#growWaitMs;
  }

  #setAside(key: string): void {
    const timer = backgroundTimer(() => {
      this.#aside.delete(key);
      this.#callbacks.onReady();
    }, FIRST_WAIT * this.#coolDownMs);
    this.#aside.set(key, timer);
    this.#strikes.delete(key);
  }
}

const sizeOf = (events: readonly QueuedEvent[]): number => events.reduce((sum, { bytes }) => sum + bytes, 0);
