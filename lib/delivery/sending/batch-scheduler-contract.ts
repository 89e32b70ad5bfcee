import { type EventQueueLimits, type LeaseLimits } from '../queue/event-queue.js';
import { type RetryPolicy } from './retry-policy.js';
import { type SendTimes } from './send-timers.js';

export interface BatchSchedulerOptions extends EventQueueLimits, LeaseLimits, RetryPolicy, SendTimes {
  readonly flushAt: number;
  /** Requests in flight at once. */
  readonly concurrency: number;
  readonly coolDownMs: number;
  readonly maxEventAgeMs: number | null;
}

export interface BatchSchedulerCallbacks {
  /** Fewer events could be sent now: they were leased, or wait for their order key. */
  onTaken(): void;
  /** A request is over. */
  onReturn(): void;
}
