import { type QueuedEvent } from '../delivery.js';
import { EventCount, RingBuffer, SmallSet } from './collections.js';
import { KeyLane, type PlacedEvent, WaitingList } from './key-lanes.js';
import { QueueLease } from './lease.js';

/** Limits of the queue, leased events included. */
export interface EventQueueLimits {
  readonly maxQueueEvents: number;
  readonly maxQueueBytes: number;
}

/** Limits of one batch. */
export interface LeaseLimits {
  readonly maxBatchEvents: number;
  readonly maxBatchBytes: number;
  /** Order keys whose events must not be leased. */
  readonly avoid?: ReadonlySet<string> | undefined;
}

/** An event that was removed, and its place in the order of arrival. */
export interface Evicted {
  readonly event: QueuedEvent;
  readonly seq: number;
}

/** Takes an event into a lease. Returns false if it does not fit. */
type Take = (event: QueuedEvent, seq: number, lane: KeyLane) => boolean;

/** Idle lanes are removed when there are more lanes than this, and than twice as many as were in use the last time. */
const MIN_LANES = 2048;

/**
 * A bounded first-in first-out queue that leases events to requests, and removes them when they are acknowledged.
 *
 * Events with the same order key are never in two leases, and return to their place: requests may run side by side and
 * still keep the order of each key. An event whose key is leased is moved aside once, into the lane of its key; so the cost of
 * every operation does not depend on the number of events.
 */
export class EventQueue {
  readonly #limits: EventQueueLimits;
  /** In order of arrival. The place of the first is `#firstSeq`. */
  readonly #arrivals = new RingBuffer<QueuedEvent>();
  #firstSeq = 0;
  /** Events older than all of `#arrivals`: moved aside or returned. */
  readonly #waiting = new WaitingList();
  /** By order key. */
  #lanes = new Map<string, KeyLane>();
  #maxLanes = MIN_LANES;
  /** Lanes with waiting events whose key is not leased: they are served first. */
  readonly #free = new Set<KeyLane>();
  readonly #leases = new SmallSet<QueueLease>();
  readonly #held = new EventCount();
  readonly #leased = new EventCount();
  /** Events that wait because their key is leased. */
  readonly #blocked = new EventCount();
  readonly #onAck = ({ event, lane }: PlacedEvent): void => {
    this.#leased.subtract(event);
    this.#held.subtract(event);
    this.#releaseKey(lane);
  };

  constructor(limits: EventQueueLimits) {
    this.#limits = limits;
  }

  /** Number of events, leased ones included. */
  get size(): number {
    return this.#held.events;
  }

  /** UTF-8 bytes, leased events included. */
  get bytes(): number {
    return this.#held.bytes;
  }

  /** All events, leased ones first. Events with an equal order key are in the order of arrival. */
  get events(): readonly QueuedEvent[] {
    const leased = [...this.#leases].flatMap(({ open }) => open);
    return [...leased, ...Array.from(this.#waiting, ({ event }) => event), ...this.#arrivals];
  }

  /** The event that `takeOldest` would remove. */
  get oldest(): QueuedEvent | undefined {
    return this.#waiting.oldest?.event ?? this.#arrivals.first;
  }

  /** Number of leased events. */
  get leased(): number {
    return this.#leased.events;
  }

  /**
   * Capture time of the oldest event, in epoch milliseconds; null when empty. Of the events that are not leased, only the first counts:
   * one from a store, captured earlier, may be behind it, and looking at all would cost too much.
   */
  get oldestCapturedAt(): number | null {
    let oldest = this.oldest?.capturedAt ?? Infinity;
    for (const { open } of this.#leases) {
      for (const { capturedAt } of open) oldest = Math.min(oldest, capturedAt);
    }
    return oldest === Infinity ? null : oldest;
  }

  /** Number of events that could be leased now. Some may still turn out to wait for their key. */
  get available(): number {
    return this.#held.events - this.#leased.events - this.#blocked.events;
  }

  /**
   * True if the available events reach one of the two numbers, or take half of the capacity that the others leave: then events
   * could be lost while these wait.
   */
  isWorthSending(minEvents: number, minBytes: number): boolean {
    const { maxQueueEvents, maxQueueBytes } = this.#limits;
    const events = this.#held.events - this.#leased.events - this.#blocked.events;
    const bytes = this.#held.bytes - this.#leased.bytes - this.#blocked.bytes;
    if (events >= minEvents || bytes >= minBytes) return true;
    return this.#held.events + events >= maxQueueEvents || this.#held.bytes + bytes >= maxQueueBytes;
  }

  /** Capacity that may be promised to callers, who use it a little later: up to half full. */
  get freeCapacity(): { readonly maxEvents: number; readonly maxBytes: number } {
    const maxBytes = Math.ceil(this.#limits.maxQueueBytes / 2) - this.bytes;
    const maxEvents = Math.ceil(this.#limits.maxQueueEvents / 2) - this.size;
    return maxBytes < 0 || maxEvents < 0 ? { maxEvents: 0, maxBytes: 0 } : { maxEvents, maxBytes };
  }

  /** Place of the next event in the order of arrival. */
  get nextSeq(): number {
    return this.#firstSeq + this.#arrivals.size;
  }

  /** Adds an event even if the queue is full. Call `evict` until it returns null. */
  push(event: QueuedEvent): void {
    this.#arrivals.push(event);
    this.#held.add(event);
  }

  /**
   * Removes one event if the queue is over its limits: the oldest that is not leased, or the newest if it is larger than the whole
   * queue. If all others are leased, the newest stays, beyond the limit.
   */
  evict(): Evicted | null {
    const { maxQueueEvents, maxQueueBytes } = this.#limits;
    if (this.#held.events <= maxQueueEvents && this.#held.bytes <= maxQueueBytes) return null;
    const newest = this.#arrivals.last;
    if (newest && newest.bytes > maxQueueBytes) {
      this.#arrivals.pop();
      return this.#remove(newest, this.nextSeq);
    }
    if (this.#leased.events > 0 && this.#held.events - this.#leased.events === 1) return null;
    return this.takeOldest();
  }

  /** Removes the oldest event that is not leased; null when there is none. */
  takeOldest(): Evicted | null {
    const waiting = this.#waiting.oldest;
    if (waiting) {
      const { lane, event, seq } = waiting;
      this.#waiting.removeFirst(lane);
      if (lane.holder !== null) this.#blocked.subtract(event);
      else if (!lane.first) this.#free.delete(lane);
      return this.#remove(event, seq);
    }
    const event = this.#arrivals.first;
    if (!event) return null;
    const seq = this.#firstSeq;
    this.#shiftArrival();
    return this.#remove(event, seq);
  }

  /** Removes the given events, leased ones included; requests that carry them are not repeated for them. Expensive. */
  withdraw(events: ReadonlySet<QueuedEvent>): readonly Evicted[] {
    const withdrawn: Evicted[] = [];
    for (const lease of this.#leases) {
      for (const event of lease.open) {
        const seq = events.has(event) ? lease.withdraw(event) : null;
        if (seq !== null) withdrawn.push({ event, seq });
      }
    }
    for (const { event, seq, lane } of this.#waiting.remove(events)) {
      if (lane.holder !== null) this.#blocked.subtract(event);
      else if (!lane.first) this.#free.delete(lane);
      withdrawn.push(this.#remove(event, seq));
    }
    // The others keep their places, so they are moved aside.
    for (let event = this.#arrivals.first; event; event = this.#arrivals.first) {
      if (events.has(event)) withdrawn.push(this.#remove(event, this.#firstSeq));
      else this.#moveAside(event, this.#lane(event.orderKey));
      this.#shiftArrival();
    }
    return withdrawn;
  }

  /**
   * Leases the oldest events that fit into one batch: of one format, without a repeated id, and none whose key is leased.
   *
   * @returns null when there is nothing to lease
   */
  lease({ maxBatchEvents, maxBatchBytes, avoid }: LeaseLimits): QueueLease | null {
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
      if (!fits || !this.#leavesRoom()) return false;
      lease.add({ event, seq, lane });
      lane.hold(lease);
      this.#leased.add(event);
      bytes += event.bytes;
      return true;
    };
    if (this.#takeWaiting(lease, take, avoid)) this.#takeArrivals(lease, take, avoid);
    if (events.length === 0) return null;
    this.#leases.add(lease);
    return lease;
  }

  /**
   * Ends a lease: events that were not acknowledged return to their place.
   *
   * @returns these events
   */
  release(lease: QueueLease): readonly QueuedEvent[] {
    this.#leases.delete(lease);
    const returned = lease.end();
    if (returned.length === 0) return [];
    for (const { event } of returned) {
      this.#leased.subtract(event);
      this.#blocked.add(event);
    }
    this.#waiting.putBack(returned);
    for (const { lane } of returned) this.#releaseKey(lane);
    return returned.map(({ event }) => event);
  }

  /** An eighth of the queue is not leased: if it is full, some of its events can make room for newer ones. */
  #leavesRoom(): boolean {
    const leased = this.#leased.events;
    return leased === 0 || 8 * (leased + 1) <= 7 * this.#limits.maxQueueEvents;
  }

  #takeWaiting(lease: QueueLease, take: Take, avoid?: ReadonlySet<string>): boolean {
    for (const lane of this.#free) {
      if (avoid?.has(lane.key)) continue;
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

  #takeArrivals(lease: QueueLease, take: Take, avoid?: ReadonlySet<string>): void {
    for (let event = this.#arrivals.first; event; event = this.#arrivals.first) {
      const lane = this.#lane(event.orderKey);
      if ((lane.holder !== null && lane.holder !== lease) || avoid?.has(lane.key)) {
        this.#moveAside(event, lane);
      } else if (!take(event, this.#firstSeq, lane)) {
        return;
      }
      this.#shiftArrival();
    }
  }

  /** Moves the first of the arrivals into the lane of its key. */
  #moveAside(event: QueuedEvent, lane: KeyLane): void {
    this.#waiting.append({ event, seq: this.#firstSeq, lane });
    if (lane.holder !== null) this.#blocked.add(event);
    else this.#free.add(lane);
  }

  #lane(key: string): KeyLane {
    let lane = this.#lanes.get(key);
    if (lane) return lane;
    if (this.#lanes.size >= this.#maxLanes) this.#removeIdleLanes();
    lane = new KeyLane(key);
    this.#lanes.set(key, lane);
    return lane;
  }

  /** All at once: a Map that grows and shrinks with every event is expensive. */
  #removeIdleLanes(): void {
    const lanes = new Map<string, KeyLane>();
    for (const lane of this.#lanes.values()) if (!lane.idle) lanes.set(lane.key, lane);
    this.#lanes = lanes;
    this.#maxLanes = Math.max(MIN_LANES, 2 * lanes.size);
  }

  #block(lane: KeyLane): void {
    this.#free.delete(lane);
    this.#blocked.addAll(lane.waiting);
  }

  #releaseKey(lane: KeyLane): void {
    if (!lane.release() || !lane.first) return;
    this.#blocked.subtractAll(lane.waiting);
    this.#free.add(lane);
  }

  #shiftArrival(): void {
    this.#arrivals.shift();
    this.#firstSeq += 1;
  }

  #remove(event: QueuedEvent, seq: number): Evicted {
    this.#held.subtract(event);
    return { event, seq };
  }
}
