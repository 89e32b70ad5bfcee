/** The longest delay that setTimeout keeps; a longer one would fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** A pending timer, to be handed to `clearTimeout`. */
export type Timer = ReturnType<typeof setTimeout>;

/** Like setTimeout, but the process may end before it fires. */
export function backgroundTimer(callback: () => void, delayMs: number): Timer {
  const timer = deadlineTimer(callback, delayMs);
  // Some fake clocks hand out plain numbers.
  if (typeof timer === 'object') timer.unref();
  return timer;
}

/** Like setTimeout, for any delay: it keeps the process alive while somebody waits for what it bounds. */
export function deadlineTimer(callback: () => void, delayMs: number): Timer {
  return setTimeout(callback, Math.min(Math.max(0, delayMs), LONGEST_DELAY_MS));
}

/** What the promise resolves with, or `late` when that takes longer than `delayMs`. Keeps the process alive meanwhile. */
export async function within<Result, Late>(
  promise: Promise<Result>,
  delayMs: number,
  late: Late,
): Promise<Result | Late> {
  let deadline: Timer | undefined;
  const tooLate = new Promise<Late>((resolve) => {
    deadline = deadlineTimer(() => resolve(late), delayMs);
  });
  const result = await Promise.race([promise, tooLate]);
  clearTimeout(deadline);
  return result;
}
