/** How often the same kind of trouble is worth a line. */
const INTERVAL_MS = 60_000;
/** More kinds than this at a time count as one: input decides what some kinds are. */
const MAX_KINDS = 100;
const OTHERS = 'others';

/** Lets one line per kind and interval through, and counts what it held back. */
export class LogLimiter {
  readonly #kinds = new Map<string, { until: number; held: number }>();

  /**
   * @returns how many lines of this kind were held back before this one, or null when this one is held back too
   */
  pass(wanted: string): number | null {
    // Not the wall clock: one that is set back would hold lines for as long.
    const now = performance.now();
    const kind = this.#kinds.has(wanted) || this.#hasRoom(now) ? wanted : OTHERS;
    const known = this.#kinds.get(kind);
    if (known && now < known.until) {
      known.held += 1;
      return null;
    }
    this.#kinds.set(kind, { until: now + INTERVAL_MS, held: 0 });
    return known?.held ?? 0;
  }

  #hasRoom(now: number): boolean {
    if (this.#kinds.size < MAX_KINDS) return true;
    for (const [kind, { until, held }] of this.#kinds) if (now >= until && held === 0) this.#kinds.delete(kind);
    return this.#kinds.size < MAX_KINDS;
  }
}
