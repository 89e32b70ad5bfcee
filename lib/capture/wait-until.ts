import { types } from 'node:util';
import { backgroundTimer, stopTimer, type Timer } from '../delivery/timers.js';
import { type CaptureService } from './capture.service.js';
import { type EventReporter } from './report/event-reporter.js';

/** More events may follow. */
const DEBOUNCE_MS = 50;
/** Since the first event. */
const MAX_WAIT_MS = 500;

interface Burst {
  readonly startedAt: number;
  readonly settle: (flushed: Promise<unknown>) => void;
  timer: Timer;
}

/**
 * Calls the `waitUntil` of a platform with a promise for each burst of events. It is called during the capture, because platforms accept
 * no call after the response, and find the request by its AsyncLocalStorage.
 */
export function callWaitUntil(
  capture: CaptureService,
  waitUntil: (promise: Promise<unknown>) => unknown,
  reporter: EventReporter,
): void {
  let burst: Burst | null = null;
  const failed = (): void =>
    reporter.warn(
      'waitUntil',
      'Option waitUntil failed: the platform may stop the process before the events are sent. Remedy: pass a function that may be called in each request.',
    );
  const send = (): void => {
    burst?.settle(capture.flush());
    burst = null;
  };
  const begin = (): void => {
    let settle: Burst['settle'] = () => undefined;
    const promise = new Promise<unknown>((resolve) => (settle = resolve));
    burst = { startedAt: performance.now(), settle, timer: backgroundTimer(send, DEBOUNCE_MS) };
    try {
      const result: unknown = waitUntil(promise);
      if (types.isPromise(result)) result.catch(failed);
    } catch {
      failed();
    }
  };
  reporter.watch({
    queued: () => {
      if (burst === null) {
        begin();
        return;
      }
      const leftMs = MAX_WAIT_MS - (performance.now() - burst.startedAt);
      stopTimer(burst.timer);
      burst.timer = backgroundTimer(send, Math.min(DEBOUNCE_MS, leftMs));
    },
  });
}
