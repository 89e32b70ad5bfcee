import { type SendFailure } from '../delivery.js';

/** Waits between attempts, in milliseconds. */
export interface BackoffOptions {
  /** The first full step. */
  readonly retryBaseMs: number;
  /** The longest full step. */
  readonly retryMaxMs: number;
}

export interface RetryPolicy extends BackoffOptions {
  /** Attempts after the first. */
  readonly maxRetries: number;
}

/**
 * Exponential backoff with jitter between half and the full step, so that clients that failed together do not return together.
 *
 * @param retry 1 for the wait before the second attempt
 */
export function backoffMs(retry: number, { retryBaseMs, retryMaxMs }: BackoffOptions): number {
  const step = Math.min(retryMaxMs, retryBaseMs * 2 ** (retry - 1));
  return step / 2 + (Math.random() * step) / 2;
}

interface FailedAttempt {
  readonly number: number;
  readonly failure: SendFailure | null;
  readonly retryAfterMs?: number;
}

/**
 * Delay after a failed attempt; null if the batch must not be retried: retries are used up, or the receiver refuses everything or
 * asked for a pause longer than `retryMaxMs`.
 */
export function retryDelayMs(
  { number, failure, retryAfterMs = 0 }: FailedAttempt,
  policy: RetryPolicy,
  maxRetries = policy.maxRetries,
): number | null {
  if (failure?.refusesAll || number > maxRetries || retryAfterMs > policy.retryMaxMs) return null;
  return backoffMs(number, policy);
}
