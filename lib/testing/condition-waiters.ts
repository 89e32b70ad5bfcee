import { type Timers } from './timers.js';

interface Waiter {
  readonly check: () => void;
  readonly reject: (error: Error) => void;
}

/** Waits for conditions without polling: whoever changes something says so. */
export class ConditionWaiters {
  readonly #waiters = new Set<Waiter>();
  readonly #timers: Timers;
  #abandoned: string | null = null;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /**
   * Resolves as soon as `condition` holds.
   *
   * @param failure makes the message of the error, after so many milliseconds without it
   * @throws what `condition` throws
   */
  until(condition: () => boolean, timeoutMs: number, failure: () => string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (condition()) {
        resolve();
        return;
      }
      if (this.#abandoned !== null) {
        reject(new Error(this.#abandoned));
        return;
      }
      const settle = (outcome: () => void): void => {
        this.#waiters.delete(waiter);
        cancel();
        outcome();
      };
      const fail = (error: unknown): void =>
        settle(() => reject(error instanceof Error ? error : new Error(String(error))));
      const check = (): void => {
        try {
          if (condition()) settle(resolve);
        } catch (error) {
          fail(error);
        }
      };
      const waiter: Waiter = { check, reject: fail };
      this.#waiters.add(waiter);
      const cancel = this.#timers.after(timeoutMs, () => fail(new Error(failure())));
    });
  }

  /** To be called after every change. */
  changed(): void {
    for (const waiter of [...this.#waiters]) waiter.check();
  }

  /** Ends every wait with an error, later ones too. */
  abandon(reason: string): void {
    this.#abandoned = reason;
    for (const waiter of [...this.#waiters]) waiter.reject(new Error(reason));
  }
}
