import { backgroundTimer, stopTimer } from '../timers.js';

/** A call of a store that takes longer counts as failed: sending must not wait for the store. */
export const STORE_TIMEOUT_MS = 5000;

/** Settles like the promise, or rejects after `timeoutMs`. */
export function withTimeout<T>(promise: Promise<T>, timeoutMs = STORE_TIMEOUT_MS): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = backgroundTimer(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    // A store may return anything.
    Promise.resolve(promise)
      .then(resolve, reject)
      .finally(() => stopTimer(timer));
  });
}
