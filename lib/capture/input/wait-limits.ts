/**
 * The options of calls that wait. They may be anything, and these calls never reject: what cannot be read, or makes no sense, is as
 * good as missing.
 */

/** The `timeoutMs` among the options; undefined when there is none. */
export function timeoutOf(options: unknown): number | undefined {
  const timeoutMs = read(options, 'timeoutMs');
  return typeof timeoutMs === 'number' && !Number.isNaN(timeoutMs) ? timeoutMs : undefined;
}

/** A signal of ours that aborts when the caller's does. */
export interface FollowedSignal {
  readonly signal: AbortSignal;
  /** Lets go of the caller's signal. */
  release(): void;
}

/**
 * Follows the `signal` among the options; undefined when there is none. Any object with a signal's methods is followed, one of
 * another realm or library as well, so it is an imitation that may throw wherever it is touched.
 */
export function followSignal(options: unknown): FollowedSignal | undefined {
  const given = read(options, 'signal');
  if (typeof given !== 'object' || given === null) return undefined;
  const theirs = given as AbortSignal;
  const ours = new AbortController();
  const abort = (): void => ours.abort();
  quietly(() => {
    theirs.addEventListener('abort', abort, { once: true });
    if (theirs.aborted) abort();
  });
  return { signal: ours.signal, release: () => quietly(() => theirs.removeEventListener('abort', abort)) };
}

function read(options: unknown, name: string): unknown {
  let value: unknown;
  quietly(() => (value = (options as Record<string, unknown> | null | undefined)?.[name]));
  return value;
}

function quietly(act: () => unknown): void {
  try {
    act();
  } catch {
    // Whoever handed over something that throws has not said anything.
  }
}
