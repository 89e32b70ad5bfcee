import { fieldOf } from '../shared/untrusted-values.js';

/** The time limit of the invocation, by the context of Lambda among its arguments; Infinity if there is none. */
export function timeLeftMs(args: readonly unknown[]): number {
  for (const context of args) {
    const read = fieldOf(context, 'getRemainingTimeInMillis');
    if (typeof read !== 'function') continue;
    try {
      const leftMs: unknown = Reflect.apply(read, context, []);
      if (typeof leftMs === 'number' && !Number.isNaN(leftMs)) return leftMs;
    } catch {
      // A test double has no limit.
    }
  }
  return Infinity;
}
