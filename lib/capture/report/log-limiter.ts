/** At most one line per kind in this time. */
const INTERVAL_MS = 60_000;
/** Maximum number of kinds per topic, because kinds may come from input; further kinds share a limit. */
const MAX_KINDS = 100;

interface Kind {
  /** No further line before this. */
  until: number;
  held: number;
}

class Topic {
  readonly #kinds = new Map<string, Kind>();
  /** All kinds beyond MAX_KINDS. */
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

  /** Forgotten kinds may never return, so their held lines are reported with the others. */
  #forget(now: number): void {
    for (const [name, { until, held }] of this.#kinds) {
      if (now < until) continue;
      this.#kinds.delete(name);
      this.#others.held += held;
    }
  }
}

/**
 * Lets one line per kind and interval through, and counts the lines it holds back. The part of a kind before the colon is its
 * topic, which must not come from input; the rest may. Each topic has a limit of its own, so that a flood of bad input hides
 * neither an outage nor a loss.
 */
export class LogLimiter {
  readonly #topics = new Map<string, Topic>();

  /**
   * @param kind such as `input: unknown field "x"`, or a topic alone
   * @returns the number of lines of this kind held back before this one, or null if this one must be held back too
   */
  pass(kind: string): number | null {
    // Monotonic: if the wall clock were set back, lines would be held back for as long.
    const now = performance.now();
    const line = this.#topicOf(kind).find(kind, now);
    if (now < line.until) {
      line.held += 1;
      return null;
    }
    const { held } = line;
    line.until = now + INTERVAL_MS;
    line.held = 0;
    return held;
  }

  #topicOf(kind: string): Topic {
    const [name = ''] = kind.split(':', 1);
    let topic = this.#topics.get(name);
    if (!topic) this.#topics.set(name, (topic = new Topic()));
    return topic;
  }
}
