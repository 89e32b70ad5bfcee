import { type DeliveryObserver, type QueuedEvent, type SendBatch } from '../delivery.js';
import { type Capacity, type EventStore, type Recovery } from './event-store.js';
import { SmallSet } from '../queue/collections.js';
import { backgroundTimer, stopTimer, type Timer } from '../timers.js';

/** A store, and how an instance uses it. */
export interface Durability {
  readonly store: EventStore;
  readonly project: string;
  /** Converts an event of an earlier version or configuration to one that can be sent now. Must not throw. */
  readonly adapt: (event: QueuedEvent) => QueuedEvent;
  /** Describes an error of the store without key or payload. `events` are those of the call that failed. Must not throw. */
  readonly describeError: (error: unknown, events: Iterable<QueuedEvent>) => string;
}

type StoreObserver = Pick<DeliveryObserver, 'storeFailed' | 'storeWorks' | 'storeWarned'>;

/** A call that takes longer counts as failed: sending must not wait for the store. */
const TIMEOUT_MS = 5000;
/** A write that counted as failed is followed for this long, as it may still succeed. */
const FOLLOW_UP_MS = 60_000;
/** Number of events in followed writes; a store that hangs must not fill the memory. */
const MAX_FOLLOWED = 10_000;
/** A store that failed is tried again after this long. */
const RETRY_MS = 10_000;
const RETRY_EVENTS = 100;

/** The last user of each store. Two projects must not share one: a store would recover one's events for the other. */
const USERS = new WeakMap<EventStore, { readonly user: DurableBuffer; readonly project: string }>();

/**
 * Keeps the events of one instance in their store, and in memory those that the store failed to keep, until it works again.
 * Delivery goes on whatever the store does.
 */
export class DurableBuffer {
  readonly #durability: Durability;
  readonly #observer: StoreObserver;
  /** By adapted event, the one that the store returned. */
  readonly #originals = new WeakMap<QueuedEvent, QueuedEvent>();
  /** By event that the store returned, the adapted one. */
  readonly #adapted = new WeakMap<QueuedEvent, QueuedEvent>();
  /** Pending events that the store does not hold. */
  readonly #volatile = new Set<QueuedEvent>();
  /** Writes in progress. */
  readonly #writes = new SmallSet<Write>();
  /** Writes that took too long and may still succeed. */
  readonly #late = new Map<QueuedEvent, LateWrite>();
  /** True if such a write succeeded since the store failed. */
  #wroteLate = false;
  /** The write begun last. */
  #newest: Write | null = null;
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
    const missed = events.filter((event) => !removed.has(event)).map((event) => this.#adapted.get(event) ?? event);
    // They will be appended again as they are now.
    for (const event of missed) this.#originals.delete(event);
    this.#fail(error, missed);
  };

  constructor(durability: Durability, observer: StoreObserver) {
    this.#durability = durability;
    this.#observer = observer;
  }

  /** Returns events of earlier processes. The first call rejects if the store cannot be used, or belongs to another project. */
  async recover(capacity: Capacity): Promise<Pick<Recovery, 'events' | 'more'>> {
    const { store, project, adapt } = this.#durability;
    const first = this.#first;
    this.#first = false;
    if (first) this.#claim();
    let recovery: Recovery = { events: [], warnings: [] };
    try {
      recovery = await store.recover({ project, ...capacity, onLost: this.#lost });
    } catch (error) {
      if (first && (error as { temporary?: unknown } | null)?.temporary !== true) {
        this.#disclaim();
        throw error;
      }
      this.#fail(error, []);
    }
    const { events, warnings, more = false } = recovery;
    for (const warning of warnings) this.#observer.storeWarned(warning);
    const adaptAndNote = (event: QueuedEvent): QueuedEvent => {
      const adapted = adapt(event);
      if (adapted !== event) {
        this.#originals.set(adapted, event);
        this.#adapted.set(event, adapted);
      }
      return adapted;
    };
    return { events: events.map(adaptAndNote), more };
  }

  append(event: QueuedEvent): void {
    if (this.#failing || this.#closed) this.#volatile.add(event);
    else this.#write([event]);
  }

  /** The fate of the event is known. */
  remove(event: QueuedEvent): void {
    this.#late.get(event)?.removed.push(event);
    if (!this.#volatile.delete(event)) this.#forget(this.#originals.get(event) ?? event);
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
    return this.#writes.size === 0 ? null : Promise.all([...this.#writes].map(({ done }) => done));
  }

  /** Wraps `send`: nothing is sent before the store has it. */
  keptFirst(send: SendBatch): SendBatch {
    return async (batch, attempt) => {
      await this.written;
      return send(batch, attempt);
    };
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
    return this.#failing || this.#volatile.size > 0;
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
    for (const { removed } of new Set(this.#late.values())) this.#removals.push(...removed);
    this.#removeNow();
    try {
      await withTimeout(this.#durability.store.close());
    } catch (error) {
      this.#fail(error, []);
    }
    this.#disclaim();
  }

  #claim(): void {
    const { store, project } = this.#durability;
    // A user of the same project was left behind by a failed boot or a test.
    if ((USERS.get(store)?.project ?? project) !== project) {
      throw new Error(
        'it is in use by an instance with another key or host. Give each a store of its own (several may share a directory), or close the other one first',
      );
    }
    USERS.set(store, { user: this, project });
  }

  #disclaim(): void {
    const { store } = this.#durability;
    if (USERS.get(store)?.user === this) USERS.delete(store);
  }

  #write(events: readonly QueuedEvent[]): void {
    let answer: Promise<void> | undefined;
    // A store may throw instead of rejecting.
    try {
      answer = this.#durability.store.append(events);
    } catch (error) {
      this.#fail(error, events);
    }
    if (!answer) return;
    // Many calls may return one promise.
    if (this.#newest?.answer !== answer) this.#newest = this.#newWrite(answer);
    for (const event of events) this.#newest.events.push(event);
  }

  #newWrite(answer: Promise<void>): Write {
    const write: Write = {
      answer,
      events: [],
      removals: [],
      done: withTimeout(answer)
        .catch((error: unknown) => {
          const removed = new Set([...write.removals, this.#removals].flat());
          this.#fail(
            error,
            write.events.filter((event) => !removed.has(event)),
          );
          this.#followUp(
            write,
            write.events.filter((event) => removed.has(event)),
          );
        })
        .then(() => {
          this.#writes.delete(write);
          if (this.#newest === write) this.#newest = null;
        }),
    };
    this.#writes.add(write);
    return write;
  }

  /** A write that took too long may still succeed: then its events are kept, and those settled meanwhile must be removed. */
  #followUp({ answer, events }: Write, removed: QueuedEvent[]): void {
    if (this.#late.size + events.length > MAX_FOLLOWED) return;
    const late: LateWrite = { removed };
    for (const event of events) this.#late.set(event, late);
    const over = (): void => {
      for (const event of events) if (this.#late.get(event) === late) this.#late.delete(event);
    };
    withTimeout(answer, FOLLOW_UP_MS).then(() => {
      over();
      this.#wroteLate = this.#failing;
      for (const event of events) this.#volatile.delete(event);
      for (const event of removed) this.#forget(event);
    }, over);
  }

  #removeNow(): void {
    const removals = this.#removals;
    if (removals.length === 0) return;
    this.#removals = [];
    for (const write of this.#writes) write.removals.push(removals);
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

interface Write {
  readonly answer: Promise<void>;
  readonly events: QueuedEvent[];
  /** Events removed meanwhile: if the write fails, the store does not lack them. */
  readonly removals: (readonly QueuedEvent[])[];
  readonly done: Promise<void>;
}

/** A write that took too long. */
interface LateWrite {
  /** Its events whose fate is known. */
  readonly removed: QueuedEvent[];
}

/** Settles like the promise, or rejects after `timeoutMs`. */
function withTimeout<T>(promise: Promise<T>, timeoutMs = TIMEOUT_MS): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = backgroundTimer(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    // A store may return anything.
    Promise.resolve(promise)
      .then(resolve, reject)
      .finally(() => stopTimer(timer));
  });
}
