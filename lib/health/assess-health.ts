import { type CaptureStats } from '../capture/capture-stats.js';
import { capitalized, routeOf } from '../capture/report/route.js';
import { type FlagStats } from '../capture/flag-stats.js';
import { type QueueStats } from '../queue/queue-monitor.js';

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

/** Number of intervals without a successful load after which flag definitions are old. */
const MISSED_LOADS = 3;

const OUTBOX_DOWN: HealthProblem = {
  message: 'The database of the outbox does not respond: events wait in it',
  remedy: 'check that it runs and can be reached',
};

const STATES: Readonly<Record<'full' | 'down', HealthProblem>> = {
  full: {
    message: 'The shared queue is full: events wait where they were captured',
    remedy: 'check that the relays keep up, or raise its limit',
  },
  down: {
    message: 'The shared queue does not respond: events wait where they are',
    remedy: 'check that its server runs and can be reached',
  },
};

export function assessHealth(stats: CaptureStats, thresholds: CaptureHealthThresholds = {}): HealthReport {
  const queueShare = shareOf(stats);
  const severe = downProblems(stats);
  const problems = [...severe, ...degradedProblems(stats, queueShare, thresholds)];
  const health = severe.length > 0 ? 'down' : problems.length > 0 ? 'degraded' : 'up';
  return { health, queueShare, problems };
}

/** The share of the fuller one, if AI events have a queue of their own. */
function shareOf({ limits, pending, pendingBytes, ai }: CaptureStats): number {
  if (!limits) return 0;
  const others = { pending: pending - (ai?.pending ?? 0), pendingBytes: pendingBytes - (ai?.pendingBytes ?? 0) };
  const shares = [others, ...(ai ? [ai] : [])].map((queue) =>
    Math.max(queue.pending / limits.maxQueueEvents, queue.pendingBytes / limits.maxQueueBytes),
  );
  return Math.round(Math.max(...shares) * 1000) / 1000;
}

function downProblems({ lastFailure, storeFailing, queue }: CaptureStats): HealthProblem[] {
  const problems = queueProblems(queue, 'down');
  if (lastFailure?.refusesAll) problems.push({ message: lastFailure.message, remedy: lastFailure.remedy });
  if (storeFailing && queue?.role !== 'relay')
    problems.push({ message: 'The store fails: events are in memory only', remedy: routeOf(queue).storeRemedy });
  return distinct(problems);
}

function degradedProblems(
  stats: CaptureStats,
  queueShare: number,
  { maxQueueShare = DEFAULT_QUEUE_SHARE, maxPendingAgeMs = defaultAgeMs(stats.limits) }: CaptureHealthThresholds,
): HealthProblem[] {
  const { coolDownUntil, lastFailure, batchLimit, droppedByReason, storeFailing, queue } = stats;
  const { receiver, backlogRemedy, storeName, storeRemedy } = routeOf(queue);
  const problems = queueProblems(queue, 'degraded');
  if (coolDownUntil !== null && !lastFailure?.refusesAll) {
    const { message = `${capitalized(receiver)} does not respond`, remedy = 'nothing to do unless it lasts' } =
      lastFailure ?? {};
    problems.push({ message, remedy });
  }
  if (storeFailing && queue?.role === 'relay' && queue.state !== 'down')
    problems.push({ message: `${capitalized(storeName)} fails: nothing is taken from it`, remedy: storeRemedy });
  if (batchLimit) problems.push({ message: batchLimit.message, remedy: batchLimit.remedy });
  if (queueShare > maxQueueShare || queueShare >= 1) {
    const { queue_full: lost = 0 } = droppedByReason;
    const cost = lost > 0 ? `; ${lost} events were dropped since the process started because it was full` : '';
    problems.push({ message: `The queue is ${Math.round(queueShare * 100)} % full${cost}`, remedy: backlogRemedy });
  }
  const oldestMs = oldestOf(stats);
  if (oldestMs > maxPendingAgeMs) {
    const seconds = Math.round(oldestMs / 1000);
    problems.push({ message: `The oldest event has been waiting for ${seconds} s`, remedy: backlogRemedy });
  }
  return distinct([...problems, ...flagProblems(stats.flags)]);
}

/** A pod is not responsible for events that the shared queue has accepted; a relay is. */
function oldestOf({ oldestPendingMs, queue }: CaptureStats): number {
  return Math.max(oldestPendingMs ?? 0, (queue?.role === 'relay' ? queue.oldestMs : null) ?? 0);
}

function queueProblems(queue: QueueStats | null, severity: 'down' | 'degraded'): HealthProblem[] {
  if (!queue) return [];
  const problems = queue.problems
    .filter((problem) => problem.severity === severity)
    .map(({ message, remedy }) => ({ message, remedy }));
  const isKnown = queue.problems.some((problem) => problem.severity !== 'note');
  if (queue.state !== 'ok' && severity === 'degraded' && !isKnown)
    problems.push(queue.kind === 'outbox' ? OUTBOX_DOWN : STATES[queue.state]);
  return problems;
}

/** Never `down`: without PostHog, code gets its default values. */
function flagProblems(flags: FlagStats | null): HealthProblem[] {
  if (!flags) return [];
  const { coolDownUntil, lastError, definitionsAgeMs, definitionsEveryMs } = flags;
  const problems: HealthProblem[] = [];
  if (coolDownUntil !== null || lastError?.needsAction) {
    const { message = 'PostHog does not respond', remedy = 'nothing to do unless it lasts' } = lastError ?? {};
    problems.push({ message: `Feature flags: ${message}`, remedy });
  }
  if (
    definitionsAgeMs !== null &&
    definitionsEveryMs !== null &&
    definitionsAgeMs > MISSED_LOADS * definitionsEveryMs
  ) {
    const minutes = Math.round(definitionsAgeMs / 60_000);
    const why = lastError ? `: ${lastError.message}` : '';
    problems.push({
      message: `Feature flags: the definitions are ${minutes} min old${why}`,
      remedy: lastError?.remedy ?? 'changes of flags have no effect until PostHog can be reached',
    });
  }
  return problems;
}

/** A pod has the same failure as the sample of its queue. */
function distinct(problems: readonly HealthProblem[]): HealthProblem[] {
  return problems.filter(({ message }, at) => problems.findIndex((other) => other.message === message) === at);
}

function defaultAgeMs(limits: CaptureStats['limits']): number {
  // With a long flush interval, old events are normal.
  const usual = Math.max(DEFAULT_AGE_MS, 2 * (limits?.flushIntervalMs ?? 0));
  return Math.min(usual, (limits?.maxEventAgeMs ?? Infinity) / 2);
}
