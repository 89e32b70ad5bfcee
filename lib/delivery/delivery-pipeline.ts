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
import { StoreRecovery } from './durability/store-recovery.js';
import { type Ledger, type Statement } from './ledger.js';
import { CapacityWaiters } from './queue/capacity-waiters.js';
import { EventQueue } from './queue/event-queue.js';
import { BatchScheduler, type BatchSchedulerOptions } from './sending/batch-scheduler.js';
import { ImmediateSender } from './sending/immediate-sender.js';
import { RequestStatsCollector } from './sending/request-stats.js';
import { backoffMs } from './sending/retry-policy.js';
import { Settlement } from './settlement.js';
import { deadlineTimer, stopTimer, type Timer, within } from './timers.js';

export interface DeliveryOptions extends BatchSchedulerOptions {
  readonly shutdownTimeoutMs: number;
}

/**
 * Keeps events until their fate is known. Sends them in batches or, for callers who wait, ahead of the queue, and
 * reports the fate of each to the observer exactly once. Only `recover` rejects.
 */
export class DeliveryPipeline implements Delivery {
  readonly #options: DeliveryOptions;
  readonly #sender: Sender;
  readonly #queue: EventQueue;
  readonly #scheduler: BatchScheduler;
  readonly #immediate: ImmediateSender;
  readonly #requests = new RequestStatsCollector();
  readonly #durable: DurableBuffer | null;
  readonly #recovery: StoreRecovery | null;
  readonly #settlement: Settlement;
  readonly #ledger: Ledger;
  readonly #capacityWaiters: CapacityWaiters;
  #closing: Promise<DeliveryReport> | null = null;
  #closed = false;
  /** By the monotonic clock. */
  #closeAt = Infinity;
  #closeTimer: Timer | null = null;

  constructor(options: DeliveryOptions, sender: Sender, observer: DeliveryObserver, durability?: Durability) {
    this.#options = options;
    this.#sender = sender;
    const queue = new EventQueue(options);
    const durable = durability ? new DurableBuffer(durability, observer) : null;
    const settlement = new Settlement(observer, durable, () => this.#settled());
    const send = this.#requests.observed(sender.send, observer);
    const onReturn = (): void => this.#returned();
    const { messages } = sender;
    const keptFirst = { send: durable?.keptFirst(send) ?? send, messages };
    this.#scheduler = new BatchScheduler(options, queue, keptFirst, settlement, onReturn);
    this.#immediate = new ImmediateSender(options, { send, messages }, settlement, {
      onAnswer: () => this.#scheduler.answered(),
      onReturn,
      maxBatchBytes: () => this.#scheduler.sizer.maxBatchBytes,
    });
    this.#recovery = durable && new StoreRecovery(durable, queue, (events) => this.#takeRecovered(events));
    this.#queue = queue;
    this.#durable = durable;
    this.#settlement = settlement;
    this.#ledger = settlement.ledger;
    this.#capacityWaiters = new CapacityWaiters(() => queue.freeCapacity.maxEvents);
  }

  stats(): DeliveryStats {
    const { maxQueueEvents, maxQueueBytes, maxEventAgeMs, flushIntervalMs } = this.#options;
    const now = Date.now();
    const oldest = Math.min(this.#queue.oldestCapturedAt ?? Infinity, this.#immediate.oldestCapturedAt ?? Infinity);
    const coolDownLeftMs = this.#scheduler.coolDownLeftMs;
    return {
      recovered: this.#ledger.recovered,
      delivered: this.#ledger.delivered,
      pending: this.#ledger.pending.events,
      pendingBytes: this.#ledger.pending.bytes,
      inFlight: this.#queue.leased + this.#immediate.inFlight,
      retries: this.#requests.retries,
      requests: this.#requests.stats,
      oldestPendingMs: oldest === Infinity ? null : Math.max(0, now - oldest),
      coolDownUntil: coolDownLeftMs === null ? null : Math.round(now + coolDownLeftMs),
      limits: { maxQueueEvents, maxQueueBytes, maxEventAgeMs, flushIntervalMs },
      batchLimit: this.#scheduler.sizer.batchLimit,
      lastFailure: this.#scheduler.lastFailure ?? this.#settlement.refusal,
      storeFailing: this.#durable?.failing ?? false,
    };
  }

  /**
   * Recovers the events of earlier processes from the store, now and periodically. Call once, before the first event. Rejects if
   * the store cannot be used.
   */
  async recover(): Promise<void> {
    await this.#recovery?.open();
  }

  accept(event: QueuedEvent): boolean {
    if (this.#isClosed()) {
      this.#settlement.refuse(event, 'shutdown', AFTER_SHUTDOWN);
      return false;
    }
    let isKept = true;
    this.#queue.push(event);
    this.#ledger.pending.add(event);
    // One by one, so that the counts balance whenever the observer is called.
    for (let evicted = this.#queue.evict(); evicted; evicted = this.#queue.evict()) {
      const isOther = evicted.event !== event;
      isKept &&= isOther;
      this.#settlement.drop(evicted.event, evicted.seq, 'queue_full', 'the queue is full', isOther);
    }
    if (isKept) {
      this.#durable?.append(event);
      this.#settlement.observer.queued(event);
    }
    if (this.#closing) this.#sendLate();
    else this.#scheduler.arrived(event);
    return isKept;
  }

  deliverNow(event: QueuedEvent, call: ImmediateCall): Promise<ImmediateOutcome> {
    if (this.#isClosed()) {
      this.#settlement.refuse(event, 'shutdown', AFTER_SHUTDOWN);
      return Promise.resolve({ delivered: false, reason: 'shutdown', message: 'Event dropped: shutdown' });
    }
    const outcome = this.#immediate.send(event, call);
    if (this.#closing) this.#sendLate();
    return outcome;
  }

  async flush(timeoutMs: number): Promise<DeliveryReport> {
    const statement = this.#openStatement();
    const how = await this.#sendUntil(statement.settled, timeoutMs);
    const late = how === 'timeout' ? `not all events were settled within ${timeoutMs} ms` : null;
    return statement.report(this.#scheduler.lastFailure?.message ?? late);
  }

  /** Resolves when the queue is at most half full, when the pipeline is closed, or at the time limit. */
  ready(timeoutMs?: number): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const ready = this.#capacityWaiters.wait(timeoutMs);
    // The queue may be full with less than a batch.
    if (this.#capacityWaiters.size > 0) this.#scheduler.sendSoon();
    return ready;
  }

  /**
   * Sends the pending events within `shutdownTimeoutMs`. Gives up early if sending stalls and either the store has all of them or
   * nothing was ever delivered. Events that arrive within that time are still accepted and sent.
   */
  close(callsEnded?: Promise<unknown>): Promise<DeliveryReport> {
    return (this.#closing ??= this.#close(callsEnded));
  }

  async #close(callsEnded?: Promise<unknown>): Promise<DeliveryReport> {
    const { shutdownTimeoutMs } = this.#options;
    this.#closeAt = performance.now() + shutdownTimeoutMs;
    this.#recovery?.stop();
    const statement = this.#openStatement();
    const isOver = await this.#waitForCalls(callsEnded, shutdownTimeoutMs / 2);
    let how = shutdownTimeoutMs > 0 ? await this.#drain(statement.settled) : 'timeout';
    if (how === 'settled' && !isOver) await this.#waitForCalls(callsEnded, this.#timeLeftMs);
    // Before it is closed, the store must remove all events whose fate is known.
    while (how === 'settled' && this.#isPending) how = await this.#drain(this.#openStatement().settled);
    if (how === 'settled') {
      await this.#durable?.close();
      // Events captured while the store was closing are in memory only.
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

  /** Returns false if calls are still open after `timeoutMs`. Their events are accepted and sent meanwhile. */
  async #waitForCalls(callsEnded: Promise<unknown> | undefined, timeoutMs: number): Promise<boolean> {
    if (callsEnded === undefined || timeoutMs <= 0) return true;
    const ended = callsEnded.then(
      () => true,
      () => true,
    );
    return within(ended, timeoutMs, false);
  }

  /**
   * Sends until nothing is pending. If sending stalls, it continues immediately as long as something was delivered, so that one
   * failed batch does not lose the others. Otherwise events that no store has are retried with backoff until the time is over,
   * unless nothing was ever delivered: then one attempt decides.
   */
  async #drain(settled: Promise<void>): Promise<'settled' | 'stalled' | 'timeout'> {
    // A pause on request of the receiver is not a stall: whether it accepts events is still unknown.
    let before = this.#scheduler.coolingDown ? this.#ledger.delivered : -1;
    this.#scheduler.skipPauses();
    let covered = settled;
    for (let failures = 0; ; before = this.#ledger.delivered) {
      const how = await this.#sendUntil(covered, this.#timeLeftMs);
      if (how === 'settled') {
        if (!this.#isPending) return how;
        covered = this.#openStatement().settled;
      } else if (how === 'timeout') {
        return how;
      } else if (this.#ledger.delivered > before) {
        failures = 0;
      } else {
        const isSafe = this.#durable?.keepsAll === true && this.#immediate.calls.size === 0;
        // A batch may have been too large for something in between.
        if (isSafe || (this.#ledger.delivered === 0 && !this.#scheduler.sizer.isUndecided)) return how;
        failures += 1;
        await within(covered, Math.min(backoffMs(failures, this.#options), this.#timeLeftMs), undefined);
      }
    }
  }

  /** Aborts requests in flight and drops the events that the store does not have. */
  async #shut(): Promise<void> {
    this.#closed = true;
    this.#endCloseTimer();
    const detail = this.#scheduler.lastFailure?.message ?? 'the time for shutdown was over';
    this.#immediate.close();
    await this.#scheduler.stop();
    // Then it is known which events the store has.
    await this.#durable?.written;
    for (let left = this.#queue.takeOldest(); left; left = this.#queue.takeOldest()) {
      if (!this.#durable?.keeps(left.event)) this.#settlement.drop(left.event, left.seq, 'shutdown', detail);
    }
    this.#sender.release();
  }

  #isClosed(): boolean {
    return this.#closed || (this.#closing !== null && this.#timeLeftMs <= 0);
  }

  get #timeLeftMs(): number {
    return this.#closeAt - performance.now();
  }

  get #isPending(): boolean {
    return this.#ledger.pending.events > 0;
  }

  /** Hooks and jobs that finish after ours still capture: their events are sent immediately, within `shutdownTimeoutMs`. */
  #sendLate(): void {
    // If the event was dropped, nothing would end the timer.
    if (!this.#isPending) return;
    this.#scheduler.sendSoon();
    // Keeps the process alive, which no other timer does.
    this.#closeTimer ??= deadlineTimer(() => {
      this.#closeTimer = null;
      if (this.#isPending) void this.#shut();
    }, this.#timeLeftMs);
  }

  #openStatement(): Statement {
    return this.#ledger.open(this.#queue.nextSeq, this.#immediate.calls);
  }

  async #sendUntil(settled: Promise<void>, timeoutMs: number): Promise<'settled' | 'stalled' | 'timeout'> {
    return this.#isPending ? this.#scheduler.flush(settled, timeoutMs) : 'settled';
  }

  #takeRecovered(events: readonly QueuedEvent[]): void {
    this.#ledger.recovered += events.length;
    for (const event of events) {
      this.#queue.push(event);
      this.#ledger.pending.add(event);
    }
    for (const event of events) {
      this.#settlement.observer.queued(event);
      this.#scheduler.arrived(event);
    }
  }

  #settled(): void {
    this.#capacityWaiters.check();
    // The last event may have been dropped before a request left.
    if (this.#closeTimer && !this.#isPending) this.#endCloseTimer();
  }

  #returned(): void {
    this.#recovery?.capacityFreed();
    if (!this.#closing || this.#closed || this.#isPending) return;
    this.#endCloseTimer();
    this.#sender.release();
  }

  #endCloseTimer(): void {
    stopTimer(this.#closeTimer);
    this.#closeTimer = null;
  }
}

const AFTER_SHUTDOWN = 'captured after shutdown';
