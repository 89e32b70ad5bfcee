/** Maximum delay of `setTimeout`; a longer one fires immediately. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export type Timer = ReturnType<typeof setTimeout>;

/** A timer that does not keep the process alive. */
export function backgroundTimer(callback: () => void, delayMs: number): Timer {
  const timer = deadlineTimer(callback, delayMs);
  // Some fake clocks return plain numbers.
  if (typeof timer === 'object') timer.unref();
  return timer;
}

/** A timer that keeps the process alive, because a caller waits. Negative and very long delays are allowed. */
export function deadlineTimer(callback: () => void, delayMs: number): Timer {
  return setTimeout(callback, Math.min(Math.max(0, delayMs), MAX_DELAY_MS));
}

/** A timer that is later by more than this was delayed by a blocked event loop. */
const BLOCKED_MS = 20;

/** Real even under a fake clock: it stands for a phase of the event loop, not for time. */
const afterPollPhase = setImmediate;

/**
 * Ends a wait for input after `delayMs`, but not before the input that has already arrived was read. Timers run before sockets are read,
 * so after the event loop was blocked, a plain timer would discard an answer that is there. The time of a block does not count, up to
 * `delayMs`. Keeps the process alive.
 *
 * @returns a function that cancels it
 */
export function startDeadline(callback: () => void, delayMs: number): () => void {
  const dueAt = performance.now() + delayMs;
  let immediate: ReturnType<typeof setImmediate> | undefined;
  const end = (): void => void (immediate = afterPollPhase(callback));
  let timer = deadlineTimer(() => {
    const lateMs = performance.now() - dueAt;
    if (lateMs < BLOCKED_MS) end();
    else timer = deadlineTimer(end, Math.min(lateMs, delayMs));
  }, delayMs);
  return () => {
    clearTimeout(timer);
    if (immediate) clearImmediate(immediate);
  };
}

/** Resolves like the promise, or with `late` after `delayMs`. Keeps the process alive meanwhile. */
export async function within<Result, Late>(
  promise: Promise<Result>,
  delayMs: number,
  late: Late,
): Promise<Result | Late> {
  let cancel = (): void => undefined;
  const tooLate = new Promise<Late>((resolve) => {
    cancel = startDeadline(() => resolve(late), delayMs);
  });
  const result = await Promise.race([promise, tooLate]);
  cancel();
  return result;
}

/** Waits that can be cut short. They do not keep the process alive. */
export class Sleepers {
  readonly #sleeping = new Set<(goOn: boolean) => void>();

  /** Resolves with true after `delayMs`, or earlier with the argument of `wake`. */
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
