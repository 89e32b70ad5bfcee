import { type CaptureStats } from '../capture/capture.service.js';
import { QUEUE_REMEDY, STORE_REMEDY } from '../capture/report/drop-reporter.js';

/** What an indicator says of what it looked at. */
export type HealthStatus = 'up' | 'degraded' | 'down';

/** From when on an instance counts as degraded. */
export interface CaptureHealthThresholds {
  /** So much of the queue is full, by events or by bytes: 0 to 1. Default: 0.5. */
  readonly maxQueueShare?: number;
  /**
   * The oldest pending event is older, in milliseconds. Default: 5 minutes, or twice `flushIntervalMs` where that is more, or half of
   * `maxEventAgeMs` where that is less.
   */
  readonly maxPendingAgeMs?: number;
}

/** What is wrong, in a sentence, and what a person can do about it. */
export interface HealthProblem {
  readonly message: string;
  readonly remedy: string;
}

/** What the figures of an instance come to. */
export interface HealthReport {
  readonly health: HealthStatus;
  /** Share of the queue that is full, by events or bytes: 0 to 1. */
  readonly queueShare: number;
  /** The worst first. */
  readonly problems: readonly HealthProblem[];
}

const DEFAULT_QUEUE_SHARE = 0.5;
const DEFAULT_AGE_MS = 300_000;

/** Down: it needs a person. Degraded: events wait; what that has cost so far stands in the problem. */
export function assessHealth(stats: CaptureStats, thresholds: CaptureHealthThresholds = {}): HealthReport {
  const queueShare = shareOf(stats);
  const lasting = lastingProblems(stats);
  const problems = [...lasting, ...passingProblems(stats, queueShare, thresholds)];
  const health = lasting.length > 0 ? 'down' : problems.length > 0 ? 'degraded' : 'up';
  return { health, queueShare, problems };
}

function shareOf({ limits, pending, pendingBytes }: CaptureStats): number {
  if (!limits) return 0;
  const share = Math.max(pending / limits.maxQueueEvents, pendingBytes / limits.maxQueueBytes);
  return Math.round(share * 1000) / 1000;
}

function lastingProblems({ lastFailure, storeFailing }: CaptureStats): HealthProblem[] {
  const problems: HealthProblem[] = [];
  if (lastFailure?.refusesAll) problems.push({ message: lastFailure.message, remedy: lastFailure.remedy });
  if (storeFailing) problems.push({ message: 'The store fails: events are in memory only', remedy: STORE_REMEDY });
  return problems;
}

function passingProblems(
  { coolDownUntil, lastFailure, oldestPendingMs, limits, droppedByReason }: CaptureStats,
  queueShare: number,
  { maxQueueShare = DEFAULT_QUEUE_SHARE, maxPendingAgeMs = defaultAgeMs(limits) }: CaptureHealthThresholds,
): HealthProblem[] {
  const problems: HealthProblem[] = [];
  if (coolDownUntil !== null && !lastFailure?.refusesAll) {
    const { message = 'PostHog does not answer', remedy = 'nothing to do unless it lasts' } = lastFailure ?? {};
    problems.push({ message, remedy });
  }
  if (queueShare > maxQueueShare || queueShare >= 1) {
    const { queue_full: lost = 0 } = droppedByReason;
    const cost = lost > 0 ? `; ${lost} events were dropped for want of room since the start` : '';
    problems.push({ message: `The queue is ${Math.round(queueShare * 100)} % full${cost}`, remedy: QUEUE_REMEDY });
  }
  if ((oldestPendingMs ?? 0) > maxPendingAgeMs) {
    const seconds = Math.round((oldestPendingMs ?? 0) / 1000);
    problems.push({ message: `The oldest event has waited for ${seconds} s`, remedy: QUEUE_REMEDY });
  }
  return problems;
}

function defaultAgeMs(limits: CaptureStats['limits']): number {
  // With a long interval events are old while all is well.
  const usual = Math.max(DEFAULT_AGE_MS, 2 * (limits?.flushIntervalMs ?? 0));
  return Math.min(usual, (limits?.maxEventAgeMs ?? Infinity) / 2);
}
