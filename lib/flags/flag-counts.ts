import { type FlagRead, type FlagStats } from '../capture/flag-stats.js';

/** Flags and variants are few, but a key may come from a request. */
const MAX_PAIRS = 100;
/** Longer keys and variants are counted with the others. */
const MAX_LENGTH = 200;

type FlagValue = boolean | string | null;

/** Counts reads, requests and timeouts. Bounded: a pair keeps its place once it has one, so that no count ever decreases. */
export class FlagCounts {
  requests = 0;
  timeouts = 0;
  readonly #reads = new Map<string, Map<FlagValue, number>>();
  #pairs = 0;
  #others = 0;

  /** @param value undefined if it is not known */
  read(key: string, value: boolean | string | undefined): void {
    const counted = value ?? null;
    const counts = this.#reads.get(key);
    const count = counts?.get(counted);
    if (counts !== undefined && count !== undefined) counts.set(counted, count + 1);
    else this.#first(key, counted, counts);
  }

  stats(): Pick<FlagStats, 'requests' | 'timeouts' | 'reads' | 'otherReads'> {
    const reads: FlagRead[] = [...this.#reads].flatMap(([key, counts]) =>
      [...counts].map(([value, count]) => ({ key, value, count })),
    );
    reads.sort((one, other) => other.count - one.count);
    return { requests: this.requests, timeouts: this.timeouts, reads, otherReads: this.#others };
  }

  #first(key: string, value: FlagValue, counts = new Map<FlagValue, number>()): void {
    if (
      this.#pairs >= MAX_PAIRS ||
      key.length > MAX_LENGTH ||
      (typeof value === 'string' && value.length > MAX_LENGTH)
    ) {
      this.#others += 1;
      return;
    }
    this.#pairs += 1;
    this.#reads.set(key, counts.set(value, 1));
  }
}
