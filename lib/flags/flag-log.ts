import { Logger } from '@nestjs/common';
import { LogLimiter } from '../capture/report/log-limiter.js';
import { isTracker } from '../tracking/tracker.js';

const limiter = new LogLimiter();

/** Logs at most one line per kind and minute, where the application's events are logged. */
export function flagLog(tracker: unknown): (kind: string, text: string) => void {
  if (isTracker(tracker)) return tracker.warn;
  return (kind, text) => {
    if (limiter.pass(kind) !== null) new Logger('PostHogCapture').warn(text);
  };
}
