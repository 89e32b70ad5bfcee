import { type QueuedEvent } from './delivery.js';
import { type PlacedEvent } from './lanes.js';

/** Events on loan to one request. Those that are not acknowledged come back when the queue releases it. */
export class Lease {
  /** All that were lent, by age. */
  readonly events: QueuedEvent[] = [];
  /** Where they came from, in the same order; null once they are acknowledged. */
  readonly #loans: (PlacedEvent | null)[] = [];
  /** Made for the first event whose id may be another's: to look at an id costs more than all the rest. */
  #ids: Set<string> | null = null;
  #next = 0;

  /** Those that are not acknowledged, by age. */
  get open(): readonly QueuedEvent[] {
    return this.#loans.flatMap((loan) => (loan ? [loan.event] : []));
  }

  add(loan: PlacedEvent): void {
    this.events.push(loan.event);
    this.#loans.push(loan);
    this.#ids?.add(loan.event.id);
  }

  /** Whether one of the events has the same id. */
  hasIdOf({ id, hasOwnId }: QueuedEvent): boolean {
    if (this.#ids === null && hasOwnId) return false;
    this.#ids ??= new Set(this.events.map((event) => event.id));
    return this.#ids.has(id);
  }

  /** Acknowledges an event. Returns where it came from, or null when it is not held. */
  ack(event: QueuedEvent): PlacedEvent | null {
    // Nearly always they come in the order in which they were lent.
    const at = this.events[this.#next] === event ? this.#next : this.#indexOf(event);
    this.#next = at + 1;
    const loan = this.#loans[at] ?? null;
    if (loan) this.#loans[at] = null;
    return loan;
  }

  /** Ends it. Returns what was not acknowledged, by age. */
  end(): readonly PlacedEvent[] {
    return this.#loans.splice(0).filter((loan) => loan !== null);
  }

  #indexOf(event: QueuedEvent): number {
    const ahead = this.events.indexOf(event, this.#next);
    return ahead < 0 ? this.events.indexOf(event) : ahead;
  }
}
