/** What schedules of faults are made from: `FAULT_SEED=7 npm test -- test/faults` gives another one. */
export const SEED = Number(process.env.FAULT_SEED ?? 1);

/** Chance that can be repeated: equal seeds make equal choices. */
export class Seeded {
  #state: number;

  constructor(seed = SEED) {
    this.#state = seed >>> 0;
  }

  /** From 0 to 1, without 1. (mulberry32) */
  next(): number {
    this.#state = (this.#state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to `end`, without `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(list: readonly [T, ...T[]]): T {
    return list[this.below(list.length)] ?? list[0];
  }
}
