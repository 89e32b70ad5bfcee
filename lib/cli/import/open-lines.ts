import { type Place } from './lines.js';

/** What became of a line. */
export type Fate = 'delivered' | 'rejected';

/** A line whose event is on its way, or waits for one before it. */
interface OpenLine extends Place {
  fate: Fate | null;
  isChanged: boolean;
}

/** How far all lines are answered for, and what became of these. */
export interface Answered extends Place {
  /** Lines whose events PostHog has. */
  readonly delivered: number;
  /** Lines in the file of rejects. */
  readonly rejected: number;
  /** Those of the delivered that were not taken as they are. */
  readonly changed: number;
}

/**
 * The lines that are not yet answered for, in their order, and how far all of them are: an import that is interrupted goes on there.
 * As large as what waits to be sent.
 */
export class OpenLines {
  readonly #byUuid = new Map<string, OpenLine>();
  #lines: OpenLine[] = [];
  #settled = 0;
  #answered: Answered;

  /** @param answered by an earlier import */
  constructor(answered: Answered) {
    this.#answered = answered;
  }

  get answered(): Answered {
    return this.#answered;
  }

  /** Whether the event of an earlier line with this uuid is still on its way. */
  has(uuid: string): boolean {
    return this.#byUuid.has(uuid);
  }

  /** Lines whose event is not answered for. */
  get open(): number {
    return this.#byUuid.size;
  }

  /** The event of a line is on its way. */
  add({ number, end }: Place, uuid: string): void {
    const line = { number, end, fate: null, isChanged: false };
    this.#lines.push(line);
    this.#byUuid.set(uuid, line);
  }

  /** The event that is on its way is not all that its line says. */
  change(uuid: string): void {
    const line = this.#byUuid.get(uuid);
    if (line !== undefined) line.isChanged = true;
  }

  /** Nothing of a line is sent. */
  reject({ number, end }: Place): void {
    this.#lines.push({ number, end, fate: 'rejected', isChanged: false });
    this.#advance();
  }

  /** An event is answered for. Returns the number of its line; undefined when it is none of these. */
  settle(uuid: string, fate: Fate): number | undefined {
    const line = this.#byUuid.get(uuid);
    if (line === undefined) return undefined;
    this.#byUuid.delete(uuid);
    line.fate = fate;
    this.#advance();
    return line.number;
  }

  #advance(): void {
    let { number, end, delivered, rejected, changed } = this.#answered;
    for (let line = this.#lines[this.#settled]; line && line.fate !== null; line = this.#lines[this.#settled]) {
      ({ number, end } = line);
      if (line.fate === 'delivered') {
        delivered += 1;
        if (line.isChanged) changed += 1;
      } else rejected += 1;
      this.#settled += 1;
    }
    this.#answered = { number, end, delivered, rejected, changed };
    // Moving the rest costs its length, so it must have been earned.
    if (this.#settled < 1024 || this.#settled * 2 < this.#lines.length) return;
    this.#lines = this.#lines.slice(this.#settled);
    this.#settled = 0;
  }
}
