/** How often the same kind of trouble is worth a line. */
const INTERVAL_MS = 60_000;
/** More kinds of one sort than this at a time count as one: input decides what some kinds are. */
const MAX_KINDS = 100;

interface Kind {
  /** No further line before this. */
  until: number;
  held: number;
}

/** The kinds of one sort. */
class Sort {
  readonly #kinds = new Map<string, Kind>();
  /** Those for which there is no room. */
  readonly #others: Kind = { until: 0, held: 0 };

  find(name: string, now: number): Kind {
    const known = this.#kinds.get(name);
    if (known) return known;
    if (this.#kinds.size >= MAX_KINDS) this.#forget(now);
    if (this.#kinds.size >= MAX_KINDS) return this.#others;
    const kind = { until: 0, held: 0 };
    this.#kinds.set(name, kind);
    return kind;
  }

  /** Kinds may never come again, and what was held of them would never be told. */
  #forget(now: number): void {
    for (const [name, { until, held }] of this.#kinds) {
      if (now < until) continue;
      this.#kinds.delete(name);
      this.#others.held += held;
    }
  }
}

/**
 * Lets one line per kind and interval through, and counts what it held back. What stands before the colon of a kind is its sort, which must
 * not be made from input; the rest may be. Each sort has room of its own, so that no flood of bad input hides an outage or a loss.
 */
export class LogLimiter {
  readonly #sorts = new Map<string, Sort>();

  /**
   * @param kind such as `input: unknown field "x"`, or a sort alone
   * @returns how many lines of this kind were held back before this one, or null when this one is held back too
   */
  pass(kind: string): number | null {
    // Not the wall clock: one that is set back would hold lines for as long.
    const now = performance.now();
    const line = this.#sortOf(kind).find(kind, now);
    if (now < line.until) {
      line.held += 1;
      return null;
    }
    const { held } = line;
    line.until = now + INTERVAL_MS;
    line.held = 0;
    return held;
  }

  #sortOf(kind: string): Sort {
    const [name = ''] = kind.split(':', 1);
    let sort = this.#sorts.get(name);
    if (!sort) this.#sorts.set(name, (sort = new Sort()));
    return sort;
  }
}
