import { backgroundTimer, type Timer } from '../timers.js';

/**
 * Whether requests may leave. Open: as many as `concurrency` allows. Paused: the receiver asked for a pause
 * (Retry-After). Cooling: sending has failed for good, and nothing leaves until the cool-down is over; then one
 * request goes as a probe, and full speed comes back only when it is answered.
 *
 * Timers alone measure the waits: a clock that is set, or read twice, could leave the gate shut for good.
 */
export class CircuitBreaker {
  readonly #onPassable: () => void;
  /** Pauses that are not over. */
  readonly #pauses = new Set<Timer>();
  #state: 'open' | 'cooling' | 'probing' = 'open';
  /** When the last of them is, by the clock that nobody sets. */
  #passableAt = 0;

  /** @param onPassable told when a pause or a cool-down is over */
  constructor(onPassable: () => void) {
    this.#onPassable = onPassable;
  }

  /** Whether the receiver answers, as far as is known. */
  get open(): boolean {
    return this.#state === 'open';
  }

  /** Whether a pause or a cool-down lasts. */
  get paused(): boolean {
    return this.#pauses.size > 0;
  }

  /** Milliseconds until a cool-down is over and a probe may leave; 0 while there is one, null when it is not cooling. */
  get coolDownLeftMs(): number | null {
    if (this.#state === 'open') return null;
    return this.#state === 'probing' ? 0 : Math.max(0, this.#passableAt - performance.now());
  }

  /** Requests that may be in flight now. */
  allowed(concurrency: number): number {
    if (this.paused) return 0;
    if (this.#state === 'open') return concurrency;
    return this.#state === 'cooling' ? 1 : 0;
  }

  /** Lets nothing leave for that long. */
  pause(ms: number): void {
    if (ms <= 0) return;
    this.#passableAt = Math.max(this.#passableAt, performance.now() + ms);
    const pause = backgroundTimer(() => {
      this.#pauses.delete(pause);
      if (!this.paused) this.#onPassable();
    }, ms);
    this.#pauses.add(pause);
  }

  /**
   * Starts a cool-down, or goes on with it after a probe that failed. A pause that the receiver asked for may make it longer.
   *
   * @param probe whether the probe failed, or some request that had left before
   * @returns false when that changes nothing: it was cooling already, and waits for what the probe says
   */
  coolDown(ms: number, probe: boolean): boolean {
    if (this.#state !== 'open' && !probe) return false;
    this.#state = 'cooling';
    this.pause(ms);
    return true;
  }

  /** Lets one request through at once, though the cool-down is not over. */
  allowProbe(): void {
    if (this.#state === 'cooling') this.endPauses();
  }

  /** Takes note that a request leaves. Returns whether it is the probe, which is tried only once. */
  leave(): boolean {
    if (this.#state !== 'cooling') return false;
    this.#state = 'probing';
    return true;
  }

  /** The receiver answered: full speed. Returns whether that ends a cool-down. */
  answered(): boolean {
    if (this.#state === 'open') return false;
    this.#state = 'open';
    this.endPauses();
    return true;
  }

  /** Forgets all pauses, and tells nobody. */
  endPauses(): void {
    for (const pause of this.#pauses) clearTimeout(pause);
    this.#pauses.clear();
    this.#passableAt = 0;
  }
}
