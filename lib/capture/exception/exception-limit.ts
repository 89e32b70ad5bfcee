import { type ExceptionLimitOptions } from '../../options/exception-options.js';

/** Types with a bucket of their own. Types come from errors, so there may be any number; the rest share one. */
const MAX_TYPES = 500;

interface Bucket {
  tokens: number;
  /** Time of the last refill. */
  since: number;
  suppressed: number;
}

/** A token bucket per type of error, so that a flood of one hides no other. */
export class ExceptionLimit {
  readonly #burst: number;
  readonly #everyMs: number;
  readonly #buckets = new Map<string, Bucket>();
  #rest: Bucket | undefined;

  constructor({ burst = 10, everyMs = 10_000 }: ExceptionLimitOptions = {}) {
    this.#burst = burst;
    this.#everyMs = everyMs;
  }

  /** True, and counted, if no error of this type may pass now. */
  suppresses(type: string): boolean {
    const bucket = this.#refilled(type, performance.now());
    if (bucket.tokens >= 1) return false;
    bucket.suppressed += 1;
    return true;
  }

  /** The number of errors of this type suppressed since the last one that passed, or null if this one must be suppressed too. */
  pass(type: string): number | null {
    if (this.suppresses(type)) return null;
    // Monotonic: if the wall clock were set back, nothing would pass for as long.
    const now = performance.now();
    const bucket = this.#refilled(type, now);
    // The time until the next token counts from the first that is taken.
    if (bucket.tokens === this.#burst) bucket.since = now;
    bucket.tokens -= 1;
    const { suppressed } = bucket;
    bucket.suppressed = 0;
    return suppressed;
  }

  #refilled(type: string, now: number): Bucket {
    const bucket = this.#bucketOf(type, now);
    const refills = Math.floor((now - bucket.since) / this.#everyMs);
    if (refills > 0) {
      bucket.tokens = Math.min(this.#burst, bucket.tokens + refills);
      bucket.since += refills * this.#everyMs;
    }
    return bucket;
  }

  #bucketOf(type: string, now: number): Bucket {
    const known = this.#buckets.get(type);
    if (known) return known;
    const bucket = { tokens: this.#burst, since: now, suppressed: 0 };
    if (this.#buckets.size >= MAX_TYPES) this.#forgetIdle(now);
    if (this.#buckets.size >= MAX_TYPES) return (this.#rest ??= bucket);
    this.#buckets.set(type, bucket);
    return bucket;
  }

  /** A bucket that is full again and suppressed nothing is as good as a new one. */
  #forgetIdle(now: number): void {
    const fullMs = this.#burst * this.#everyMs;
    for (const [type, { since, suppressed }] of this.#buckets)
      if (suppressed === 0 && now - since >= fullMs) this.#buckets.delete(type);
  }
}
