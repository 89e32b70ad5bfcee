/**
 * Stops requests after one has failed. When the cool-down is over, a single request is a probe: if it succeeds, requests are made again,
 * otherwise the next cool-down begins.
 */
export class FlagCircuit {
  readonly #coolDownMs: number;
  #state: 'closed' | 'open' | 'half_open' = 'closed';
  /** By `performance.now()`. */
  #openUntil = 0;

  /** @param coolDownMs milliseconds */
  constructor(coolDownMs: number) {
    this.#coolDownMs = coolDownMs;
  }

  /** End of the cool-down in epoch milliseconds; null if requests are made. */
  get coolDownUntil(): number | null {
    return this.#state === 'closed' ? null : Math.round(Date.now() + this.#openUntil - performance.now());
  }

  /** false: no request may be made now. After true, `settle` must be called. */
  admit(): boolean {
    if (this.#state === 'closed') return true;
    if (this.#state === 'half_open' || performance.now() < this.#openUntil) return false;
    this.#state = 'half_open';
    return true;
  }

  /** @param succeeded a success of a request that began before the cool-down does not end it */
  settle(succeeded: boolean): void {
    if (!succeeded) {
      this.#state = 'open';
      this.#openUntil = performance.now() + this.#coolDownMs;
    } else if (this.#state === 'half_open') {
      this.#state = 'closed';
    }
  }
}
