import { type Position } from './lines.js';

export type Fate = 'delivered' | 'rejected';

/** A line that is not settled, or that waits for an earlier line to settle. */
interface OpenLine extends Position {
  fate: Fate | null;
  isChanged: boolean;
  /** An additional event of the next line in the list, which is not counted. */
  readonly isExtra: boolean;
}

/** The position up to which all lines are settled, with the results of these lines. */
export interface Settled extends Position {
  /** Lines that PostHog accepted. */
  readonly delivered: number;
  /** Lines in the report of rejected lines. */
  readonly rejected: number;
  /** Delivered lines of which a value was changed or ignored. */
  readonly changed: number;
}

/**
 * The lines that are not settled yet, in file order, and the position up to which all lines are settled, where `--resume` continues.
 * Its size is bounded by the number of pending events.
 */
export class OpenLines {
  readonly #byUuid = new Map<string, OpenLine>();
  #lines: OpenLine[] = [];
  #settledCount = 0;
  #reached: Settled;

  /** @param settled by an interrupted import */
  constructor(settled: Settled) {
    this.#reached = settled;
  }

  get settled(): Settled {
    return this.#reached;
  }

  /** Returns true if a line with this uuid is not settled. */
  has(uuid: string): boolean {
    return this.#byUuid.has(uuid);
  }

  /** Number of lines that are not settled. */
  get open(): number {
    return this.#byUuid.size;
  }

  add({ number, end }: Position, uuid: string): void {
    const line = { number, end, fate: null, isChanged: false, isExtra: false };
    this.#lines.push(line);
    this.#byUuid.set(uuid, line);
  }

  /** Adds an event before that of its line. Its result is not counted. */
  addExtra({ number, end }: Position, uuid: string): void {
    const line = { number, end, fate: null, isChanged: false, isExtra: true };
    this.#lines.push(line);
    this.#byUuid.set(uuid, line);
  }

  /** Marks a line of which a value was changed or ignored. */
  markChanged(uuid: string): void {
    const line = this.#byUuid.get(uuid);
    if (line !== undefined) line.isChanged = true;
  }

  /** Adds a line that is not sent. */
  reject({ number, end }: Position): void {
    this.#lines.push({ number, end, fate: 'rejected', isChanged: false, isExtra: false });
    this.#advance();
  }

  /** Settles the line of an event. Returns the number of the line, or undefined for an extra event and an unknown uuid. */
  settle(uuid: string, fate: Fate): number | undefined {
    const line = this.#byUuid.get(uuid);
    if (line === undefined) return undefined;
    this.#byUuid.delete(uuid);
    line.fate = fate;
    this.#advance();
    return line.isExtra ? undefined : line.number;
  }

  #advance(): void {
    let { number, end, delivered, rejected, changed } = this.#reached;
    for (
      let line = this.#lines[this.#settledCount];
      line && line.fate !== null;
      line = this.#lines[this.#settledCount]
    ) {
      this.#settledCount += 1;
      if (line.isExtra) continue;
      ({ number, end } = line);
      if (line.fate === 'delivered') {
        delivered += 1;
        if (line.isChanged) changed += 1;
      } else rejected += 1;
    }
    this.#reached = { number, end, delivered, rejected, changed };
    // Copying costs as much as the rest is long, so do it rarely.
    if (this.#settledCount < 1024 || this.#settledCount * 2 < this.#lines.length) return;
    this.#lines = this.#lines.slice(this.#settledCount);
    this.#settledCount = 0;
  }
}
