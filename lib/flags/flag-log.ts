import { Logger } from '@nestjs/common';
import { CaptureLog } from '../capture/report/capture-log.js';
import { isTracker } from '../tracking/tracker.js';

const log = new CaptureLog(new Logger('PostHogCapture'));

/** Logs at most one line per kind and minute, where the application's events are logged. */
export function flagLog(tracker: unknown): (kind: string, text: string) => void {
  if (isTracker(tracker)) return tracker.warn;
  return (kind, text) => log.warn(kind, text);
}
