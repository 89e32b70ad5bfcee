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
import { HandOver } from './hand-over.js';
import { type Ledger, type Statement } from './ledger.js';
import { CapacityWaiters } from './queue/capacity-waiters.js';
import { EventQueue } from './queue/event-queue.js';
import { BatchScheduler } from './sending/batch-scheduler.js';
import { type BatchSchedulerOptions } from './sending/batch-scheduler-contract.js';
import { type WrappedSender } from './sending/deliver-batch.js';
import { ImmediateSender, type ImmediateSenderOptions } from './sending/immediate-sender.js';
import { RequestStatsCollector } from './sending/request-stats.js';
import { Settlement } from './settlement.js';
import { Shutdown, type ShutdownOptions } from './shutdown.js';

export interface DeliveryOptions extends BatchSchedulerOptions, ShutdownOptions {}

/** Another way for `deliverNow`, to a receiver of its own. */
export interface Express {
  readonly sender: Sender;
  readonly options: ImmediateSenderOptions;
}

/**
 * Keeps events until their fate is known. Sends them in batches or, for callers who wait, ahead of the queue, and
 * reports the fate of each to the observer exactly once. Only `recover` rejects.
 */
export class DeliveryPipeline implements Delivery {
  readonly handOver: HandOver;
  readonly requests: RequestStatsCollector;
  readonly #options: DeliveryOptions;
  readonly #queue: EventQueue;
  readonly #scheduler: BatchScheduler;
  readonly #immediate: ImmediateSender;
  readonly #durable: DurableBuffer | null;
  readonly #recovery: StoreRecovery | null;
  readonly #settlement: Settlement;
  readonly #ledger: Ledger;
  readonly #capacityWaiters: CapacityWaiters;
  readonly #shutdown: Shutdown;
  #closing: Promise<DeliveryReport> | null = null;

  /**
   * @param express default: `deliverNow` uses `sender`, too
   * @param requests those of another pipeline, to be counted together
   */
  constructor(
    options: DeliveryOptions,
    sender: Sender,
    observer: DeliveryObserver,
    durability?: Durability,
    express?: Express,
    requests = new RequestStatsCollector(),
  ) {
    this.#options = options;
    this.requests = requests;
    const queue = new EventQueue(options);
    const durable = durability ? new DurableBuffer(durability, observer, (events) => this.#takenOver(events)) : null;
    const settlement = new Settlement(observer, durable, () => this.#settled());
    const send = requests.observed(sender.send, observer);
    const onReturn = (): void => this.#returned();
    const { messages } = sender;
    const keptFirst: WrappedSender = durable
      ? { send, messages, mayLeave: (events) => durable.mayLeave(events) }
      : { send, messages };
    this.#scheduler = new BatchScheduler(options, queue, keptFirst, settlement, {
      onTaken: () => this.#recovery?.eventsTaken(),
      onReturn,
    });
    const first = express
      ? { send: requests.observed(express.sender.send, observer), messages: express.sender.messages }
      : { send, messages };
    this.#immediate = new ImmediateSender(express?.options ?? options, first, settlement, {
      onAnswer: () => {
        if (!express) this.#scheduler.answered();
      },
      onReturn,
      maxBatchBytes: () => express?.options.maxBatchBytes ?? this.#scheduler.sizer.maxBatchBytes,
    });
    const batchesAhead = Math.max(MIN_BATCHES_AHEAD, options.concurrency);
    const maxAhead = durable?.isReadOnly ? batchesAhead * options.maxBatchEvents : Infinity;
    this.#recovery = durable && new StoreRecovery(durable, queue, maxAhead, (events) => this.#takeRecovered(events));
    this.handOver = new HandOver(queue, this.#immediate, settlement, durable);
    this.#queue = queue;
    this.#durable = durable;
    this.#settlement = settlement;
    this.#ledger = settlement.ledger;
    this.#capacityWaiters = new CapacityWaiters(() => queue.freeCapacity.maxEvents);
    this.#shutdown = new Shutdown(options, {
      queue,
      scheduler: this.#scheduler,
      immediate: this.#immediate,
      durable,
      settlement,
      openStatement: () => this.#openStatement(),
      sendUntil: (settled, timeoutMs) => this.#sendUntil(settled, timeoutMs),
      release: () => {
        sender.release();
        express?.sender.release();
      },
    });
  }

  /** True if no event is accepted any more. */
  get isClosed(): boolean {
    return this.#shutdown.isClosed;
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
      retries: this.requests.retries,
      requests: this.requests.stats,
      oldestPendingMs: oldest === Infinity ? null : Math.max(0, now - oldest),
      coolDownUntil: coolDownLeftMs === null ? null : Math.round(now + coolDownLeftMs),
      limits: { maxQueueEvents, maxQueueBytes, maxEventAgeMs, flushIntervalMs },
      batchLimit: this.#scheduler.sizer.batchLimit,
      lastFailure: this.#scheduler.lastFailure ?? this.#settlement.refusal,
      storeFailing: this.#durable?.failing ?? false,
      secondLane: null,
    };
  }

  /**
   * Recovers the events of earlier processes from the store, now and periodically. Call once, before the first event. Rejects if
   * the store cannot be used.
   */
  async recover(): Promise<void> {
    await this.#recovery?.open();
  }

  /** The store has more events now. */
  recoverMore(): void {
    this.#recovery?.recoverMore();
  }

  accept(event: QueuedEvent): boolean {
    if (this.#shutdown.isClosed) {
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
    if (this.#shutdown.isBegun) this.#shutdown.eventArrived();
    else this.#scheduler.arrived(event);
    return isKept;
  }

  deliverNow(event: QueuedEvent, call: ImmediateCall): Promise<ImmediateOutcome> {
    if (this.#shutdown.isClosed) {
      this.#settlement.refuse(event, 'shutdown', AFTER_SHUTDOWN);
      return Promise.resolve({ delivered: false, reason: 'shutdown', message: 'Event dropped: shutdown' });
    }
    const outcome = this.#immediate.send(event, call);
    if (this.#shutdown.isBegun) this.#shutdown.eventArrived();
    return outcome;
  }

  async flush(timeoutMs: number): Promise<DeliveryReport> {
    const statement = this.#openStatement();
    const how = await this.#sendUntil(statement.settled, timeoutMs);
    const late = how === 'timeout' ? `not all events were settled within ${timeoutMs} ms` : null;
    return statement.report(this.#scheduler.lastFailure?.message ?? late);
  }

  /** The process may have been suspended: call before further work. Waits that are over and requests that hang do not delay events. */
  resume(): void {
    if (!this.#shutdown.isBegun) this.#scheduler.resume();
  }

  /** Resolves when the queue is at most half full, when the pipeline is closed, or at the time limit. */
  ready(timeoutMs?: number): Promise<void> {
    if (this.#shutdown.isOver) return Promise.resolve();
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
    this.#recovery?.stop();
    const report = await this.#shutdown.begin(callsEnded);
    this.#capacityWaiters.releaseAll();
    return report;
  }

  #openStatement(): Statement {
    return this.#ledger.open(this.#queue.nextSeq, this.#immediate.calls);
  }

  async #sendUntil(settled: Promise<void>, timeoutMs: number): Promise<'settled' | 'stalled' | 'timeout'> {
    return this.#ledger.pending.events > 0 ? this.#scheduler.flush(settled, timeoutMs) : 'settled';
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

  /** Another process took over recovered events. */
  #takenOver(events: readonly QueuedEvent[]): void {
    this.#settlement.takenOver(this.#queue.withdraw(new Set(events)));
    this.#recovery?.capacityFreed();
  }

  #settled(): void {
    this.#capacityWaiters.check();
    this.#shutdown.eventsSettled();
  }

  #returned(): void {
    this.#recovery?.capacityFreed();
    this.#shutdown.requestReturned();
  }
}

/**
 * A store that is filled elsewhere keeps all other events until there is a use for them: events in memory survive young collections, which
 * costs as much as sending them. One batch per request is read ahead, and at least this many, because all requests may end at once, and
 * batches that are sent while the next events are read are not full. Everything is recovered from a store that this process fills, because
 * new events of the same key must follow.
 */
const MIN_BATCHES_AHEAD = 2;

const AFTER_SHUTDOWN = 'captured after shutdown';
