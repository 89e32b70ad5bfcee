import { type DeliveryObserver, type QueuedEvent, type SendFailure } from '../delivery.js';
import { type Capacity, type EventStore, type ReadableStore, type Recovery } from './event-store.js';
import { backgroundTimer, stopTimer, type Timer } from '../timers.js';
import { AdaptedEvents } from './adapted-events.js';
import { StoreWrites } from './store-writes.js';
import { withTimeout } from './store-timeout.js';

/** A store, and how an instance uses it. */
export interface Durability {
  readonly store: ReadableStore;
  /** The store that `store` is a part of. Default: `store` itself. */
  readonly whole?: EventStore;
  readonly project: string;
  /** Converts an event of an earlier version or configuration to one that can be sent now. Must not throw. */
  readonly adapt: (event: QueuedEvent) => QueuedEvent;
  /** Describes an error of the store without key or payload. `events` are those of the call that failed. Must not throw. */
  readonly describeError: (error: unknown, events: Iterable<QueuedEvent>) => string;
}

type StoreObserver = Pick<DeliveryObserver, 'storeFailed' | 'storeWorks' | 'storeWarned'>;

/** A store that failed is tried again after this long. */
const RETRY_MS = 10_000;
const RETRY_EVENTS = 100;
/** Interval at which a store is asked for events of processes that have ended meanwhile. */
const LOOK_AGAIN_MS = 10_000;

const UNCONFIRMED: SendFailure = {
  message: 'The store cannot confirm that its events still belong to this process',
  remedy: 'check the connection to the store',
  anySize: true,
};

/** The last user of each store. Two projects must not share one: a store would recover one's events for the other. */
const USERS = new WeakMap<ReadableStore, { readonly user: DurableBuffer; readonly project: string }>();

/**
 * Keeps the events of one instance in their store, and in memory those that the store failed to keep, until it works again.
 * Delivery goes on whatever the store does.
 */
export class DurableBuffer {
  readonly #durability: Durability;
  readonly #observer: StoreObserver;
  readonly #adapted: AdaptedEvents;
  readonly #onGone: (events: readonly QueuedEvent[]) => void;
  /** Events that were lost to another process before `recover` returned them. */
  #goneEarly: Set<QueuedEvent> | null = null;
  /** Pending events that the store does not hold. */
  readonly #volatile = new Set<QueuedEvent>();
  readonly #writes = new StoreWrites(
    {
      onFailed: (error, events) => this.#fail(error, events),
      onLateSuccess: (events, removed) => this.#succeededLate(events, removed),
    },
    () => this.#removals,
  );
  /** True if a write that counted as failed succeeded since the store failed. */
  #wroteLate = false;
  /** Events to be removed from the store. */
  #removals: QueuedEvent[] = [];
  #removing = false;
  #failing = false;
  #reported = false;
  #first = true;
  #retryTimer: Timer | null = null;
  #closed = false;
  readonly #lost = (error: unknown, events: readonly QueuedEvent[]): void => {
    const removed = new Set(this.#removals);
    const missed = events.filter((event) => !removed.has(event)).map((event) => this.#adapted.adaptedOf(event));
    for (const event of missed) this.#adapted.forget(event);
    this.#fail(error, missed);
  };

  readonly #gone = (events: readonly QueuedEvent[]): void => {
    for (const event of events) this.#goneEarly?.add(event);
    const gone = events.map((event) => this.#adapted.adaptedOf(event));
    for (const event of gone) this.#volatile.delete(event);
    this.#onGone(gone);
  };

  /** @param onGone called with events that another process took over */
  constructor(durability: Durability, observer: StoreObserver, onGone: (events: readonly QueuedEvent[]) => void) {
    this.#durability = durability;
    this.#observer = observer;
    this.#adapted = new AdaptedEvents(durability.adapt);
    this.#onGone = onGone;
  }

  /** True if the store is filled elsewhere only. */
  get isReadOnly(): boolean {
    return !isWritable(this.#durability.store);
  }

  /** Milliseconds until the next call of `recover`, if the last one returned nothing. */
  get lookAgainMs(): number {
    return this.#durability.store.lookAgainMs ?? LOOK_AGAIN_MS;
  }

  /**
   * Takes events of earlier processes out of the store. The first call rejects if the store cannot be used, or belongs to another project.
   *
   * @param onRecovered called with them, if there are any
   */
  async recover(
    capacity: Capacity,
    onRecovered: (events: readonly QueuedEvent[]) => void,
  ): Promise<{ readonly any: boolean; readonly more: boolean }> {
    const { store, project } = this.#durability;
    const first = this.#first;
    this.#first = false;
    if (first) this.#claim();
    let recovery: Recovery = { events: [], warnings: [] };
    const gone = (this.#goneEarly = new Set());
    try {
      recovery = await store.recover({ project, ...capacity, onLost: this.#lost, onGone: this.#gone });
    } catch (error) {
      if (first && (error as { temporary?: unknown } | null)?.temporary !== true) {
        this.#disclaim();
        throw error;
      }
      this.#fail(error, []);
    } finally {
      this.#goneEarly = null;
    }
    const { events, warnings, more = false } = recovery;
    for (const warning of warnings) this.#observer.storeWarned(warning);
    const held = gone.size === 0 ? events : events.filter((event) => !gone.has(event));
    if (held.length > 0) onRecovered(held.map((event) => this.#adapted.adapt(event)));
    return { any: held.length > 0, more };
  }

  append(event: QueuedEvent): void {
    if (this.#failing || this.#closed) this.#volatile.add(event);
    else this.#write([event]);
  }

  /** The fate of the event is known. */
  remove(event: QueuedEvent): void {
    this.#writes.settled(event);
    if (!this.#volatile.delete(event)) this.#forget(this.#adapted.originalOf(event));
  }

  #forget(event: QueuedEvent): void {
    this.#removals.push(event);
    if (this.#removing || this.#closed) return;
    this.#removing = true;
    // The events of a batch are settled one by one, and removed together.
    queueMicrotask(() => {
      this.#removing = false;
      if (!this.#failing && !this.#closed) this.#removeNow();
    });
  }

  /** Resolves when each appended event is kept, or known not to be; null when nothing is being written. */
  get written(): Promise<unknown> | null {
    return this.#writes.written;
  }

  /**
   * Returns a promise if these events must not be sent yet: the store is writing events, or not certain that they still belong to this
   * process. It resolves with the reason if it takes too long.
   */
  mayLeave(events: readonly QueuedEvent[]): Promise<SendFailure | null> | null {
    const { store } = this.#durability;
    if (!store.confirm) return this.written?.then(() => null) ?? null;
    const { written } = this;
    const confirmed = store.confirm(events.map((event) => this.#adapted.originalOf(event)));
    if (!confirmed) return written?.then(() => null) ?? null;
    return withTimeout(Promise.all([confirmed, written])).then(
      () => null,
      () => UNCONFIRMED,
    );
  }

  /** True if the store has the event, or is writing it: see `written`. */
  keeps(event: QueuedEvent): boolean {
    return !this.#volatile.has(event);
  }

  /** True if the store has every pending event. */
  get keepsAll(): boolean {
    return this.#volatile.size + this.#writes.size === 0;
  }

  /** True if the store failed and is not tried yet, or lacks pending events. */
  get failing(): boolean {
    return this.#failing || (this.#volatile.size > 0 && isWritable(this.#durability.store));
  }

  /**
   * For a process that ends now: has the store write everything before this returns, if it can.
   *
   * @param others pending events that the store was not given
   * @returns tells whether the store keeps an event
   */
  commitNow(others: readonly QueuedEvent[]): (event: QueuedEvent) => boolean {
    const { store } = this.#durability;
    const missing = [...this.#volatile, ...others];
    try {
      if (store.commit && isWritable(store) && !this.#closed) {
        this.#removeNow();
        if (missing.length > 0) store.append(missing)?.catch(() => undefined);
        store.commit();
        for (const event of missing) this.#volatile.delete(event);
        return () => true;
      }
    } catch {
      // It fails. What it kept before is still there.
    }
    const uncertain = new Set([...missing, ...this.#writes.events]);
    return (event) => !uncertain.has(event);
  }

  get #fails(): boolean {
    return this.#failing;
  }

  /** Never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return;
    // First: no removal follows an event that arrives from now on, so the store must not get it.
    this.#closed = true;
    stopTimer(this.#retryTimer);
    await this.written;
    // Late writes may succeed while the store closes: these events must go as well.
    this.#removals.push(...this.#writes.lateRemovals);
    this.#removeNow();
    try {
      await withTimeout(this.#durability.store.close());
    } catch (error) {
      this.#fail(error, []);
    }
    this.#disclaim();
  }

  #claim(): void {
    const { store: part, whole: store = part, project } = this.#durability;
    // A user of the same project was left behind by a failed boot or a test.
    if ((USERS.get(store)?.project ?? project) !== project) {
      throw new Error(
        'it is in use by an instance with another key or host. Give each a store of its own (several may share a directory), or close the other one first',
      );
    }
    USERS.set(store, { user: this, project });
  }

  #disclaim(): void {
    const { store: part, whole: store = part } = this.#durability;
    if (USERS.get(store)?.user === this) USERS.delete(store);
  }

  #write(events: readonly QueuedEvent[]): void {
    const { store } = this.#durability;
    if (isWritable(store)) this.#writes.write(store, events);
    else for (const event of events) this.#volatile.add(event);
  }

  #succeededLate(events: readonly QueuedEvent[], removed: readonly QueuedEvent[]): void {
    this.#wroteLate = this.#failing;
    for (const event of events) this.#volatile.delete(event);
    for (const event of removed) this.#forget(event);
  }

  #removeNow(): void {
    const removals = this.#removals;
    if (removals.length === 0) return;
    this.#removals = [];
    this.#writes.removing(removals);
    const failed = (error: unknown): void => {
      // Tried again with the next ones: an event left in the store would be sent twice.
      this.#removals.push(...removals);
      this.#fail(error, [], removals);
    };
    let answer: Promise<void> | undefined;
    try {
      answer = this.#durability.store.remove(removals);
    } catch (error) {
      failed(error);
    }
    if (answer) withTimeout(answer).catch(failed);
  }

  /**
   * @param events are in memory only from now on
   * @param asked the events of the call that failed
   */
  #fail(error: unknown, events: Iterable<QueuedEvent>, asked = events): void {
    for (const event of events) this.#volatile.add(event);
    this.#failing = true;
    if (!this.#reported) this.#observer.storeFailed(this.#durability.describeError(error, asked));
    this.#reported = true;
    if (!this.#closed) this.#retryTimer ??= backgroundTimer(() => void this.#retry(), RETRY_MS);
  }

  /** Gives the store what it lacks. */
  async #retry(): Promise<void> {
    this.#retryTimer = null;
    this.#failing = false;
    const missed = [...this.#volatile];
    const asked = missed.length + this.#removals.length > 0 || this.#wroteLate;
    this.#wroteLate = false;
    this.#volatile.clear();
    // In pieces: those that fit are kept.
    for (let from = 0; from < missed.length; from += RETRY_EVENTS) this.#write(missed.slice(from, from + RETRY_EVENTS));
    this.#removeNow();
    await this.written;
    if (this.#fails) return;
    // The next error is another failure.
    this.#reported = false;
    // Without a call there is nothing to report.
    if (asked) this.#observer.storeWorks();
  }
}

const isWritable = (store: ReadableStore): store is EventStore => store.append !== undefined;
