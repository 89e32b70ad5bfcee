import { type QueuedEvent } from '../delivery.js';
import { EventCount } from './collections.js';

/** An event and its place. */
export interface PlacedEvent {
  readonly event: QueuedEvent;
  /** In the order of arrival. */
  readonly seq: number;
  readonly lane: KeyLane;
}

interface Waiting extends PlacedEvent {
  older: Waiting | null;
  newer: Waiting | null;
  nextInLane: Waiting | null;
}

/** The events of one order key that are leased, or wait for those that are. */
export class KeyLane {
  /** The lease that holds the key, or null. */
  holder: object | null = null;
  first: Waiting | null = null;
  last: Waiting | null = null;
  #waiting: EventCount | undefined;
  #leased = 0;

  constructor(readonly key: string) {}

  /** The events that wait; most lanes never have one. */
  get waiting(): EventCount {
    return (this.#waiting ??= new EventCount());
  }

  get idle(): boolean {
    return this.holder === null && this.first === null;
  }

  hold(lease: object): void {
    this.holder = lease;
    this.#leased += 1;
  }

  /** Returns true if no event of this key is leased any more. */
  release(): boolean {
    this.#leased -= 1;
    if (this.#leased > 0) return false;
    this.holder = null;
    return true;
  }
}

/** All waiting events, linked by age across the lanes and within each. */
export class WaitingList {
  #oldest: Waiting | null = null;
  #newest: Waiting | null = null;

  get oldest(): Waiting | null {
    return this.#oldest;
  }

  /** Oldest first. */
  *[Symbol.iterator](): IterableIterator<PlacedEvent> {
    for (let entry = this.#oldest; entry; entry = entry.newer) yield entry;
  }

  /** Adds an event younger than all others. */
  append(waiting: PlacedEvent): void {
    this.#link(waiting, null);
  }

  /** Adds events by age. */
  putBack(events: readonly PlacedEvent[]): void {
    let newer = this.#oldest;
    // Sorted, so that one walk over the list is enough.
    for (const waiting of [...events].sort((a, b) => a.seq - b.seq)) {
      while (newer && newer.seq < waiting.seq) newer = newer.newer;
      this.#link(waiting, newer);
    }
  }

  /** Removes the oldest event of a lane. */
  removeFirst(lane: KeyLane): void {
    const entry = lane.first;
    if (!entry) return;
    lane.first = entry.nextInLane;
    if (!lane.first) lane.last = null;
    lane.waiting.subtract(entry.event);
    if (entry.older) entry.older.newer = entry.newer;
    else this.#oldest = entry.newer;
    if (entry.newer) entry.newer.older = entry.older;
    else this.#newest = entry.older;
    // An entry that is gone must not keep its successors alive: young collections take old objects for living ones.
    entry.older = entry.newer = entry.nextInLane = null;
  }

  /** Removes the given events of all lanes, and returns them. */
  remove(events: ReadonlySet<QueuedEvent>): readonly PlacedEvent[] {
    const removed: PlacedEvent[] = [];
    const kept: PlacedEvent[] = [];
    for (let entry = this.#oldest; entry; entry = this.#oldest) {
      const { event, seq, lane } = entry;
      (events.has(event) ? removed : kept).push({ event, seq, lane });
      this.removeFirst(lane);
    }
    this.putBack(kept);
    return removed;
  }

  #link({ event, seq, lane }: PlacedEvent, newer: Waiting | null): void {
    const entry: Waiting = { event, seq, lane, older: newer ? newer.older : this.#newest, newer, nextInLane: null };
    if (entry.older) entry.older.newer = entry;
    else this.#oldest = entry;
    if (entry.newer) entry.newer.older = entry;
    else this.#newest = entry;
    this.#linkInLane(entry);
  }

  #linkInLane(entry: Waiting): void {
    const { lane } = entry;
    lane.waiting.add(entry.event);
    if (!lane.last || lane.last.seq < entry.seq) {
      if (lane.last) lane.last.nextInLane = entry;
      else lane.first = entry;
      lane.last = entry;
      return;
    }
    let before: Waiting | null = null;
    for (let next = lane.first; next && next.seq < entry.seq; next = next.nextInLane) before = next;
    entry.nextInLane = before ? before.nextInLane : lane.first;
    if (before) before.nextInLane = entry;
    else lane.first = entry;
  }
}
