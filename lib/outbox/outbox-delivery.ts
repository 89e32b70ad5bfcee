import { AsyncLocalStorage } from 'node:async_hooks';
import { types } from 'node:util';
import { type EventReporter } from '../capture/report/event-reporter.js';
import {
  type Delivery,
  type DeliveryReport,
  type DeliveryStats,
  type ImmediateCall,
  type ImmediateOutcome,
  type QueuedEvent,
} from '../delivery/delivery.js';
import { within } from '../delivery/timers.js';
import { wallClock } from '../shared/wall-clock.js';
import { Collection, type CollectionTarget } from './collection.js';

const STRAY =
  'An event was captured by work of a transaction that was not awaited, after the transaction had ended. It is sent as events outside of ' +
  'transactions are. Remedy: await the work in the function that is passed to the outbox.';

const ROLLED_BACK = 'its transaction was rolled back';

/** A function that captured events, and what they are part of. */
interface Scope {
  readonly collection: Collection;
  readonly outer: Scope | undefined;
  /** The events that were captured in it. null: it has opened the collection. */
  readonly own: QueuedEvent[] | null;
  isOpen: boolean;
}

/** The result of work whose events are written, but whose transaction is not over. */
export interface Collected<T> {
  readonly result: T;
  /**
   * Call when the transaction is over.
   *
   * @param problem why it was rolled back; null if it was committed
   */
  readonly settle: (problem: string | null) => void;
}

/** Takes the events that are captured in a transaction, and passes all others on. */
export class OutboxDelivery implements Delivery {
  readonly #inner: Delivery;
  readonly #reporter: EventReporter;
  readonly #shutdownTimeoutMs: number;
  readonly #scopes = new AsyncLocalStorage<Scope>();
  readonly #open = new Set<Collection>();
  /** Events of which some were reported and others not yet. */
  #settling = 0;
  #delivered = 0;
  #onIdle: (() => void)[] = [];

  constructor(inner: Delivery, reporter: EventReporter, shutdownTimeoutMs: number) {
    this.#inner = inner;
    this.#reporter = reporter;
    this.#shutdownTimeoutMs = shutdownTimeoutMs;
  }

  /**
   * Runs `work`, and writes the events that it captures before the promise resolves. If `work` or the writing fails, the events are
   * dropped, and the promise rejects.
   */
  async collect<T>(target: CollectionTarget, work: () => T | Promise<T>): Promise<Collected<T>> {
    const scope = this.#enter(target);
    try {
      const given = this.#scopes.run(scope, work);
      // A synchronous transaction is over at the first await.
      const isOver = target.writeNow !== undefined && !types.isPromise(given);
      const result = isOver ? given : await given;
      scope.isOpen = false;
      if (scope.own === null) {
        if (isOver) scope.collection.finishNow();
        else await scope.collection.finish();
      }
      return { result, settle: (problem) => this.#leave(scope, problem) };
    } catch (error) {
      scope.isOpen = false;
      if (scope.own === null) await scope.collection.idle();
      this.#abandon(scope);
      throw error;
    }
  }

  /** `collect` for work that is synchronous. The events count as delivered when it returns. */
  collectNow<T>(target: CollectionTarget, work: () => T): T {
    const scope = this.#enter(target);
    try {
      const result = this.#scopes.run(scope, work);
      scope.isOpen = false;
      if (scope.own === null) scope.collection.finishNow();
      this.#leave(scope, null);
      return result;
    } catch (error) {
      scope.isOpen = false;
      this.#abandon(scope);
      throw error;
    }
  }

  /** True in the work of a collection. */
  get isCollecting(): boolean {
    return openScope(this.#scopes.getStore()) !== undefined;
  }

  accept(event: QueuedEvent): boolean {
    const current = this.#scopes.getStore();
    if (current === undefined) return this.#inner.accept(event);
    const scope = openScope(current);
    if (scope === undefined) {
      this.#reporter.warn('outbox', STRAY);
      return this.#inner.accept(event);
    }
    const { collection } = scope;
    if (collection.isHeld && this.#isTooMuch(collection)) {
      const detail = 'its transaction captured more events than fit into the queue';
      this.#reporter.dropped({ reason: 'queue_full', event: event.name, uuid: event.id, detail }, event);
      return false;
    }
    for (let part: Scope | undefined = scope; part?.own; part = part.outer) part.own.push(event);
    collection.add(event);
    if (!collection.isHeld) this.#reporter.queued(event);
    return true;
  }

  get uncommitted(): number {
    return this.#collected;
  }

  stats(): DeliveryStats {
    const stats = this.#inner.stats();
    const delivered = stats.delivered + this.#delivered;
    if (this.#collected === 0) return { ...stats, delivered };
    let oldest = Infinity;
    let bytes = 0;
    for (const collection of this.#open) {
      bytes += collection.bytes;
      oldest = Math.min(oldest, collection.first?.capturedAt ?? Infinity);
    }
    const age = oldest === Infinity ? 0 : Math.max(0, wallClock() - oldest);
    return {
      ...stats,
      delivered,
      pending: stats.pending + this.#collected,
      pendingBytes: stats.pendingBytes + bytes,
      oldestPendingMs: Math.max(stats.oldestPendingMs ?? 0, age),
    };
  }

  /** Asks PostHog itself, so the event is no part of a transaction. */
  deliverNow(event: QueuedEvent, call: ImmediateCall): Promise<ImmediateOutcome> {
    return this.#inner.deliverNow(event, call);
  }

  /** Does not wait for transactions: it may be called in one. */
  async flush(timeoutMs: number): Promise<DeliveryReport> {
    return this.#withCollected(await this.#inner.flush(timeoutMs));
  }

  /** In a transaction, writes events if there are many, because its events are not in the queue. */
  ready(timeoutMs?: number): Promise<void> {
    const scope = openScope(this.#scopes.getStore());
    if (!scope || scope.collection.isHeld) return this.#inner.ready(timeoutMs);
    const written = scope.collection.writeAhead();
    return timeoutMs === undefined ? written : within(written, timeoutMs, undefined);
  }

  /**
   * Waits for open transactions as for calls, because what they hold is sent afterwards; also for those that begin while it waits or sends.
   */
  async close(callsEnded?: Promise<unknown>): Promise<DeliveryReport> {
    const endsAt = performance.now() + this.#shutdownTimeoutMs;
    const ended = async (): Promise<void> => {
      await callsEnded;
      await this.#allEnded();
    };
    const report = await this.#inner.close(this.#open.size === 0 ? callsEnded : ended());
    // Transactions that began while the last events were sent.
    if (this.#open.size > 0) await within(this.#allEnded(), Math.max(0, endsAt - performance.now()), undefined);
    return this.#withCollected(report);
  }

  get #collected(): number {
    let events = this.#settling;
    for (const { size } of this.#open) events += size;
    return events;
  }

  #withCollected(report: DeliveryReport): DeliveryReport {
    const collected = this.#collected;
    return collected === 0 ? report : { ...report, pending: report.pending + collected };
  }

  #isTooMuch({ size, bytes }: Collection): boolean {
    const { limits } = this.#inner.stats();
    return limits !== null && (size >= limits.maxQueueEvents || bytes >= limits.maxQueueBytes);
  }

  #enter(target: CollectionTarget): Scope {
    const outer = this.#scopes.getStore();
    for (let scope = outer; scope; scope = scope.outer) {
      if (scope.isOpen && scope.collection.target.transaction === target.transaction)
        return { collection: scope.collection, outer: scope, own: [], isOpen: true };
    }
    const collection = new Collection(target);
    this.#open.add(collection);
    return { collection, outer, own: null, isOpen: true };
  }

  #leave({ collection, own }: Scope, problem: string | null): void {
    if (own !== null) return;
    if (problem !== null) this.#drop(this.#end(collection), problem);
    else if (collection.isHeld) this.#passOn(this.#end(collection));
    else {
      const events = this.#end(collection);
      this.#settling -= events.length;
      this.#delivered += events.length;
      if (events.length > 0) this.#reporter.handedOver(events, performance.now() - collection.openedAt);
    }
  }

  /** What was written of a nested scope stays: only the database knows whether it has a savepoint. */
  #abandon({ collection, own }: Scope): void {
    if (own === null) {
      this.#drop(this.#end(collection), ROLLED_BACK);
      return;
    }
    const removed = collection.remove(new Set(own));
    this.#settling += removed.length;
    this.#drop(removed, ROLLED_BACK);
  }

  /** Returns its events, which count as pending until they are settled. */
  #end(collection: Collection): QueuedEvent[] {
    const events = collection.clear();
    this.#settling += events.length;
    this.#open.delete(collection);
    if (this.#open.size === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
    return events;
  }

  #drop(events: readonly QueuedEvent[], detail: string): void {
    for (const event of events) {
      this.#settling -= 1;
      this.#reporter.dropped({ reason: 'rolled_back', event: event.name, uuid: event.id, detail }, event);
    }
  }

  #passOn(events: readonly QueuedEvent[]): void {
    for (const event of events) {
      this.#settling -= 1;
      this.#inner.accept(event);
    }
  }

  async #allEnded(): Promise<void> {
    while (this.#open.size > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }
}

/** The innermost scope of the same transaction that is open. */
function openScope(scope: Scope | undefined): Scope | undefined {
  let open = scope;
  while (open && !open.isOpen) open = open.own === null ? undefined : open.outer;
  return open;
}
