import { backgroundTimer, deadlineTimer, type Timer } from '../timers.js';

/** setTimeout's limit stands in for "for ever": the timer is there to keep the process alive while somebody waits. */
const NO_LIMIT_MS = Infinity;

/** Callers that wait for room, released in order and never more of them than there is room for. */
export class CapacityWaiters {
  readonly #room: () => number;
  readonly #waiting = new Set<() => void>();
  #next: Timer | null = null;

  /** @param room how many may go on now */
  constructor(room: () => number) {
    this.#room = room;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Resolves when it is this caller's turn, or at the time limit. */
  wait(timeoutMs: number = NO_LIMIT_MS): Promise<void> {
    if (this.#waiting.size === 0 && this.#room() > 0) return Promise.resolve();
    return new Promise((resolve) => {
      const release = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(release);
        resolve();
      };
      const timer = deadlineTimer(release, timeoutMs);
      this.#waiting.add(release);
    });
  }

  /** Releases as many as there is room for. */
  check(): void {
    if (this.#waiting.size === 0) return;
    let room = this.#room();
    if (room <= 0) return;
    for (const release of this.#waiting) {
      if (room <= 0) break;
      room -= 1;
      release();
    }
    if (this.#waiting.size === 0 || this.#next) return;
    // Those released need not use their room, and then nothing else would release the rest.
    this.#next = backgroundTimer(() => {
      this.#next = null;
      this.check();
    }, 0);
  }

  releaseAll(): void {
    for (const release of this.#waiting) release();
  }
}
