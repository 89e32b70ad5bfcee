import { type Timers } from './timers.js';

interface Waiter {
  readonly check: () => void;
  readonly reject: (error: Error) => void;
}

/** Waits for conditions without polling: they are evaluated on every call of `check()`. */
export class ConditionWaiters {
  readonly #waiters = new Set<Waiter>();
  readonly #timers: Timers;
  #closedReason: string | null = null;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /**
   * Resolves as soon as `condition` returns true.
   *
   * @param failure the error message for a timeout
   * @throws on timeout, and what `condition` throws
   */
  until(condition: () => boolean, timeoutMs: number, failure: () => string): Promise<void> {
    return new Promise((resolve, reject) => {
      if (condition()) {
        resolve();
        return;
      }
      if (this.#closedReason !== null) {
        reject(new Error(this.#closedReason));
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

  /** Must be called after every change that a condition may depend on. */
  check(): void {
    for (const waiter of [...this.#waiters]) waiter.check();
  }

  /** Rejects all current and future waits for a condition that does not hold. */
  close(reason: string): void {
    this.#closedReason = reason;
    for (const waiter of [...this.#waiters]) waiter.reject(new Error(reason));
  }
}
