import { type QueuedEvent, type SendFailure } from '../delivery.js';
import { EventAges } from '../queue/event-ages.js';
import { type EventQueue } from '../queue/event-queue.js';
import { type QueueLease } from '../queue/lease.js';
import { type Settlement } from '../settlement.js';
import { type BatchSchedulerCallbacks, type BatchSchedulerOptions } from './batch-scheduler-contract.js';
import { aboutOf, type BatchPlan, BatchSizer, type GivenUp, maxRetriesOf } from './batch-sizer.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { deliverBatch, type WrappedSender } from './deliver-batch.js';
import { INTERRUPTED, RequestsInFlight } from './requests-in-flight.js';
import { RetryWaits } from './retry-waits.js';
import { retryDelayMs } from './retry-policy.js';
import { SendTimers } from './send-timers.js';
import { StallWaiters } from './stall-waiters.js';
import { type Refusals } from './suspects.js';

/** Maximum pause on request of the receiver, in cool-downs: an absurd `Retry-After` must not stop sending for good. */
const MAX_PAUSE_IN_COOL_DOWNS = 10;

/** Decides when batches of queued events are sent, and how many at once. */
export class BatchScheduler {
  readonly sizer: BatchSizer;
  readonly #options: BatchSchedulerOptions;
  readonly #queue: EventQueue;
  readonly #sender: WrappedSender;
  readonly #settlement: Settlement;
  readonly #callbacks: BatchSchedulerCallbacks;
  readonly #ages: EventAges;
  readonly #refusals: Refusals = { unproven: 0 };
  readonly #breaker = new CircuitBreaker(() => {
    this.#retries.pauseIsOver();
    this.#sendDue();
  });
  readonly #timers: SendTimers;
  readonly #flushAt: number;
  readonly #inFlight = new RequestsInFlight();
  readonly #retries = new RetryWaits(this.#breaker, () => this.#hasStalled());
  readonly #stallWaiters = new StallWaiters();
  /** Everything in the queue must be sent, even if it does not fill a batch. */
  #due = false;
  #skipsPauses = false;
  #stopped = false;
  #lastFailure: SendFailure | null = null;

  constructor(
    options: BatchSchedulerOptions,
    queue: EventQueue,
    sender: WrappedSender,
    settlement: Settlement,
    callbacks: BatchSchedulerCallbacks,
  ) {
    this.#options = options;
    this.#ages = new EventAges(options.maxEventAgeMs);
    // No batch could reach a higher threshold, so only the timer would send events.
    this.#flushAt = Math.min(options.flushAt, options.maxBatchEvents);
    this.#queue = queue;
    this.#sender = sender;
    this.#settlement = settlement;
    this.#callbacks = callbacks;
    this.#timers = new SendTimers(options, {
      onFlush: () => {
        this.#due = true;
        this.#sendDue();
      },
      onSend: (isFull) => this.#sendDue(isFull ? options.maxBatchEvents : this.#flushAt),
    });
    this.sizer = new BatchSizer(options, {
      limited: (bytes) => sender.messages.limited(bytes),
      onLimit: (limit) => settlement.observer.batchLimited(limit),
      onReady: () => this.#sendDue(),
    });
  }

  /** The last failure, until the receiver answers. */
  get lastFailure(): SendFailure | null {
    return this.#lastFailure;
  }

  get coolingDown(): boolean {
    return !this.#breaker.closed;
  }

  /** Milliseconds until a probe may leave; null unless cooling down. */
  get coolDownLeftMs(): number | null {
    return this.#breaker.coolDownLeftMs;
  }

  /** An event was added to the queue. */
  arrived(event: QueuedEvent): void {
    this.#ages.arrived(event);
    // A time in the past, for an event from a store, changes nothing.
    const isPauseOver = this.#catchUp(event.capturedAt);
    if (isPauseOver || this.#due || this.#isWorthSending(this.#flushAt)) this.#schedule();
    else this.#timers.startFlush();
  }

  /** Sends everything after the current turn of the event loop, but no probe. */
  sendSoon(): void {
    this.#due = true;
    this.#schedule();
  }

  /**
   * Sends everything at once, retries included; with a probe if cooling down. Resolves when `settled` does, when sending stalls,
   * or at the time limit. Keeps the process alive meanwhile.
   */
  flush(settled: Promise<void>, timeoutMs: number): Promise<'settled' | 'stalled' | 'timeout'> {
    const over = this.#stallWaiters.wait(settled, timeoutMs);
    this.#catchUp(Date.now());
    this.#due = true;
    this.sizer.takeBack();
    this.#breaker.allowProbe();
    this.#retries.end();
    this.#sendDue();
    return over;
  }

  /**
   * The process may have been suspended, and connections may be dead. Waits that are over by the wall clock end, and requests in flight
   * are sent again unless they are over soon.
   */
  resume(): void {
    this.#catchUp(Date.now());
    if (this.#queue.available > 0) this.#schedule();
    this.#inFlight.abortSuspended();
  }

  /** Ignores pauses that the receiver asks for from now on, because they could outlast the process: a probe is sent instead. */
  skipPauses(): void {
    this.#skipsPauses = true;
    if (!this.#breaker.closed || !this.#breaker.paused) return;
    this.#coolDown(0, false);
    this.#breaker.allowProbe();
  }

  /** The receiver answered: ends a cool-down. */
  answered(): void {
    this.#lastFailure = null;
    this.sizer.answered();
    if (!this.#breaker.close()) return;
    this.#settlement.observer.resumed(this.#settlement.ledger.pending.events);
    this.#sendDue();
  }

  /** Sends nothing more, and retries nothing. Resolves when no request is in flight. */
  async pause(): Promise<void> {
    this.#stopped = true;
    this.#retries.giveUp();
    await this.#inFlight.over();
  }

  /** Ends a pause. */
  goOn(): void {
    this.#stopped = false;
    this.#sendDue();
  }

  /** Aborts what is in flight and sends nothing more. Resolves when all events are back in the queue. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#inFlight.abort();
    this.#breaker.endPauses();
    this.sizer.takeBack();
    this.#timers.stopFlush();
    this.#timers.stopSend();
    await this.pause();
  }

  /**
   * Ends waits that are over by the wall clock. Timers stop while the machine is suspended, as functions are between invocations.
   *
   * @returns true if that ends a pause
   */
  #catchUp(now: number): boolean {
    this.#retries.endOverdue(now);
    if (this.#timers.isOverdue(now)) this.#due = true;
    if (!this.#breaker.endOverdue(now)) return false;
    this.#retries.pauseIsOver();
    return true;
  }

  #isWorthSending(minEvents: number): boolean {
    return this.#queue.isWorthSending(minEvents, this.sizer.maxBatchBytes);
  }

  #schedule(): void {
    const isFull = this.#due || this.#isWorthSending(this.#options.maxBatchEvents);
    if (this.#stopped || this.#timers.sends(isFull)) return;
    // The end of a request sends what is due, and so does the end of a pause.
    if (this.#inFlight.size >= this.#options.concurrency || this.#breaker.paused) return;
    this.#timers.startSend(isFull);
  }

  /** @param minEvents number of events worth a request, unless everything is due */
  #sendDue(minEvents = this.#options.maxBatchEvents): void {
    this.#timers.stopSend();
    if (this.#stopped) return;
    const { available } = this.#queue;
    while (this.#queue.available > 0 && this.#inFlight.size < this.#allowed) {
      if (!this.#due && !this.#isWorthSending(minEvents)) {
        if (this.#isWorthSending(this.#flushAt)) this.#schedule();
        break;
      }
      const plan = this.sizer.next(this.#breaker.probesNext);
      const lease = this.#queue.lease(plan) ?? this.#leaseAvoided(plan);
      if (!lease) break;
      this.#dropExpired(lease);
      if (lease.open.length > 0) this.#send(lease, plan);
      else this.#queue.release(lease);
    }
    if (this.#queue.available < available) this.#callbacks.onTaken();
    // Events that wait for their order key are still due.
    if (this.#queue.size === this.#queue.leased) {
      this.#due = false;
      // No timer may outlive its events: none is left after `close`.
      this.#timers.stopFlush();
    } else if (!this.#due) this.#timers.startFlush();
  }

  /** Only events that failed alone may be left. A probe may as well be one of them. */
  #leaseAvoided(plan: BatchPlan): QueueLease | null {
    if (plan.avoid === undefined || this.#inFlight.size > 0) return null;
    if (plan.why === 'probe') return this.#queue.lease({ ...plan, avoid: undefined });
    const failure = this.sizer.failure;
    if (failure && this.sizer.isUncertain) this.#stall({ failure }, false);
    this.#lastFailure ??= failure;
    this.#stallWaiters.giveUp();
    return null;
  }

  get #allowed(): number {
    const allowed = this.#breaker.allowed(this.#options.concurrency);
    return this.sizer.isSearching ? Math.min(1, allowed) : allowed;
  }

  #dropExpired(lease: QueueLease): void {
    for (const event of this.#ages.expired(lease.open))
      this.#settlement.dropLeased(lease, event, 'expired', `older than ${this.#options.maxEventAgeMs} ms`);
  }

  #send(lease: QueueLease, plan: BatchPlan): void {
    const isProbe = this.#breaker.requestLeaves();
    this.sizer.leaves(plan);
    this.#inFlight.start(
      (signal) => this.#deliver(lease, plan, signal),
      (givenUp) => this.#finish(lease, isProbe, plan, givenUp),
      () => {
        this.#callbacks.onReturn();
        this.#sendDue();
      },
    );
  }

  /** Makes attempts until every event has its fate. Returns the reason if it gives up, or null. */
  async #deliver(lease: QueueLease, plan: BatchPlan, signal: AbortSignal): Promise<GivenUp | null> {
    for await (const attempt of deliverBatch(lease, this.#sender, this.#refusals, signal)) {
      if (attempt.delivered.length > 0) this.sizer.accepted(attempt.delivered, plan);
      if (attempt.answered) this.answered();
      this.#settlement.settle(lease, attempt);
      const { failure, retryAfterMs } = attempt;
      if (failure === null || attempt.left.length === 0) continue;
      this.#lastFailure = failure;
      const left = lease.wanted(attempt.left);
      // Another process has them now. A probe has failed nevertheless.
      if (left.length === 0) return this.#breaker.closed ? null : { failure, about: 'another' };
      const delayMs = retryDelayMs(attempt, this.#options, maxRetriesOf(plan, this.#options, this.#breaker.closed));
      if (delayMs === null) return { failure, retryAfterMs, about: aboutOf(attempt) };
      this.#settlement.observer.retrying(left, Math.max(delayMs, retryAfterMs ?? 0), failure);
      if (!(await this.#retries.wait(delayMs, retryAfterMs, this.#skipsPauses))) return { failure, about: 'another' };
    }
    return null;
  }

  #finish(lease: QueueLease, isProbe: boolean, plan: BatchPlan, givenUp: GivenUp | null): void {
    const returned = this.#queue.release(lease);
    if (this.#stopped) return;
    if (givenUp && (returned.length > 0 || givenUp !== INTERRUPTED)) {
      this.#settlement.observer.retrying(returned, null, givenUp.failure);
      this.#due = true;
      const hasStalled = this.sizer.gaveUp(returned, plan, givenUp);
      // An interrupted request says nothing about the receiver.
      if (givenUp === INTERRUPTED) this.#breaker.interrupted(isProbe);
      else if (hasStalled) this.#stall(givenUp, isProbe);
    } else {
      // A probe whose events were refused is an answer as well.
      this.answered();
    }
  }

  #hasStalled(): boolean {
    return !this.#breaker.closed || this.#stopped;
  }

  #stall({ failure, retryAfterMs = 0 }: Omit<GivenUp, 'about'>, isProbe: boolean): void {
    const { coolDownMs } = this.#options;
    const askedMs = Math.min(retryAfterMs, coolDownMs * MAX_PAUSE_IN_COOL_DOWNS);
    const pauseMs = Math.max(coolDownMs, askedMs);
    this.#lastFailure = failure;
    if (!this.#coolDown(pauseMs, isProbe)) return;
    const { observer, ledger } = this.#settlement;
    // Another batch may have been asked for a longer pause.
    const leftMs = Math.max(pauseMs, Math.round(this.#breaker.coolDownLeftMs ?? 0));
    observer.coolingDown(failure, leftMs, ledger.pending.events);
    this.#stallWaiters.giveUp();
  }

  /** Returns batches that wait for a retry to the queue. Returns false if it was cooling down already. */
  #coolDown(ms: number, isProbe: boolean): boolean {
    if (!this.#breaker.open(ms, isProbe)) return false;
    this.#retries.giveUp();
    return true;
  }
}
