/** How long to wait between the attempts of one batch. */
export interface BackoffOptions {
  /** The first full step, in milliseconds. */
  readonly retryBaseMs: number;
  /** The longest full step, in milliseconds. */
  readonly retryMaxMs: number;
}

/**
 * Exponential backoff with jitter between half and the full step: steps grow, and clients that failed together
 * do not come back together.
 *
 * @param retry 1 for the wait before the second attempt
 */
export function backoffMs(retry: number, { retryBaseMs, retryMaxMs }: BackoffOptions): number {
  const step = Math.min(retryMaxMs, retryBaseMs * 2 ** (retry - 1));
  return step / 2 + (Math.random() * step) / 2;
}
