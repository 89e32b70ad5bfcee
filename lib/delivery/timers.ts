import nodeTimers from 'node:timers';

/** Maximum delay of `setTimeout`; a longer one fires immediately. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Interval at which the timers of a fake clock are checked. */
const WATCH_MS = 20;
/** The timers of Node.js, which a fake clock does not replace. */
const { setTimeout: nativeTimeout, setInterval: nativeInterval, clearInterval: endNativeInterval } = nodeTimers;

export type Timer = ReturnType<typeof setTimeout>;

interface Watch {
  /** The clock that the timer runs on. */
  clock: typeof setTimeout;
  /** Stops the timer if it has started again. */
  end(): void;
}

/** By timer of a fake clock. */
const watches = new Map<Timer, Watch>();

/** A timer that does not keep the process alive. */
export function backgroundTimer(callback: () => void, delayMs: number): Timer {
  return startTimer(callback, delayMs, true);
}

/**
 * Calls back at the end of the current turn of the event loop, after the input that has arrived was read. Does not keep the process
 * alive.
 *
 * @returns a function that cancels it
 */
export function atEndOfTurn(callback: () => void): () => void {
  if (setTimeout !== nativeTimeout) {
    const timer = backgroundTimer(callback, 0);
    return () => stopTimer(timer);
  }
  const immediate = setImmediate(callback).unref();
  return () => clearImmediate(immediate);
}

/** A timer that keeps the process alive, because a caller waits. Negative and very long delays are allowed. */
export function deadlineTimer(callback: () => void, delayMs: number): Timer {
  return startTimer(callback, delayMs, false);
}

export function stopTimer(timer: Timer | null | undefined): void {
  if (timer === null || timer === undefined) return;
  clearTimeout(timer);
  if (watches.size > 0) watches.get(timer)?.end();
}

/** False for null, and for a timer of a fake clock that has been replaced. */
export function isRunning(timer: Timer | null): boolean {
  if (timer === null || watches.size === 0) return timer !== null;
  const watch = watches.get(timer);
  return watch === undefined || watch.clock === setTimeout;
}

function startTimer(callback: () => void, delayMs: number, isBackground: boolean): Timer {
  const ms = Math.min(Math.max(0, delayMs), MAX_DELAY_MS);
  if (setTimeout !== nativeTimeout) return watchedTimer(callback, ms, isBackground);
  const timer = setTimeout(callback, ms);
  return isBackground ? timer.unref() : timer;
}

/** A test's fake clock forgets its timers when it is reset, and delivery would wait for them for ever. They start again on the real clock. */
function watchedTimer(callback: () => void, ms: number, isBackground: boolean): Timer {
  const clock = setTimeout;
  let again: Timer | undefined;
  const end = (): void => {
    endNativeInterval(look);
    watches.delete(timer);
    stopTimer(again);
  };
  const fire = (): void => {
    end();
    callback();
  };
  const timer = clock(fire, ms);
  // Some fake clocks return plain numbers.
  if (isBackground && typeof timer === 'object') timer.unref();
  const watch: Watch = { clock, end };
  const look = nativeInterval(() => {
    if (setTimeout !== nativeTimeout) return;
    endNativeInterval(look);
    watch.clock = setTimeout;
    again = startTimer(fire, ms, isBackground);
  }, WATCH_MS).unref();
  watches.set(timer, watch);
  return timer;
}

/** A timer that is later by more than this was delayed by a blocked event loop. */
const BLOCKED_MS = 20;

/** Not replaced by a fake clock: it waits for a phase of the event loop, not for time to pass. */
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
    stopTimer(timer);
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
  /** Each with its end by the wall clock. */
  readonly #sleeping = new Map<(goOn: boolean) => void, number>();

  /** Resolves with true after `delayMs`, or earlier with the argument of `wake`. */
  sleep(delayMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const wake = (goOn: boolean): void => {
        stopTimer(timer);
        this.#sleeping.delete(wake);
        resolve(goOn);
      };
      const timer = backgroundTimer(() => wake(true), delayMs);
      this.#sleeping.set(wake, Date.now() + delayMs);
    });
  }

  /** Ends all waits. */
  wake(goOn: boolean): void {
    for (const wake of this.#sleeping.keys()) wake(goOn);
  }

  /** Ends the waits that are over by the wall clock. */
  wakeOverdue(now: number): void {
    for (const [wake, endsAt] of this.#sleeping) if (now >= endsAt) wake(true);
  }
}
