import { backgroundTimer, stopTimer, type Timer } from '../timers.js';

/**
 * Decides how many requests may be in flight. Closed: as many as `concurrency`. Open: none, until the cool-down is over; then
 * one, the probe. Half-open: the probe is in flight. It closes as soon as the receiver answers.
 *
 * A pause (Retry-After) stops requests in any state and changes none. Timers measure the waits: with the wall clock alone, which may
 * be set, the circuit could stay open for good. The wall clock only ends them early.
 */
export class CircuitBreaker {
  readonly #onReady: () => void;
  readonly #pauses = new Set<Timer>();
  #state: 'closed' | 'open' | 'half-open' = 'closed';
  /** End of the last pause, by the monotonic clock. */
  #pausedUntil = 0;
  /** End of the last pause, by the wall clock. */
  #overdueAt = 0;

  /** @param onReady called when the last pause or the cool-down is over */
  constructor(onReady: () => void) {
    this.#onReady = onReady;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  /** True if the next request is the probe. */
  get probesNext(): boolean {
    return this.#state === 'open';
  }

  /** True during a pause or a cool-down. */
  get paused(): boolean {
    return this.#pauses.size > 0;
  }

  /** Milliseconds until the probe may leave; 0 while it is in flight, null when closed. */
  get coolDownLeftMs(): number | null {
    if (this.#state === 'closed') return null;
    return this.#state === 'half-open' ? 0 : Math.max(0, this.#pausedUntil - performance.now());
  }

  /** Number of requests that may be in flight now. */
  allowed(concurrency: number): number {
    if (this.paused) return 0;
    if (this.#state === 'closed') return concurrency;
    return this.#state === 'open' ? 1 : 0;
  }

  pause(ms: number): void {
    if (ms <= 0) return;
    this.#pausedUntil = Math.max(this.#pausedUntil, performance.now() + ms);
    this.#overdueAt = Math.max(this.#overdueAt, Date.now() + ms);
    const pause = backgroundTimer(() => {
      this.#pauses.delete(pause);
      if (!this.paused) this.#onReady();
    }, ms);
    this.#pauses.add(pause);
  }

  /** Forgets all pauses, without a call to `onReady`. */
  endPauses(): void {
    for (const pause of this.#pauses) stopTimer(pause);
    this.#pauses.clear();
    this.#pausedUntil = 0;
    this.#overdueAt = 0;
  }

  /** Forgets all pauses if they are over by the wall clock, without a call to `onReady`. Returns true if that ends a pause. */
  endOverdue(now: number): boolean {
    if (!this.paused || !(now >= this.#overdueAt)) return false;
    this.endPauses();
    return true;
  }

  /**
   * Starts a cool-down of at least `ms`; a pause may make it longer.
   *
   * @param probe true if the probe failed, false if another request did
   * @returns false when nothing changed: it was open already, and the probe decides
   */
  open(ms: number, probe: boolean): boolean {
    if (this.#state !== 'closed' && !probe) return false;
    this.#state = 'open';
    this.pause(ms);
    return true;
  }

  /** Ends a cool-down early, so that the probe may leave at once. */
  allowProbe(): void {
    if (this.#state === 'open') this.endPauses();
  }

  /** Call when a request leaves. Returns true if it is the probe. */
  requestLeaves(): boolean {
    if (this.#state !== 'open') return false;
    this.#state = 'half-open';
    return true;
  }

  /** Call when a request was aborted without an answer. Another probe may leave at once. */
  interrupted(isProbe: boolean): void {
    if (isProbe && this.#state === 'half-open') this.#state = 'open';
  }

  /** Call when the receiver answers. Returns true if that ends a cool-down. */
  close(): boolean {
    if (this.#state === 'closed') return false;
    this.#state = 'closed';
    this.endPauses();
    return true;
  }
}
