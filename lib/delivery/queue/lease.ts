import { type QueuedEvent } from '../delivery.js';
import { type PlacedEvent } from './key-lanes.js';

/** Events on loan to one request. Only the queue changes it. */
export class Lease {
  readonly #events: QueuedEvent[] = [];
  /** Where they came from, in the same order; null once they are acknowledged. */
  readonly #loans: (PlacedEvent | null)[] = [];
  /** Made for the first event whose id may be another's: to look at an id costs more than all the rest. */
  #ids: Set<string> | null = null;
  /** The one that is probably acknowledged next. */
  #next = 0;

  /** All that were lent, in the order in which they were: that of their age within each key. */
  get events(): readonly QueuedEvent[] {
    return this.#events;
  }

  /** Those that are not acknowledged, in the same order. */
  get open(): readonly QueuedEvent[] {
    return this.#loans.filter((loan) => loan !== null).map(({ event }) => event);
  }

  /** Whether one of the events has the same id. */
  hasIdOf(event: QueuedEvent): boolean {
    return this.#idsBeside(event)?.has(event.id) ?? false;
  }

  add(loan: PlacedEvent): void {
    this.#idsBeside(loan.event)?.add(loan.event.id);
    this.#events.push(loan.event);
    this.#loans.push(loan);
  }

  /** Acknowledges an event. Returns where it came from, or null when it is not held. */
  ack(event: QueuedEvent): PlacedEvent | null {
    // Nearly always they come in the order in which they were lent.
    const at = this.#events[this.#next] === event ? this.#next : this.#indexOf(event);
    this.#next = at + 1;
    const loan = this.#loans[at] ?? null;
    if (loan) this.#loans[at] = null;
    return loan;
  }

  /** Ends it. Returns what was not acknowledged. */
  end(): readonly PlacedEvent[] {
    return this.#loans.splice(0).filter((loan) => loan !== null);
  }

  /** The ids of all events; null while neither these nor the given one may have the id of another. */
  #idsBeside(event: QueuedEvent): Set<string> | null {
    if (event.hasOwnId !== true) this.#ids ??= new Set(this.#events.map(({ id }) => id));
    return this.#ids;
  }

  #indexOf(event: QueuedEvent): number {
    const ahead = this.#events.indexOf(event, this.#next);
    return ahead < 0 ? this.#events.indexOf(event) : ahead;
  }
}
