/** A transaction that takes longer from its INSERT to its COMMIT is left to the search for late rows. */
const AGE_MS = 30_000;
/** Of events, by the clocks of the processes that captured them. A gap before an older one is of no open transaction. */
const RECENT_MS = 600_000;
/** Beyond it, neighbours are merged, with the numbers between them. */
const MAX_RANGES = 200;

/** Numbers of column `seq`, both included. */
export interface SeqRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Numbers that were not in the table when larger ones were read: of transactions that were open, or rolled back, or of other projects. A
 * person's first transaction may be in a gap when the second one is read, and must not be overtaken by it.
 */
export class SeqGaps {
  #ranges: (SeqRange & { readonly foundAt: number })[] = [];
  #next = 1;

  /** Numbers up to `seq` that may belong to transactions that were open when larger numbers were read. */
  upTo(seq: number): readonly SeqRange[] {
    return this.#ranges.filter(({ from }) => from <= seq).map(({ from, to }) => ({ from, to: Math.min(to, seq) }));
  }

  /**
   * The ranges up to `seq` were looked up. Only then are old ones left to the search for late rows: a database that was down, or a process that was
   * stopped, may have been so for longer than their transactions were open.
   *
   * @param at when the look-up began, by `performance.now()`
   */
  lookedUp(seq: number, at: number): void {
    if (this.#ranges[0] && at - this.#ranges[0].foundAt > AGE_MS)
      this.#ranges = this.#ranges.filter(({ to, foundAt }) => to > seq || at - foundAt <= AGE_MS);
  }

  /**
   * A row was read. Numbers between it and the largest one so far become a gap.
   *
   * @param capturedAt of its event, in epoch milliseconds
   */
  passed(seq: number, capturedAt: number): void {
    if (seq > this.#next && Date.now() - capturedAt <= RECENT_MS) {
      this.#ranges.push({ from: this.#next, to: seq - 1, foundAt: performance.now() });
      if (this.#ranges.length > MAX_RANGES) this.#merge();
    }
    this.#next = Math.max(this.#next, seq + 1);
  }

  #merge(): void {
    const merged: (SeqRange & { readonly foundAt: number })[] = [];
    for (let index = 0; index < this.#ranges.length; index += 2) {
      const [first, second] = this.#ranges.slice(index, index + 2);
      if (first) merged.push({ ...first, ...(second && { to: second.to, foundAt: second.foundAt }) });
    }
    this.#ranges = merged;
  }
}
