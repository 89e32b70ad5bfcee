import { type CaptureStats } from '../capture/capture-stats.js';
import { QUEUE_REMEDY, STORE_REMEDY } from '../capture/report/event-reporter.js';

export type HealthStatus = 'up' | 'degraded' | 'down';

/** Thresholds above which an instance is `degraded`. */
export interface CaptureHealthThresholds {
  /** Share of the queue that may be in use, by events or by bytes: 0 to 1. Default: 0.5. */
  readonly maxQueueShare?: number;
  /**
   * Age that the oldest pending event may reach, in milliseconds. Default: 5 minutes or twice `flushIntervalMs`, whichever is longer, but
   * at most half of `maxEventAgeMs`.
   */
  readonly maxPendingAgeMs?: number;
}

/** A problem of an instance, in one sentence, and the remedy. */
export interface HealthProblem {
  readonly message: string;
  readonly remedy: string;
}

export interface HealthReport {
  readonly health: HealthStatus;
  /** Share of the queue in use, by events or by bytes, whichever is larger: 0 to 1. */
  readonly queueShare: number;
  /** Sorted by severity, the worst first. */
  readonly problems: readonly HealthProblem[];
}

const DEFAULT_QUEUE_SHARE = 0.5;
const DEFAULT_AGE_MS = 300_000;

export function assessHealth(stats: CaptureStats, thresholds: CaptureHealthThresholds = {}): HealthReport {
  const queueShare = shareOf(stats);
  const severe = downProblems(stats);
  const problems = [...severe, ...degradedProblems(stats, queueShare, thresholds)];
  const health = severe.length > 0 ? 'down' : problems.length > 0 ? 'degraded' : 'up';
  return { health, queueShare, problems };
}

function shareOf({ limits, pending, pendingBytes }: CaptureStats): number {
  if (!limits) return 0;
  const share = Math.max(pending / limits.maxQueueEvents, pendingBytes / limits.maxQueueBytes);
  return Math.round(share * 1000) / 1000;
}

function downProblems({ lastFailure, storeFailing }: CaptureStats): HealthProblem[] {
  const problems: HealthProblem[] = [];
  if (lastFailure?.refusesAll) problems.push({ message: lastFailure.message, remedy: lastFailure.remedy });
  if (storeFailing) problems.push({ message: 'The store fails: events are in memory only', remedy: STORE_REMEDY });
  return problems;
}

function degradedProblems(
  { coolDownUntil, lastFailure, batchLimit, oldestPendingMs, limits, droppedByReason }: CaptureStats,
  queueShare: number,
  { maxQueueShare = DEFAULT_QUEUE_SHARE, maxPendingAgeMs = defaultAgeMs(limits) }: CaptureHealthThresholds,
): HealthProblem[] {
  const problems: HealthProblem[] = [];
  if (coolDownUntil !== null && !lastFailure?.refusesAll) {
    const { message = 'PostHog does not respond', remedy = 'nothing to do unless it lasts' } = lastFailure ?? {};
    problems.push({ message, remedy });
  }
  if (batchLimit) problems.push({ message: batchLimit.message, remedy: batchLimit.remedy });
  if (queueShare > maxQueueShare || queueShare >= 1) {
    const { queue_full: lost = 0 } = droppedByReason;
    const cost = lost > 0 ? `; ${lost} events were dropped since the process started because it was full` : '';
    problems.push({ message: `The queue is ${Math.round(queueShare * 100)} % full${cost}`, remedy: QUEUE_REMEDY });
  }
  if ((oldestPendingMs ?? 0) > maxPendingAgeMs) {
    const seconds = Math.round((oldestPendingMs ?? 0) / 1000);
    problems.push({ message: `The oldest event has been waiting for ${seconds} s`, remedy: QUEUE_REMEDY });
  }
  return problems;
}

function defaultAgeMs(limits: CaptureStats['limits']): number {
  // With a long flush interval, old events are normal.
  const usual = Math.max(DEFAULT_AGE_MS, 2 * (limits?.flushIntervalMs ?? 0));
  return Math.min(usual, (limits?.maxEventAgeMs ?? Infinity) / 2);
}
