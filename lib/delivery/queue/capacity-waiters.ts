import { backgroundTimer, deadlineTimer, stopTimer, type Timer } from '../timers.js';

/** Callers that wait for free capacity. Released in order, and never more than there is capacity for. */
export class CapacityWaiters {
  readonly #capacity: () => number;
  readonly #waiting = new Set<() => void>();
  #nextCheck: Timer | null = null;

  /** @param capacity returns how many callers may go on now */
  constructor(capacity: () => number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves when it is this caller's turn, or at the time limit. Keeps the process alive meanwhile. */
  wait(timeoutMs = Infinity): Promise<void> {
    if (this.#waiting.size === 0 && this.#capacity() > 0) return Promise.resolve();
    return new Promise((resolve) => {
      const release = (): void => {
        stopTimer(timer);
        this.#waiting.delete(release);
        resolve();
      };
      const timer = deadlineTimer(release, timeoutMs);
      this.#waiting.add(release);
    });
  }

  /** Releases as many callers as there is capacity for. */
  check(): void {
    if (this.#waiting.size === 0) return;
    let capacity = this.#capacity();
    if (capacity <= 0) return;
    for (const release of this.#waiting) {
      if (capacity <= 0) break;
      capacity -= 1;
      release();
    }
    if (this.#waiting.size === 0 || this.#nextCheck) return;
    // The released callers may capture nothing, and then nothing else would release the rest.
    this.#nextCheck = backgroundTimer(() => {
      this.#nextCheck = null;
      this.check();
    }, 0);
  }

  releaseAll(): void {
    for (const release of this.#waiting) release();
  }
}
