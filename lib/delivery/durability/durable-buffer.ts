import { type DeliveryObserver, type QueuedEvent, type SendBatch } from '../delivery.js';
import { type EventStore, type Recovery, type RecoveryRequest } from './event-store.js';
import { SmallSet } from '../queue/small-set.js';
import { backgroundTimer, type Timer } from '../timers.js';

/** A store, and what is said to it. */
export interface Durability {
  readonly store: EventStore;
  readonly project: string;
  /** Makes an event of an earlier version or configuration one that can be sent now. Must not throw. */
  readonly adapt: (event: QueuedEvent) => QueuedEvent;
  /** What an error of the store says, without key or payload. `events` are those of the call that failed. Must not throw. */
  readonly describeError: (error: unknown, events: Iterable<QueuedEvent>) => string;
}

type StoreObserver = Pick<DeliveryObserver, 'storeFailed' | 'storeWorks' | 'storeWarned'>;

/** Limits of what may be brought back. */
export type Capacity = Pick<RecoveryRequest, 'maxEvents' | 'maxBytes'>;

/** A store that answers nothing for so long counts as failed: sending must not wait for it. */
const PATIENCE_MS = 5000;
/** What it says for so long after that is still heard, of so many events: what it hangs at for ever must not fill the memory. */
const FOLLOW_UP_MS = 60_000;
const MAX_FOLLOWED = 10_000;
/** How long a store that failed is left alone. */
const RETRY_MS = 10_000;
const RETRY_EVENTS = 100;

/** Who uses a store, the last first: it could not tell two projects apart, and would give one what is the other's. */
const USERS = new WeakMap<EventStore, { readonly user: DurableBuffer; readonly project: string }>();

/** The events of one instance in their store. Stands between delivery, which must go on, and a store, which may fail. */
export class DurableBuffer {
  readonly #durability: Durability;
  readonly #observer: StoreObserver;
  /** What the store knows adapted events as. */
  readonly #originals = new WeakMap<QueuedEvent, QueuedEvent>();
  /** The other way round. */
  readonly #adapted = new WeakMap<QueuedEvent, QueuedEvent>();
  /** Pending events that the store does not hold. */
  readonly #volatile = new Set<QueuedEvent>();
  /** What the store is writing. */
  readonly #writes = new SmallSet<Write>();
  /** What it may still be writing: it took too long. */
  readonly #late = new Map<QueuedEvent, LateWrite>();
  /** Whether something was written after all since the store failed. */
  #wroteLate = false;
  /** The one that was begun last. */
  #newest: Write | null = null;
  /** What it is still to be told to forget. */
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
    // From now on it knows them as what it will be handed.
    for (const event of missed) this.#originals.delete(event);
    this.#fail(error, missed);
  };

  constructor(durability: Durability, observer: StoreObserver) {
    this.#durability = durability;
    this.#observer = observer;
  }

  /** Events that an earlier process left, as far as there is room. Rejects when the store is no good at all, or another project's. */
  async recover(capacity: Capacity): Promise<readonly QueuedEvent[]> {
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
    const { events, warnings } = recovery;
    for (const warning of warnings) this.#observer.storeWarned(warning);
    return events.map((event) => {
      const adapted = adapt(event);
      if (adapted !== event) {
        this.#originals.set(adapted, event);
        this.#adapted.set(event, adapted);
      }
      return adapted;
    });
  }

  append(event: QueuedEvent): void {
    if (this.#failing || this.#closed) this.#volatile.add(event);
    else this.#write([event]);
  }

  /** Somebody has answered for the event. */
  remove(event: QueuedEvent): void {
    this.#late.get(event)?.removed.push(event);
    if (!this.#volatile.delete(event)) this.#forget(this.#originals.get(event) ?? event);
  }

  #forget(event: QueuedEvent): void {
    this.#removals.push(event);
    if (this.#removing || this.#closed) return;
    this.#removing = true;
    // The events of a batch are settled one by one, and removed in one go.
    queueMicrotask(() => {
      this.#removing = false;
      if (!this.#failing && !this.#closed) this.#removeNow();
    });
  }

  /** Resolves when all that was appended is kept, or known not to be; null when nothing is being written. */
  get written(): Promise<unknown> | null {
    return this.#writes.size === 0 ? null : Promise.all([...this.#writes].map(({ done }) => done));
  }

  /** Like `send`, but nothing is sent before it is kept. */
  keptFirst(send: SendBatch): SendBatch {
    return async (batch, attempt) => {
      await this.written;
      return send(batch, attempt);
    };
  }

  /** Whether a later process will find the event, as far as is known now: see `written`. */
  keeps(event: QueuedEvent): boolean {
    return !this.#volatile.has(event);
  }

  /** Whether a later process will surely find all events that are pending. */
  get keepsAll(): boolean {
    return this.#volatile.size + this.#writes.size === 0;
  }

  /** Whether it is left alone because it failed, or misses events that are pending. */
  get failing(): boolean {
    return this.#failing || this.#volatile.size > 0;
  }

  get #fails(): boolean {
    return this.#failing;
  }

  /** Never rejects. */
  async close(): Promise<void> {
    if (this.#closed) return;
    // Before anything else: the store will not hear what becomes of an event that comes now, so it is not to keep it.
    this.#closed = true;
    if (this.#retryTimer) clearTimeout(this.#retryTimer);
    await this.written;
    // What it writes when it closes, it is to forget as well.
    for (const { removed } of new Set(this.#late.values())) this.#removals.push(...removed);
    this.#removeNow();
    try {
      await withPatience(this.#durability.store.close());
    } catch (error) {
      this.#fail(error, []);
    }
    this.#disclaim();
  }

  #claim(): void {
    const { store, project } = this.#durability;
    // One of the same project is an application that a failed boot or a test has left behind.
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
    // A store may throw where it should reject.
    try {
      answer = this.#durability.store.append(events);
    } catch (error) {
      this.#fail(error, events);
    }
    if (!answer) return;
    // One promise may stand for many calls.
    if (this.#newest?.answer !== answer) this.#newest = this.#newWrite(answer);
    for (const event of events) this.#newest.events.push(event);
  }

  #newWrite(answer: Promise<void>): Write {
    const write: Write = {
      answer,
      events: [],
      removals: [],
      done: withPatience(answer)
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

  /** A write that took too long may come about all the same, after the store was told to forget what is in it, or was not. */
  #followUp({ answer, events }: Write, removed: QueuedEvent[]): void {
    if (this.#late.size + events.length > MAX_FOLLOWED) return;
    const late: LateWrite = { removed };
    for (const event of events) this.#late.set(event, late);
    const over = (): void => {
      for (const event of events) if (this.#late.get(event) === late) this.#late.delete(event);
    };
    withPatience(answer, FOLLOW_UP_MS).then(() => {
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
      // Tried again with the next ones: an event that is left in the store would be sent twice.
      this.#removals.push(...removals);
      this.#fail(error, [], removals);
    };
    let answer: Promise<void> | undefined;
    try {
      answer = this.#durability.store.remove(removals);
    } catch (error) {
      failed(error);
    }
    if (answer) withPatience(answer).catch(failed);
  }

  /** @param events are in memory only from now on */
  #fail(error: unknown, events: Iterable<QueuedEvent>, asked = events): void {
    for (const event of events) this.#volatile.add(event);
    this.#failing = true;
    if (!this.#reported) this.#observer.storeFailed(this.#durability.describeError(error, asked));
    this.#reported = true;
    if (!this.#closed) this.#retryTimer ??= backgroundTimer(() => void this.#retry(), RETRY_MS);
  }

  /** Hands the store what it missed. */
  async #retry(): Promise<void> {
    this.#retryTimer = null;
    this.#failing = false;
    const missed = [...this.#volatile];
    const asked = missed.length + this.#removals.length > 0 || this.#wroteLate;
    this.#wroteLate = false;
    this.#volatile.clear();
    // Piece by piece: what fits is kept.
    for (let from = 0; from < missed.length; from += RETRY_EVENTS) this.#write(missed.slice(from, from + RETRY_EVENTS));
    this.#removeNow();
    await this.written;
    if (this.#fails) return;
    // What it fails at from now on is another failure.
    this.#reported = false;
    // Where nothing was asked of it, nothing is known.
    if (asked) this.#observer.storeWorks();
  }
}

/** Events that the store is writing. */
interface Write {
  readonly answer: Promise<void>;
  readonly events: QueuedEvent[];
  /** What it was told to forget meanwhile: these are not missed when the write fails. */
  readonly removals: (readonly QueuedEvent[])[];
  readonly done: Promise<void>;
}

/** A write of which the store did not say in time that it has come about. */
interface LateWrite {
  /** Events in it that somebody has answered for. */
  readonly removed: QueuedEvent[];
}

/** Like the promise, but rejects when it takes too long. */
function withPatience<T>(promise: Promise<T>, patienceMs = PATIENCE_MS): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = backgroundTimer(() => reject(new Error(`no answer within ${patienceMs} ms`)), patienceMs);
    // A store of JavaScript may answer anything.
    Promise.resolve(promise)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}
