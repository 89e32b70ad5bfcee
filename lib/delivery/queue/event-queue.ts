import { type QueuedEvent } from '../delivery.js';
import { SmallSet } from './small-set.js';
import { KeyLane, type PlacedEvent, WaitingList } from './key-lanes.js';
import { QueueLease } from './lease.js';
import { RingBuffer } from './ring-buffer.js';
import { EventCount } from './event-count.js';

/** What the queue may hold, leased events included. */
export interface EventQueueLimits {
  readonly maxQueueEvents: number;
  readonly maxQueueBytes: number;
}

/** What one batch may hold. */
export interface LeaseLimits {
  readonly maxBatchEvents: number;
  readonly maxBatchBytes: number;
}

/** An event that was pushed out, and its place in the order of arrival. */
export interface Evicted {
  readonly event: QueuedEvent;
  readonly seq: number;
}

/** Takes an event into a lease. Returns false when it does not fit. */
type Take = (event: QueuedEvent, seq: number, lane: KeyLane) => boolean;

/** Idle lanes are forgotten when there are more lanes than this, and than twice as many as were in use the last time. */
const MIN_LANES = 2048;

/**
 * A bounded first-in first-out queue in memory that lends events out and forgets them only when told to.
 *
 * Events of one order key are never on loan to two leases, and come back to where they were: whoever sends leases
 * side by side still keeps the order of each key. An event that is found while its key is on loan is set aside once,
 * behind its key; so every operation costs the same however many events wait.
 */
export class EventQueue {
  readonly #limits: EventQueueLimits;
  /** Arrivals in order. The place of the first is `#firstSeq`. */
  readonly #arrivals = new RingBuffer<QueuedEvent>();
  #firstSeq = 0;
  /** Events older than all of `#arrivals`, set aside or returned. */
  readonly #waiting = new WaitingList();
  /** By order key; those that are idle stay until there are too many of them. */
  #lanes = new Map<string, KeyLane>();
  #maxLanes = MIN_LANES;
  /** Lanes that nobody holds and in which events wait: the first to be served. */
  readonly #free = new Set<KeyLane>();
  readonly #leases = new SmallSet<QueueLease>();
  readonly #held = new EventCount();
  readonly #leased = new EventCount();
  /** Those that wait behind a key on loan. */
  readonly #blocked = new EventCount();

  /** Forgets a leased event: its fate is known. */
  readonly #onAck = ({ event, lane }: PlacedEvent): void => {
    this.#leased.subtract(event);
    this.#held.subtract(event);
    this.#giveBackKey(lane);
  };

  constructor(limits: EventQueueLimits) {
    this.#limits = limits;
  }

  /** Events held, leased ones included. */
  get size(): number {
    return this.#held.events;
  }

  /** UTF-8 bytes held, leased ones included. */
  get bytes(): number {
    return this.#held.bytes;
  }

  /** Events on loan. */
  get leased(): number {
    return this.#leased.events;
  }

  /**
   * When the oldest event held was captured, in epoch milliseconds; null when there is none. Of those not on loan the first in line
   * counts: one of a store, captured earlier, may stand behind it, and to look at all would cost too much.
   */
  get oldestCapturedAt(): number | null {
    const first = this.#waiting.oldest?.event ?? this.#arrivals.first;
    let oldest = first?.capturedAt ?? Infinity;
    for (const { open } of this.#leases) {
      for (const { capturedAt } of open) oldest = Math.min(oldest, capturedAt);
    }
    return oldest === Infinity ? null : oldest;
  }

  /** Events that a lease could take now; some of them may yet turn out to wait for their key. */
  get available(): number {
    return this.#held.events - this.#leased.events - this.#blocked.events;
  }

  /** UTF-8 bytes of the available events. */
  get availableBytes(): number {
    return this.#held.bytes - this.#leased.bytes - this.#blocked.bytes;
  }

  /** Whether the available events take half of the room that the others leave, or more: events may be lost while these wait. */
  get crowded(): boolean {
    const { maxQueueEvents, maxQueueBytes } = this.#limits;
    return this.size + this.available >= maxQueueEvents || this.bytes + this.availableBytes >= maxQueueBytes;
  }

  /** How much more fits, given that whoever is told so captures a little later: counted up to half full. */
  get freeCapacity(): { readonly maxEvents: number; readonly maxBytes: number } {
    const maxBytes = Math.ceil(this.#limits.maxQueueBytes / 2) - this.bytes;
    const maxEvents = Math.ceil(this.#limits.maxQueueEvents / 2) - this.size;
    return maxBytes < 0 || maxEvents < 0 ? { maxEvents: 0, maxBytes: 0 } : { maxEvents, maxBytes };
  }

  /** The place that the next event will have in the order of arrival. */
  get nextSeq(): number {
    return this.#firstSeq + this.#arrivals.size;
  }

  /** Adds an event, whether or not there is room: `evict` makes it. */
  push(event: QueuedEvent): void {
    this.#arrivals.push(event);
    this.#held.add(event);
  }

  /**
   * Makes room after a push, one event at a time: the oldest that is not on loan goes, the newcomer itself when nothing
   * else can, and the newcomer alone when it would not fit into an empty queue.
   *
   * @returns what was evicted, or null when everything fits
   */
  evict(): Evicted | null {
    const { maxQueueEvents, maxQueueBytes } = this.#limits;
    if (this.size <= maxQueueEvents && this.bytes <= maxQueueBytes) return null;
    const newcomer = this.#arrivals.last;
    if (newcomer && newcomer.bytes > maxQueueBytes) {
      this.#arrivals.pop();
      return this.#forget(newcomer, this.nextSeq);
    }
    return this.takeOldest();
  }

  /** Removes the oldest event that is not on loan; null when there is none. */
  takeOldest(): Evicted | null {
    const waiting = this.#waiting.oldest;
    if (waiting) {
      const { lane, event, seq } = waiting;
      this.#waiting.removeFirst(lane);
      if (lane.holder !== null) this.#blocked.subtract(event);
      else if (!lane.first) this.#free.delete(lane);
      return this.#forget(event, seq);
    }
    const event = this.#arrivals.first;
    if (!event) return null;
    const seq = this.#firstSeq;
    this.#shiftArrival();
    return this.#forget(event, seq);
  }

  /**
   * Lends the oldest events that fit one batch: of one format, no id twice, none whose key is on loan.
   *
   * @returns null when there is nothing to lend
   */
  lease({ maxBatchEvents, maxBatchBytes }: LeaseLimits): QueueLease | null {
    const lease = new QueueLease(this.#onAck);
    const { events } = lease;
    let bytes = 0;
    const take = (event: QueuedEvent, seq: number, lane: KeyLane): boolean => {
      const first = events[0];
      const fits =
        !first ||
        (events.length < maxBatchEvents &&
          bytes + event.bytes <= maxBatchBytes &&
          event.format === first.format &&
          !lease.hasIdOf(event));
      if (!fits) return false;
      lease.add({ event, seq, lane });
      lane.lend(lease);
      this.#leased.add(event);
      bytes += event.bytes;
      return true;
    };
    if (this.#takeWaiting(lease, take)) this.#takeArrivals(lease, take);
    if (events.length === 0) return null;
    this.#leases.add(lease);
    return lease;
  }

  /**
   * Ends a lease: what was not acknowledged goes back to its place.
   *
   * @returns what went back
   */
  release(lease: QueueLease): readonly QueuedEvent[] {
    this.#leases.delete(lease);
    const returned = lease.end();
    for (const { event } of returned) {
      this.#leased.subtract(event);
      this.#blocked.add(event);
    }
    this.#waiting.putBack(returned);
    for (const { lane } of returned) this.#giveBackKey(lane);
    return returned.map(({ event }) => event);
  }

  #takeWaiting(lease: QueueLease, take: Take): boolean {
    for (const lane of this.#free) {
      while (lane.first) {
        const { event, seq } = lane.first;
        if (!take(event, seq, lane)) {
          if (lane.holder === lease) this.#block(lane);
          return false;
        }
        this.#waiting.removeFirst(lane);
      }
      this.#free.delete(lane);
    }
    return true;
  }

  #takeArrivals(lease: QueueLease, take: Take): void {
    for (let event = this.#arrivals.first; event; event = this.#arrivals.first) {
      const lane = this.#lane(event.orderKey);
      if (lane.holder !== null && lane.holder !== lease) {
        this.#waiting.append({ event, seq: this.#firstSeq, lane });
        this.#blocked.add(event);
      } else if (!take(event, this.#firstSeq, lane)) {
        return;
      }
      this.#shiftArrival();
    }
  }

  #lane(key: string): KeyLane {
    let lane = this.#lanes.get(key);
    if (lane) return lane;
    if (this.#lanes.size >= this.#maxLanes) this.#forgetIdleLanes();
    lane = new KeyLane(key);
    this.#lanes.set(key, lane);
    return lane;
  }

  /** All in one go: a Map that grows and shrinks with every event is among the dearest things there are. */
  #forgetIdleLanes(): void {
    const lanes = new Map<string, KeyLane>();
    for (const lane of this.#lanes.values()) if (!lane.idle) lanes.set(lane.key, lane);
    this.#lanes = lanes;
    this.#maxLanes = Math.max(MIN_LANES, 2 * lanes.size);
  }

  #block(lane: KeyLane): void {
    this.#free.delete(lane);
    this.#blocked.addAll(lane.waiting);
  }

  #giveBackKey(lane: KeyLane): void {
    if (!lane.giveBack() || !lane.first) return;
    this.#blocked.subtractAll(lane.waiting);
    this.#free.add(lane);
  }

  #shiftArrival(): void {
    this.#arrivals.shift();
    this.#firstSeq += 1;
  }

  #forget(event: QueuedEvent, seq: number): Evicted {
    this.#held.subtract(event);
    return { event, seq };
  }
}
