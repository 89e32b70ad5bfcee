/** How often the same kind of trouble is worth a line. */
const INTERVAL_MS = 60_000;

/** Lets one line per kind and interval through, and counts what it held back. */
export class LogLimiter {
  readonly #kinds = new Map<string, { until: number; held: number }>();

  /**
   * @returns how many lines of this kind were held back before this one, or null when this one is held back too
   */
  pass(kind: string): number | null {
    const now = Date.now();
    const known = this.#kinds.get(kind);
    if (known && now < known.until) {
      known.held += 1;
      return null;
    }
    this.#kinds.set(kind, { until: now + INTERVAL_MS, held: 0 });
    return known?.held ?? 0;
  }
}
