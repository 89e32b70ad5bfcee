/**
 * Whether requests may leave. Open: as many as `concurrency` allows. Paused: the receiver asked for a pause
 * (Retry-After). Cooling: sending has failed for good, and nothing leaves until the cool-down is over; then one
 * request goes as a probe, and full speed comes back only when it is answered.
 */
export class SendGate {
  #state: 'open' | 'cooling' | 'probing' = 'open';
  #closedUntil = 0;

  /** Whether the receiver answers, as far as is known. */
  get open(): boolean {
    return this.#state === 'open';
  }

  /** Requests that may be in flight now. */
  allowed(concurrency: number): number {
    if (Date.now() < this.#closedUntil) return 0;
    if (this.#state === 'open') return concurrency;
    return this.#state === 'cooling' ? 1 : 0;
  }

  /** Milliseconds until a request may leave; 0 when it may now. */
  get closedForMs(): number {
    return Math.max(0, this.#closedUntil - Date.now());
  }

  /** Lets nothing leave for that long. */
  pause(ms: number): void {
    this.#closedUntil = Math.max(this.#closedUntil, Date.now() + ms);
  }

  /**
   * Starts a cool-down, or goes on with it after a probe that failed.
   *
   * @param probe whether the probe failed, or some request that had left before
   * @returns false when that changes nothing: it was cooling already, and waits for what the probe says
   */
  coolDown(ms: number, probe: boolean): boolean {
    if (this.#state !== 'open' && !probe) return false;
    this.#state = 'cooling';
    this.#closedUntil = Date.now() + ms;
    return true;
  }

  /** Lets one request through at once, though the cool-down is not over. */
  allowProbe(): void {
    if (this.#state === 'cooling') this.#closedUntil = 0;
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
    this.#closedUntil = 0;
    return true;
  }
}
