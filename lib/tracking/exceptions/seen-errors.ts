import { processSingleton } from '../../shared/process-singleton.js';
import { fieldOf } from '../../shared/untrusted-values.js';

/** The errors that the exception filters of resolvers got, and those that they have made of them. */
const seen = processSingleton('seen-errors', () => new WeakSet());

/** Errors that wrap each other, from the outermost. */
const MAX_WRAPPED = 10;

export function markSeen(error: unknown): void {
  if (typeof error === 'object' && error !== null) seen.add(error);
}

/** The original error behind an error of GraphQL, or undefined if exception filters have seen it. */
export function unseenOriginal(error: unknown): unknown {
  let original = error;
  for (let depth = 0; depth < MAX_WRAPPED; depth += 1) {
    if (typeof original === 'object' && original !== null && seen.has(original)) return undefined;
    const inner = fieldOf(original, 'originalError');
    if (inner === undefined || inner === null) return original;
    original = inner;
  }
  return original;
}
