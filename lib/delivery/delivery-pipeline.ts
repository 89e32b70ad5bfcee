import { backoffMs } from './sending/retry-policy.js';
import { StoreRecovery } from './durability/store-recovery.js';
import { BatchScheduler, type BatchSchedulerOptions } from './sending/batch-scheduler.js';
import {
  type Delivery,
  type DeliveryObserver,
  type DeliveryReport,
  type DeliveryStats,
  type ImmediateCall,
  type ImmediateOutcome,
  type QueuedEvent,
  type Sender,
} from './delivery.js';
import { DurableBuffer, type Durability } from './durability/durable-buffer.js';
import { EventQueue } from './queue/event-queue.js';
import { ImmediateSender } from './sending/immediate-sender.js';
import { type Ledger } from './ledger.js';
import { Settlement } from './settlement.js';
import { RequestStatsCollector } from './sending/request-stats.js';
import { EventCount } from './queue/event-count.js';
import { deadlineTimer, type Timer, within } from './timers.js';
import { CapacityWaiters } from './queue/capacity-waiters.js';

/** How the pipeline bounds, batches, retries and ends. Milliseconds and bytes. */
export interface DeliveryOptions extends BatchSchedulerOptions {
  readonly shutdownTimeoutMs: number;
}

/**
 * Keeps events until somebody has answered for them. Takes them in no time, sends them in batches or, for callers who
 * wait, past the queue, and reports the fate of each exactly once to its observer. Nothing here throws or rejects.
 */
export class DeliveryPipeline implements Delivery {
  readonly #options: DeliveryOptions;
  readonly #sender: Sender;
  readonly #observer: DeliveryObserver;
  readonly #queue: EventQueue;
  readonly #scheduler: BatchScheduler;
  readonly #immediate: ImmediateSender;
  readonly #settlement: Settlement;
  readonly #requests = new RequestStatsCollector();
  readonly #durable: DurableBuffer | null;
  readonly #recovery: StoreRecovery | null;
  /** Events that stay in the store when the pipeline is closed. */
  readonly #left = new EventCount();
  readonly #capacityWaiters: CapacityWaiters;
  /** Told when sending stalls. */
  readonly #impatient = new Set<() => void>();
  #closing: Promise<DeliveryReport> | null = null;
  #closed = false;
  /** By the clock that nobody sets. */
  #closeAt = Infinity;
  #closeTimer: Timer | null = null;

  constructor(options: DeliveryOptions, sender: Sender, observer: DeliveryObserver, durability?: Durability) {
    this.#options = options;
    this.#sender = sender;
    this.#observer = observer;
    this.#queue = new EventQueue(options);
    this.#capacityWaiters = new CapacityWaiters(() => this.#queue.freeCapacity.maxEvents);
    const durable = durability ? new DurableBuffer(durability, observer) : null;
    this.#durable = durable;
    this.#recovery =
      durable &&
      new StoreRecovery(durable, {
        capacity: () => this.#queue.freeCapacity,
        recovered: (events) => {
          this.#settlement.ledger.recovered += events.length;
          for (const event of events) this.#queue.push(event);
          for (const event of events) {
            observer.queued(event);
            this.#scheduler.arrived(event);
          }
        },
      });
    const request = this.#requests.observed(sender.send, observer);
    this.#settlement = new Settlement(observer, durable, () => {
      this.#capacityWaiters.check();
      // No request need be over for that: it may have been dropped before it left.
      if (this.#closeTimer && this.#pending === 0) this.#endCloseTimer();
    });
    const travels = this.#settlement.listener(() => this.#returned());
    this.#scheduler = new BatchScheduler(
      options,
      this.#queue,
      durable?.keptFirst(request) ?? request,
      sender.messages,
      {
        ...travels,
        settled: (event, seq, reason, detail) => this.#settlement.settle(event, seq, reason, detail),
        stalled: (failure, coolDownMs) => {
          observer.coolingDown(failure, coolDownMs, this.#pending);
          for (const giveUp of this.#impatient) giveUp();
        },
        recovered: () => observer.resumed(this.#pending),
      },
    );
    this.#immediate = new ImmediateSender(options, request, sender.messages, {
      ...travels,
      queued: (event) => observer.queued(event),
      settled: (call, event, outcome) => {
        if (outcome.delivered) this.#settlement.settle(event, call, null, '');
        else this.#settlement.settle(event, call, outcome.reason, outcome.message);
      },
      answered: () => this.#scheduler.answered(),
    });
  }

  stats(): DeliveryStats {
    const { maxQueueEvents, maxQueueBytes, maxEventAgeMs, flushIntervalMs } = this.#options;
    const now = Date.now();
    const oldest = Math.min(this.#queue.oldestCapturedAt ?? Infinity, this.#immediate.oldestCapturedAt ?? Infinity);
    const coolDownLeftMs = this.#scheduler.coolDownLeftMs;
    return {
      recovered: this.#settlement.ledger.recovered,
      delivered: this.#settlement.ledger.delivered,
      pending: this.#pending,
      pendingBytes: this.#queue.bytes + this.#immediate.bytes + this.#left.bytes,
      inFlight: this.#queue.leased + this.#immediate.inFlight,
      retries: this.#settlement.retries,
      requests: this.#requests.stats,
      oldestPendingMs: oldest === Infinity ? null : Math.max(0, now - oldest),
      coolDownUntil: coolDownLeftMs === null ? null : Math.round(now + coolDownLeftMs),
      limits: { maxQueueEvents, maxQueueBytes, maxEventAgeMs, flushIntervalMs },
      lastFailure: this.#scheduler.lastFailure ?? this.#settlement.refusal,
      storeFailing: this.#durable?.failing ?? false,
    };
  }

  /**
   * Brings back what earlier processes left in the store, and goes on looking after them. Called once, before the first
   * event. Rejects when the store cannot be used.
   */
  async recover(): Promise<void> {
    await this.#recovery?.open();
  }

  /**
   * Takes an event over, for ever: it will be delivered or reported as dropped.
   *
   * @returns false when it was dropped at once (nothing could make room for it, or the pipeline is closed)
   */
  accept(event: QueuedEvent): boolean {
    if (this.#isClosed()) {
      this.#settlement.refuse(event, 'shutdown', 'captured after shutdown');
      return false;
    }
    let kept = true;
    this.#queue.push(event);
    // One at a time, so that the books balance whenever somebody is told.
    for (let evicted = this.#queue.evict(); evicted; evicted = this.#queue.evict()) {
      if (evicted.event === event) kept = false;
      this.#settlement.settle(evicted.event, evicted.seq, 'queue_full', 'the queue is full');
    }
    if (kept) {
      this.#durable?.append(event);
      this.#observer.queued(event);
    }
    if (this.#closing) this.#sendLate();
    else this.#scheduler.arrived(event);
    return kept;
  }

  /** Sends one event past the queue and resolves with the answer. */
  deliverNow(event: QueuedEvent, call: ImmediateCall): Promise<ImmediateOutcome> {
    if (this.#isClosed()) {
      this.#settlement.refuse(event, 'shutdown', 'captured after shutdown');
      return Promise.resolve({ delivered: false, reason: 'shutdown', message: 'Event dropped: shutdown' });
    }
    const answer = this.#immediate.send(event, call);
    if (this.#closing) this.#sendLate();
    return answer;
  }

  /** Sends all at once, with a probe if sending has stalled. Resolves when it is settled, stalls, or at the time limit. */
  async flush(timeoutMs: number): Promise<DeliveryReport> {
    const statement = this.#openStatement();
    const how = await this.#sendUntil(statement.settled, timeoutMs);
    const late = how === 'timeout' ? `not everything was answered for within ${timeoutMs} ms` : null;
    return statement.report(this.#scheduler.lastFailure?.message ?? late);
  }

  /** Resolves when the queue is at most half full, when the pipeline is closed, or at the time limit. */
  ready(timeoutMs?: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const capacity = this.#capacityWaiters.wait(timeoutMs);
    // What makes the queue full may be less than a batch.
    if (this.#capacityWaiters.size > 0) this.#scheduler.sendSoon();
    return capacity;
  }

  /**
   * Sends what is left within `shutdownTimeoutMs`, and reports. Gives up early when sending stalls and all that is left
   * stays in the store, or nothing was ever delivered. Events that come while that time lasts are still taken and sent. Idempotent.
   */
  close(): Promise<DeliveryReport> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<DeliveryReport> {
    const { shutdownTimeoutMs } = this.#options;
    this.#closeAt = performance.now() + shutdownTimeoutMs;
    this.#recovery?.stop();
    const statement = this.#openStatement();
    let how = shutdownTimeoutMs > 0 ? await this.#drain(statement.settled) : 'timeout';
    // The store must hear what becomes of all that it keeps before it is closed.
    while (how === 'settled' && this.#pending > 0) how = await this.#drain(this.#openStatement().settled);
    if (how === 'settled') {
      await this.#durable?.close();
      // Nobody but us can tell of what was captured while the store took its time.
      how = await this.#drain(this.#openStatement().settled);
    }
    const error = this.#scheduler.lastFailure?.message ?? null;
    if (how !== 'settled') await this.#shut();
    else this.#sender.release();
    await this.#durable?.close();
    this.#capacityWaiters.releaseAll();
    const report = statement.report(error);
    return report.dropped.shutdown === undefined ? report : { ...report, error };
  }

  /**
   * Sends until everything is settled, what is captured meanwhile included. Sending that stalls gets a probe at once, and
   * goes on as long as something gets through: one unlucky batch must not cost the rest. When nothing does, what would be
   * lost is tried again until the time is over, unless nothing ever got through from here: then one probe decides.
   */
  async #drain(settled: Promise<void>): Promise<'settled' | 'stalled' | 'timeout'> {
    // A pause that the receiver asked for is no stall: what comes of it is only found out now.
    let before = this.#scheduler.coolingDown ? this.#settlement.ledger.delivered : -1;
    this.#scheduler.hurry();
    let covered = settled;
    for (let failures = 0; ; before = this.#settlement.ledger.delivered) {
      const how = await this.#sendUntil(covered, this.#timeLeftMs);
      if (how === 'settled') {
        if (this.#pending === 0) return how;
        covered = this.#openStatement().settled;
      } else if (how === 'timeout') {
        return how;
      } else if (this.#settlement.ledger.delivered > before) {
        failures = 0;
      } else {
        const isSafe = this.#durable?.keepsAll === true && this.#immediate.calls.size === 0;
        if (isSafe || this.#settlement.ledger.delivered === 0) return how;
        failures += 1;
        await within(covered, Math.min(backoffMs(failures, this.#options), this.#timeLeftMs), undefined);
      }
    }
  }

  /** Ends everything: what is in flight is aborted, what is left is dropped. */
  async #shut(): Promise<void> {
    this.#closed = true;
    this.#endCloseTimer();
    const detail = this.#scheduler.lastFailure?.message ?? 'the time for shutdown was over';
    this.#immediate.close();
    await this.#scheduler.stop();
    // Only then is it known what the store keeps.
    await this.#durable?.written;
    for (let left = this.#queue.takeOldest(); left; left = this.#queue.takeOldest()) {
      if (this.#durable?.keeps(left.event)) this.#left.add(left.event);
      else this.#settlement.settle(left.event, left.seq, 'shutdown', detail);
    }
    this.#sender.release();
  }

  #isClosed(): boolean {
    return this.#closed || (this.#closing !== null && this.#timeLeftMs <= 0);
  }

  get #timeLeftMs(): number {
    return this.#closeAt - performance.now();
  }

  /** Hooks and jobs that end after ours still capture: it goes out at once, while the time for shutdown lasts. */
  #sendLate(): void {
    // It may have been dropped at once, and nothing else would end the timer.
    if (this.#pending === 0) return;
    this.#scheduler.sendSoon();
    // Keeps the process alive: nothing else may.
    this.#closeTimer ??= deadlineTimer(() => {
      this.#closeTimer = null;
      if (this.#pending > 0) void this.#shut();
    }, this.#timeLeftMs);
  }

  #openStatement(): ReturnType<Ledger['open']> {
    return this.#settlement.ledger.open(this.#queue.nextSeq, this.#queue.size, this.#immediate.calls);
  }

  /** Sends all until `settled`, until sending stalls, or until the time is over. Keeps the process alive meanwhile. */
  async #sendUntil(settled: Promise<void>, timeoutMs: number): Promise<'settled' | 'stalled' | 'timeout'> {
    if (this.#pending === 0) return 'settled';
    let giveUp = (): void => undefined;
    const stalled = new Promise<'stalled'>((resolve) => (giveUp = () => resolve('stalled')));
    this.#impatient.add(giveUp);
    this.#scheduler.sendAll();
    const over = Promise.race([settled.then(() => 'settled' as const), stalled]);
    const how = await within(over, timeoutMs, 'timeout' as const);
    this.#impatient.delete(giveUp);
    return how;
  }

  get #pending(): number {
    return this.#queue.size + this.#immediate.calls.size + this.#left.events;
  }

  #returned(): void {
    this.#recovery?.capacityFreed();
    if (!this.#closing || this.#closed || this.#pending > 0) return;
    this.#endCloseTimer();
    this.#sender.release();
  }

  #endCloseTimer(): void {
    if (this.#closeTimer) clearTimeout(this.#closeTimer);
    this.#closeTimer = null;
  }
}
