import { deliverBatch, type HandBack, type Refusals, type RetryPolicy, type TravelListener } from './deliver-batch.js';
import {
  type DropReason,
  type QueuedEvent,
  type SendBatch,
  type SenderMessages,
  type SendFailure,
} from '../delivery.js';
import { EventAges } from '../queue/event-ages.js';
import { type EventQueue, type EventQueueLimits, type LeaseLimits } from '../queue/event-queue.js';
import { SmallSet } from '../queue/small-set.js';
import { type Lease } from '../queue/lease.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { backgroundTimer, Sleepers, type Timer } from '../timers.js';

/** When the pump sends, and how it goes on when sending fails. Milliseconds and bytes. */
export interface BatchSchedulerOptions extends EventQueueLimits, LeaseLimits, RetryPolicy {
  readonly flushAt: number;
  readonly flushIntervalMs: number;
  readonly concurrency: number;
  readonly coolDownMs: number;
  readonly maxEventAgeMs: number | null;
}

/** Who is told what the pump does. Must not throw. */
export interface BatchSchedulerListener extends TravelListener {
  /** One event left the queue from its place `seq`: delivered when `reason` is null. */
  settled(event: QueuedEvent, seq: number, reason: DropReason | null, detail: string): void;
  /** A cool-down of `coolDownMs` starts, or goes on after a probe that failed. */
  stalled(failure: SendFailure, coolDownMs: number): void;
  /** A cool-down is over. */
  recovered(): void;
}

/** A batch on its way. */
interface Travel {
  /** Not one for all: on a shared signal, listeners that come and go side by side outlive their time as entries of a Set do: see `Few`. */
  readonly abort: AbortController;
  readonly over: Promise<void>;
}

/** A pause that the receiver asks for is believed up to this many cool-downs; an absurd one shall not silence us for ever. */
const LONGEST_PAUSE_IN_COOL_DOWNS = 10;

/** How long a batch that is worth a request waits for more: a burst then fills it, and takes fewer requests. */
const LINGER_MS = 5;

/** Moves events from the queue to the receiver: decides when a batch leaves, how many at once, and when none. */
export class BatchScheduler {
  readonly #options: BatchSchedulerOptions;
  readonly #queue: EventQueue;
  readonly #send: SendBatch;
  readonly #messages: SenderMessages;
  readonly #listener: BatchSchedulerListener;
  readonly #ages = new EventAges();
  readonly #refusals: Refusals = { unproven: 0 };
  readonly #breaker = new CircuitBreaker(() => {
    this.#paused.wake(true);
    this.#sendDue();
  });
  readonly #flushAt: number;
  readonly #inFlight = new SmallSet<Travel>();
  /** Of travels that are over: a signal is dear to make. */
  readonly #aborts: AbortController[] = [];
  /** Batches that wait for a retry. */
  readonly #retries = new Sleepers();
  /** Batches whose wait is over while the receiver wants a pause. */
  readonly #paused = new Sleepers();
  /** Everything that waits shall go, full batch or not. */
  #due = false;
  /** A pause that the receiver asks for counts as a failure: it could outlast us. */
  #hurried = false;
  #flushTimer: Timer | null = null;
  #sendTimer: Timer | null = null;
  /** Whether that timer is for a batch that has room for more. */
  #lingers = false;
  #stopped = false;
  #lastFailure: SendFailure | null = null;

  constructor(
    options: BatchSchedulerOptions,
    queue: EventQueue,
    send: SendBatch,
    messages: SenderMessages,
    listener: BatchSchedulerListener,
  ) {
    this.#options = options;
    // A threshold that a batch cannot reach would leave the events to the timer.
    this.#flushAt = Math.min(options.flushAt, options.maxBatchEvents);
    this.#queue = queue;
    this.#send = send;
    this.#messages = messages;
    this.#listener = listener;
  }

  /** What the receiver or the network last answered, while it has answered nothing better since. */
  get lastFailure(): SendFailure | null {
    return this.#lastFailure;
  }

  /** An event was added to the queue. */
  arrived(event: QueuedEvent): void {
    if (this.#options.maxEventAgeMs !== null) this.#ages.arrived(event);
    if (this.#due || this.#holds(this.#flushAt)) this.#schedule();
    else this.#startFlushTimer();
  }

  /** Whether sending has stalled, and only a probe may leave. */
  get coolingDown(): boolean {
    return !this.#breaker.closed;
  }

  /** Milliseconds until a probe may leave; null when sending has not stalled. */
  get coolDownLeftMs(): number | null {
    return this.#breaker.coolDownLeftMs;
  }

  /** Sends everything that waits, also for a retry; with one probe if sending has stalled. */
  sendAll(): void {
    this.#due = true;
    this.#breaker.allowProbe();
    this.#retries.wake(true);
    this.#sendDue();
  }

  /** From now on a pause that the receiver asks for is cut short by a probe, as a cool-down is by `sendAll`. */
  hurry(): void {
    this.#hurried = true;
    if (!this.#breaker.closed || !this.#breaker.paused) return;
    this.#coolDown(0, false);
    this.#breaker.allowProbe();
  }

  /** Like `sendAll`, but after the current turn and without a probe. */
  sendSoon(): void {
    this.#due = true;
    this.#schedule();
  }

  /** The receiver was heard to answer: sending need not wait any longer. */
  answered(): void {
    this.#lastFailure = null;
    if (!this.#breaker.close()) return;
    this.#listener.recovered();
    this.#sendDue();
  }

  /** Aborts what is in flight and sends nothing more. Resolves when all events are back in the queue. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { abort } of this.#inFlight) abort.abort();
    this.#breaker.endPauses();
    this.#retries.wake(false);
    this.#paused.wake(false);
    if (this.#flushTimer) clearTimeout(this.#flushTimer);
    if (this.#sendTimer) clearTimeout(this.#sendTimer);
    await Promise.all([...this.#inFlight].map(({ over }) => over));
  }

  /** Whether so many events could leave, or as many bytes as one request may have, or what the queue may not have the room to keep. */
  #holds(events: number): boolean {
    const queue = this.#queue;
    return queue.available >= events || queue.availableBytes >= this.#options.maxBatchBytes || queue.crowded;
  }

  #startFlushTimer(): void {
    this.#flushTimer ??= backgroundTimer(() => {
      this.#flushTimer = null;
      this.#due = true;
      this.#sendDue();
    }, this.#options.flushIntervalMs);
  }

  /**
   * After the current turn: building a batch is no work for whoever captures, and a burst becomes full batches. One that has room for
   * more waits a moment longer.
   */
  #schedule(): void {
    const isFull = this.#due || this.#holds(this.#options.maxBatchEvents);
    if (this.#stopped || (this.#sendTimer && !(isFull && this.#lingers))) return;
    // Each request that returns pumps again, and so does the gate at the end of a pause.
    if (this.#inFlight.size >= this.#options.concurrency || this.#breaker.paused) return;
    if (this.#sendTimer) clearTimeout(this.#sendTimer);
    this.#lingers = !isFull;
    this.#sendTimer = isFull
      ? backgroundTimer(() => this.#sendDue(), 0)
      : backgroundTimer(() => this.#sendDue(this.#flushAt), LINGER_MS);
  }

  /** @param least so many events are worth a request, unless all shall go */
  #sendDue(least = this.#options.maxBatchEvents): void {
    if (this.#sendTimer) clearTimeout(this.#sendTimer);
    this.#sendTimer = null;
    if (this.#stopped) return;
    while (this.#inFlight.size < this.#breaker.allowed(this.#options.concurrency)) {
      if (!this.#due && !this.#holds(least)) {
        if (this.#holds(this.#flushAt)) this.#schedule();
        break;
      }
      const lease = this.#queue.lease(this.#options);
      if (!lease) break;
      const events = this.#withoutExpired(lease);
      if (events.length > 0) this.#dispatch(lease, events);
      else this.#queue.release(lease);
    }
    // What waits behind its key is still to go: it is no less due than the rest.
    if (this.#queue.size === this.#queue.leased) this.#nothingLeft();
    else if (!this.#due) this.#startFlushTimer();
  }

  /** No timer may outlive the events that it was for: after close() none is left. */
  #nothingLeft(): void {
    this.#due = false;
    if (this.#flushTimer) clearTimeout(this.#flushTimer);
    this.#flushTimer = null;
  }

  #dispatch(lease: Lease, events: readonly QueuedEvent[]): void {
    const abort = this.#aborts.pop() ?? new AbortController();
    const over = this.#deliver(lease, events, this.#breaker.requestLeaves(), abort.signal).then(() => {
      this.#inFlight.delete(travel);
      this.#aborts.push(abort);
      this.#listener.returned();
      this.#sendDue();
    });
    const travel: Travel = { abort, over };
    this.#inFlight.add(travel);
  }

  async #deliver(lease: Lease, events: readonly QueuedEvent[], probe: boolean, signal: AbortSignal): Promise<void> {
    const handBack = await this.#carry(lease, events, probe, signal);
    const back = this.#queue.release(lease);
    if (this.#stopped) return;
    if (handBack) {
      this.#listener.retrying(back, null, handBack.failure);
      this.#stall(handBack, probe);
    } else {
      // A probe that ended in a decision about its events is an answer as well.
      this.answered();
    }
  }

  #withoutExpired(lease: Lease): readonly QueuedEvent[] {
    const { maxEventAgeMs } = this.#options;
    if (maxEventAgeMs === null) return lease.events;
    return lease.events.filter((event) => {
      if (this.#ages.of(event) <= maxEventAgeMs) return true;
      this.#settle(lease, event, 'expired', `older than ${maxEventAgeMs} ms`);
      return false;
    });
  }

  #carry(lease: Lease, events: readonly QueuedEvent[], probe: boolean, signal: AbortSignal): Promise<HandBack | null> {
    const maxRetries = (): number => (probe && !this.#breaker.closed ? 0 : this.#options.maxRetries);
    return deliverBatch(events, {
      send: this.#send,
      messages: this.#messages,
      backoff: this.#options,
      // A probe is tried once; when it was answered it is a batch like any other.
      maxRetries,
      refusals: this.#refusals,
      signal,
      wait: (ms, retryAfterMs) => this.#waitForRetry(ms, retryAfterMs),
      answered: () => this.answered(),
      failed: (failure) => (this.#lastFailure = failure),
      retrying: (waiting, delayMs, failure) => this.#listener.retrying(waiting, delayMs, failure),
      refusing: (failure) => this.#listener.refusing(failure),
      delivered: (delivered, attempts, durationMs) => {
        for (const event of delivered) this.#settle(lease, event, null, '');
        this.#listener.delivered(delivered, attempts, durationMs);
      },
      dropped: (event, reason, detail) => this.#settle(lease, event, reason, detail),
    });
  }

  #settle(lease: Lease, event: QueuedEvent, reason: DropReason | null, detail: string): void {
    const seq = this.#queue.ack(lease, event);
    if (seq !== null) this.#listener.settled(event, seq, reason, detail);
  }

  async #waitForRetry(ms: number, retryAfterMs: number | undefined): Promise<boolean> {
    // Others have found out that nothing gets through: this batch waits with the rest.
    if (this.#hasStalled()) return false;
    if (this.#hurried && (retryAfterMs ?? 0) > ms) return false;
    if (retryAfterMs !== undefined) this.#breaker.pause(retryAfterMs);
    let goOn = await this.#retries.sleep(ms);
    // Between the call that wakes it and this line others may find that out as well, or be told to pause. Only a pause of a gate that
    // is open wakes those who wait for its end: a cool-down has woken them when it began, and a probe may cut it short.
    while (goOn && !this.#hasStalled() && this.#breaker.paused) goOn = await this.#paused.sleep(Infinity);
    goOn &&= !this.#hasStalled();
    if (goOn) this.#listener.retried();
    return goOn;
  }

  #hasStalled(): boolean {
    return !this.#breaker.closed || this.#stopped;
  }

  #stall({ failure, retryAfterMs = 0 }: HandBack, probe: boolean): void {
    const { coolDownMs } = this.#options;
    const asked = Math.min(retryAfterMs, coolDownMs * LONGEST_PAUSE_IN_COOL_DOWNS);
    this.#due = true;
    this.#lastFailure = failure;
    const pauseMs = Math.max(coolDownMs, asked);
    if (!this.#coolDown(pauseMs, probe)) return;
    // Longer where the receiver asked another batch for a longer pause.
    this.#listener.stalled(failure, Math.max(pauseMs, Math.round(this.#breaker.coolDownLeftMs ?? 0)));
  }

  /** Batches that wait for a retry come back. Returns false when it was cooling already. */
  #coolDown(ms: number, probe: boolean): boolean {
    if (!this.#breaker.open(ms, probe)) return false;
    this.#retries.wake(false);
    this.#paused.wake(false);
    return true;
  }
}
