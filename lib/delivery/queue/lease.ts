import { type QueuedEvent } from '../delivery.js';
import { type Claim } from '../ledger.js';
import { type PlacedEvent } from './key-lanes.js';

/** The events of one request, from the queue or from calls of `captureNow`. */
export interface Lease {
  /** Events that are not acknowledged, in the order in which they must be sent. */
  readonly open: readonly QueuedEvent[];
  /** Returns the given events that still have to be sent. */
  wanted(events: readonly QueuedEvent[]): readonly QueuedEvent[];
  /** Takes an event out: its fate is known. Returns its claim, or null if the lease does not hold it. */
  ack(event: QueuedEvent): Claim | null;
}

/** Events leased from the queue. */
export class QueueLease implements Lease {
  readonly #events: QueuedEvent[] = [];
  /** The places of the events, in the same order; null once acknowledged. */
  readonly #places: (PlacedEvent | null)[] = [];
  readonly #onAck: (place: PlacedEvent) => void;
  /** Created for the first event whose id may not be unique: reading an id costs more than everything else here. */
  #ids: Set<string> | null = null;
  /** Index of the event that is probably acknowledged next. */
  #next = 0;
  #acks = 0;
  /** Events that were withdrawn. */
  #withdrawn: Set<QueuedEvent> | null = null;

  /** @param onAck called with each event that is acknowledged */
  constructor(onAck: (place: PlacedEvent) => void) {
    this.#onAck = onAck;
  }

  /** All events of the lease, in order of age within each key. */
  get events(): readonly QueuedEvent[] {
    return this.#events;
  }

  get open(): readonly QueuedEvent[] {
    if (this.#acks === 0 && this.#places.length > 0) return this.#events;
    return this.#places.filter((place) => place !== null).map(({ event }) => event);
  }

  wanted(events: readonly QueuedEvent[]): readonly QueuedEvent[] {
    const withdrawn = this.#withdrawn;
    return withdrawn ? events.filter((event) => !withdrawn.has(event)) : events;
  }

  /** True if one of the events has the same id. */
  hasIdOf(event: QueuedEvent): boolean {
    return this.#idsBeside(event)?.has(event.id) ?? false;
  }

  add(place: PlacedEvent): void {
    this.#idsBeside(place.event)?.add(place.event.id);
    this.#events.push(place.event);
    this.#places.push(place);
  }

  /** @returns the event's place in the order of arrival, or null if the lease does not hold it */
  ack(event: QueuedEvent): number | null {
    // Nearly always they come in the order in which they were leased.
    const at = this.#events[this.#next] === event ? this.#next : this.#indexOf(event);
    this.#next = at + 1;
    const place = this.#places[at];
    if (!place) return null;
    this.#places[at] = null;
    this.#acks += 1;
    this.#onAck(place);
    return place.seq;
  }

  /** Takes an event out whose fate is not for its request to decide. Like `ack`. */
  withdraw(event: QueuedEvent): number | null {
    (this.#withdrawn ??= new Set()).add(event);
    return this.ack(event);
  }

  /** Ends the lease. Returns what was not acknowledged. */
  end(): readonly PlacedEvent[] {
    return this.#places.splice(0).filter((place) => place !== null);
  }

  /** The ids of all events; null while neither these nor the given event may share an id. */
  #idsBeside(event: QueuedEvent): Set<string> | null {
    if (event.hasOwnId !== true) this.#ids ??= new Set(this.#events.map(({ id }) => id));
    return this.#ids;
  }

  #indexOf(event: QueuedEvent): number {
    const ahead = this.#events.indexOf(event, this.#next);
    return ahead < 0 ? this.#events.indexOf(event) : ahead;
  }
}
