import { sanitize } from './sanitize.js';

export type JsonText = { readonly text: string; readonly bytes: number } | 'too_large';

/** Nested objects and arrays, including the outermost. PostHog reads 128 levels, and a request adds some. */
export const MAX_LEVELS = 100;

/** JSON.stringify's form of what PostHog refuses or changes: lone surrogates and NUL. */
const UNFIT_ESCAPE = /\\u(?:d[89a-f]|0000)/;

/** Thrown to leave the fast path. */
const NEEDS_CARE = new Error('needs care');

interface Budget {
  /** Bytes that may still be written, estimated low: a value that exceeds it is certainly too large. */
  left: number;
  readonly ownLevels: number;
}

/**
 * Writes any value as JSON that PostHog accepts. Never throws. For plain values the result is that of JSON.stringify. Otherwise a lone
 * surrogate and NUL become U+FFFD, a bigint a string, a cycle `[Circular]`, a value that is nested too deep `[Truncated]`, an Error an
 * object of its name, message and stack, a Map an object, a Set or typed array an array, and a value that throws when it is read null.
 *
 * @param maxBytes UTF-8 bytes; also bounds the work, so an endless value is `too_large`
 * @param ownLevels levels of objects that the caller of this function made itself: they are changed in place instead of copied
 */
export function toJson(value: unknown, maxBytes: number, ownLevels = 0): JsonText {
  const budget = { left: maxBytes, ownLevels };
  const text = plainText(value, budget) ?? (budget.left < 0 ? null : sanitizedText(value, maxBytes));
  if (text === null || text.length > maxBytes) return 'too_large';
  const bytes = Buffer.byteLength(text);
  return bytes > maxBytes ? 'too_large' : { text, bytes };
}

/** The fast path, for nearly every event. null if the value needs `sanitize`, or is too large. */
function plainText(value: unknown, budget: Budget): string | null {
  try {
    const text = JSON.stringify(copyPlain(value, 1, budget)) as string | undefined;
    if (text === undefined) return null;
    return text.includes('\\u') && UNFIT_ESCAPE.test(text) ? null : text;
  } catch {
    return null;
  }
}

/** The result of `toJson` as a value. Never throws. */
export function cleanCopy(value: unknown, maxBytes: number): { readonly value: unknown } | 'too_large' {
  return sanitize(value, { maxLevels: MAX_LEVELS, maxBytes });
}

function sanitizedText(value: unknown, maxBytes: number): string | null {
  const clean = cleanCopy(value, maxBytes);
  return clean === 'too_large' ? null : JSON.stringify(clean.value);
}

/**
 * A copy that is safe for JSON.stringify, apart from the characters of its strings. Everything is read once: a getter or a proxy may
 * return something else, even something endless, the second time. Throws if the value needs `sanitize` or is too large.
 */
function copyPlain(value: unknown, level: number, budget: Budget): unknown {
  switch (typeof value) {
    case 'string':
      spend(budget, value.length + 2);
      return value;
    case 'number':
    case 'boolean':
    case 'undefined':
    case 'symbol':
      spend(budget, 1);
      return value;
    case 'object':
      spend(budget, 1);
      return value === null ? null : copyObject(value, level, budget);
    case 'bigint':
    case 'function':
      throw NEEDS_CARE;
  }
}

function copyObject(value: object, level: number, budget: Budget): unknown {
  const prototype: unknown = Object.getPrototypeOf(value);
  const { toJSON } = value as { toJSON?: unknown };
  if (prototype === Date.prototype) return copyDate(value as Date, toJSON, budget);
  // A cycle exceeds MAX_LEVELS as well.
  if (level > MAX_LEVELS || typeof toJSON === 'function') throw NEEDS_CARE;
  if (prototype === Array.prototype && Array.isArray(value)) return copyList(value, level, budget);
  if (prototype !== Object.prototype && prototype !== null) throw NEEDS_CARE;
  const record = value as Record<string, unknown>;
  const copy: Record<string, unknown> = level <= budget.ownLevels ? record : {};
  spend(budget, 1);
  // Object.keys() would cost more than all the rest; hasOwnProperty costs nothing if called this way.
  for (const name in record) {
    if (!Object.prototype.hasOwnProperty.call(record, name)) continue;
    // Assignment would set the prototype.
    if (name === '__proto__') throw NEEDS_CARE;
    const given = record[name];
    const item = typeof given === 'string' ? given : copyPlain(given, level + 1, budget);
    if (typeof given === 'string') spend(budget, name.length + given.length + 5);
    else if (item !== undefined && typeof item !== 'symbol') spend(budget, name.length + 3);
    if (copy !== record || item !== given) copy[name] = item;
  }
  return copy;
}

function copyList(list: readonly unknown[], level: number, budget: Budget): unknown[] {
  const copy: unknown[] = [];
  for (let index = 0; index < list.length; index += 1) {
    spend(budget, 1);
    copy.push(copyPlain(list[index], level + 1, budget));
  }
  return copy;
}

function copyDate(date: Date, toJSON: unknown, budget: Budget): string | null {
  const isCustom = toJSON !== Date.prototype.toJSON || date.toISOString !== Date.prototype.toISOString;
  if (isCustom) throw NEEDS_CARE;
  const text = date.toJSON() as string | null;
  spend(budget, text === null ? 3 : text.length + 1);
  return text;
}

function spend(budget: Budget, bytes: number): void {
  budget.left -= bytes;
  if (budget.left < 0) throw NEEDS_CARE;
}
