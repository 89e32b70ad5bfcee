import { type QueuedEvent } from '../delivery.js';
import { type Claim } from '../ledger.js';
import { type PlacedEvent } from './key-lanes.js';

/** Events on loan to one request, wherever they come from. */
export interface Lease {
  /** Events that are not acknowledged, in the order in which they must be sent. */
  readonly open: readonly QueuedEvent[];
  /** Those of the given events that still have to be sent. */
  wanted(events: readonly QueuedEvent[]): readonly QueuedEvent[];
  /** Takes an event out: its fate is known. Returns its claim, or null if the lease does not hold it. */
  ack(event: QueuedEvent): Claim | null;
}

/** Events on loan from the queue. */
export class QueueLease implements Lease {
  readonly #events: QueuedEvent[] = [];
  /** The places of the events, in the same order; null once acknowledged. */
  readonly #loans: (PlacedEvent | null)[] = [];
  readonly #onAck: (loan: PlacedEvent) => void;
  /** Created for the first event whose id may be another's: looking at an id costs more than everything else. */
  #ids: Set<string> | null = null;
  /** Index of the event that is probably acknowledged next. */
  #next = 0;
  #acks = 0;

  /** @param onAck called with each event that is acknowledged */
  constructor(onAck: (loan: PlacedEvent) => void) {
    this.#onAck = onAck;
  }

  /** All events lent, in order of age within each key. */
  get events(): readonly QueuedEvent[] {
    return this.#events;
  }

  get open(): readonly QueuedEvent[] {
    if (this.#acks === 0 && this.#loans.length > 0) return this.#events;
    return this.#loans.filter((loan) => loan !== null).map(({ event }) => event);
  }

  /** All of them: nobody but a request settles what is on loan. */
  wanted(events: readonly QueuedEvent[]): readonly QueuedEvent[] {
    return events;
  }

  /** True if one of the events has the same id. */
  hasIdOf(event: QueuedEvent): boolean {
    return this.#idsBeside(event)?.has(event.id) ?? false;
  }

  add(loan: PlacedEvent): void {
    this.#idsBeside(loan.event)?.add(loan.event.id);
    this.#events.push(loan.event);
    this.#loans.push(loan);
  }

  /** @returns the event's place in the order of arrival, or null if the lease does not hold it */
  ack(event: QueuedEvent): number | null {
    // Nearly always they come in the order in which they were lent.
    const at = this.#events[this.#next] === event ? this.#next : this.#indexOf(event);
    this.#next = at + 1;
    const loan = this.#loans[at];
    if (!loan) return null;
    this.#loans[at] = null;
    this.#acks += 1;
    this.#onAck(loan);
    return loan.seq;
  }

  /** Ends the lease. Returns what was not acknowledged. */
  end(): readonly PlacedEvent[] {
    return this.#loans.splice(0).filter((loan) => loan !== null);
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
