import { AbortListeners } from '../../shared/abort-listeners.js';
import { fieldOf } from '../../shared/untrusted-values.js';

/** Weak: it keeps no signal alive. */
const LISTENERS = new AbortListeners();

/** The options of calls that wait. These calls never reject, so an option that is invalid or cannot be read is ignored. */

/** undefined if there is none. */
export function timeoutOf(options: unknown): number | undefined {
  const timeoutMs = fieldOf(options, 'timeoutMs');
  return typeof timeoutMs === 'number' && !Number.isNaN(timeoutMs) ? timeoutMs : undefined;
}

/** A signal of ours that aborts when the caller's does. */
export interface FollowedSignal {
  readonly signal: AbortSignal;
  /** Stops listening to the caller's signal. */
  release(): void;
}

/**
 * Follows `options.signal`; undefined if there is none. Accepts any object with a signal's methods, as signals of another realm or
 * library are no instances of AbortSignal, so it may throw wherever it is touched.
 */
export function followSignal(options: unknown): FollowedSignal | undefined {
  const given = fieldOf(options, 'signal');
  if (typeof given !== 'object' || given === null) return undefined;
  const theirs = given as AbortSignal;
  const ours = new AbortController();
  const abort = (): void => ours.abort();
  quietly(() => {
    LISTENERS.add(theirs, abort);
    if (theirs.aborted) abort();
  });
  return { signal: ours.signal, release: () => quietly(() => LISTENERS.remove(theirs, abort)) };
}

function quietly(act: () => unknown): void {
  try {
    act();
  } catch {
    // An object that throws is not a signal.
  }
}
