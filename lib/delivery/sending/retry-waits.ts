import { Sleepers } from '../timers.js';
import { type CircuitBreaker } from './circuit-breaker.js';

/** Batches that wait for their retry. */
export class RetryWaits {
  readonly #breaker: CircuitBreaker;
  readonly #hasStalled: () => boolean;
  readonly #retries = new Sleepers();
  /** Retries whose delay is over, and which wait for the end of a pause. */
  readonly #afterPause = new Sleepers();

  /** @param hasStalled true while nothing may be sent, so that batches wait in the queue instead */
  constructor(breaker: CircuitBreaker, hasStalled: () => boolean) {
    this.#breaker = breaker;
    this.#hasStalled = hasStalled;
  }

  /** Returns false when the batch must go back to the queue instead. */
  async wait(ms: number, retryAfterMs: number | undefined, skipsPauses: boolean): Promise<boolean> {
    // Another batch has failed: this one waits in the queue.
    if (this.#hasStalled()) return false;
    if (skipsPauses && (retryAfterMs ?? 0) > ms) return false;
    if (retryAfterMs !== undefined) this.#breaker.pause(retryAfterMs);
    let goOn = await this.#retries.sleep(ms);
    // Since `end`, another batch may have stalled or started a pause. `#afterPause` wakes at the end of a pause; if a cool-down
    // starts instead, it wakes with false.
    while (goOn && !this.#hasStalled() && this.#breaker.paused) goOn = await this.#afterPause.sleep(Infinity);
    return goOn && !this.#hasStalled();
  }

  /** Retries at once, unless a pause was asked for. */
  end(): void {
    this.#retries.wake(true);
  }

  /** Retries if the delay is over by the wall clock. */
  endOverdue(now: number): void {
    this.#retries.wakeOverdue(now);
  }

  pauseIsOver(): void {
    this.#afterPause.wake(true);
  }

  /** Sends all of them back to the queue. */
  giveUp(): void {
    this.#retries.wake(false);
    this.#afterPause.wake(false);
  }
}
