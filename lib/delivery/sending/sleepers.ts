import { backgroundTimer } from '../timers.js';

/** Waits that others can cut short. They do not keep the process alive. */
export class Sleepers {
  readonly #sleeping = new Set<(goOn: boolean) => void>();

  /** Resolves with true after `delayMs`, or earlier with what `wake` says. */
  sleep(delayMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const wake = (goOn: boolean): void => {
        clearTimeout(timer);
        this.#sleeping.delete(wake);
        resolve(goOn);
      };
      const timer = backgroundTimer(() => wake(true), delayMs);
      this.#sleeping.add(wake);
    });
  }

  /** Ends all waits. */
  wake(goOn: boolean): void {
    for (const wake of this.#sleeping) wake(goOn);
  }
}
