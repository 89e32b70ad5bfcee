import { fieldOf } from '../../shared/untrusted-values.js';

/** Errors by which a processor hands its job back to BullMQ, which will run it again. */
const POSTPONED = ['DelayedError', 'WaitingError', 'WaitingChildrenError', 'RateLimitError'];
/** BullMQ recognizes this one by its message. */
const RATE_LIMITED = 'bullmq:rateLimitExceeded';
const UNRECOVERABLE = ['UnrecoverableError'];

/** True if the job did not fail, but is to run later. */
export const isPostponed = (error: unknown): boolean =>
  fieldOf(error, 'message') === RATE_LIMITED || isOfClass(error, POSTPONED);

/** True if BullMQ will not run the job again after this error. */
export function isLastAttempt(error: unknown, job: unknown): boolean {
  if (isOfClass(error, UNRECOVERABLE) || fieldOf(job, 'discarded') === true) return true;
  const started = fieldOf(job, 'attemptsStarted');
  const maxStarted = fieldOf(fieldOf(fieldOf(job, 'queue'), 'opts'), 'maxStartedAttempts');
  if (typeof started === 'number' && typeof maxStarted === 'number' && maxStarted > 0 && started >= maxStarted)
    return true;
  const attempts = fieldOf(fieldOf(job, 'opts'), 'attempts');
  return typeof attempts !== 'number' || attemptOf(job) >= attempts;
}

/** Names the job and its attempt. Its data stay out of the event. */
export function jobProperties(job: unknown): Record<string, unknown> {
  return {
    $job_queue: fieldOf(job, 'queueName'),
    $job_name: fieldOf(job, 'name'),
    $job_id: fieldOf(job, 'id'),
    $job_attempt: attemptOf(job),
  };
}

/** The number of the running attempt, from 1. */
function attemptOf(job: unknown): number {
  const made = fieldOf(job, 'attemptsMade');
  const count = typeof made === 'number' ? made : 0;
  // BullMQ 3 and 4 count an attempt when it starts, and know no attemptsStarted.
  const countsAtStart =
    typeof fieldOf(job, 'attemptsStarted') !== 'number' && typeof fieldOf(job, 'moveToFailed') === 'function';
  return countsAtStart ? Math.max(count, 1) : count + 1;
}

/** By name, as BullMQ does, because a process may hold several copies of it. */
function isOfClass(error: unknown, names: readonly string[]): boolean {
  const isNamed = (name: unknown): boolean => typeof name === 'string' && names.includes(name);
  if (isNamed(fieldOf(error, 'name'))) return true;
  if (typeof error !== 'object' || error === null) return false;
  for (let type: unknown = Object.getPrototypeOf(error); type !== null; type = Object.getPrototypeOf(type))
    if (isNamed(fieldOf(fieldOf(type, 'constructor'), 'name'))) return true;
  return false;
}
