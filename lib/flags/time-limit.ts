import { deadlineTimer, stopTimer } from '../delivery/timers.js';

/** Not replaced by a fake clock: it waits for a phase of the event loop, not for time to pass. */
const afterPollPhase = setImmediate;

/**
 * Resolves like the promise that `start` returns, or with `late` after `timeoutMs`, which include the time that `start` takes. Timers run before sockets are read, so a response that has arrived while the
 * event loop was blocked is read first; but unlike in delivery, the time of a block counts, because a request of the application waits.
 */
export async function before<Result, Late>(
  timeoutMs: number,
  start: () => Promise<Result>,
  late: Late,
): Promise<Result | Late> {
  let stop = (): void => undefined;
  const tooLate = new Promise<Late>((resolve) => {
    const timer = deadlineTimer(() => void afterPollPhase(() => void afterPollPhase(() => resolve(late))), timeoutMs);
    stop = () => stopTimer(timer);
  });
  const result = await Promise.race([start(), tooLate]);
  stop();
  return result;
}
