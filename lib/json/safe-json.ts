import { sanitize } from './sanitize.js';

/** A value as JSON, or that it has more bytes than it may have. */
export type JsonText = { readonly text: string; readonly bytes: number } | 'too_large';

/** Objects and arrays within each other, counting the outermost. PostHog reads 128 levels, and a request adds some. */
export const MAX_LEVELS = 100;

/** How JSON.stringify writes what PostHog's parser refuses or its storage alters: lone surrogates and NUL. */
const UNFIT_ESCAPE = /\\u(?:d[89a-f]|0000)/;

/** Thrown inside of here where a value needs care. */
const NEEDS_CARE = new Error('needs care');

/** What a copy may do. */
interface Budget {
  /** Bytes that may still be written, counted low: what exceeds it is certainly too large. */
  left: number;
  readonly ownLevels: number;
}

/**
 * Writes a value as JSON that PostHog accepts, whatever the value is; never throws. What JSON cannot say is replaced: a
 * lone surrogate and NUL by U+FFFD, a bigint by its text, a cycle by `[Circular]`, what is nested too deep by
 * `[Truncated]`, an Error by its name, message and stack, a Map by an object, a Set or typed array by an array, and what
 * throws when it is read by null. For plain values the text is that of JSON.stringify.
 *
 * @param maxBytes UTF-8 bytes that the text may have; also bounds the work, so an endless value is `too_large`
 * @param ownLevels so many levels of objects were made by the caller and are nobody else's: they are changed instead of copied
 */
export function toJson(value: unknown, maxBytes: number, ownLevels = 0): JsonText {
  const budget = { left: maxBytes, ownLevels };
  const text = plainText(value, budget) ?? (budget.left < 0 ? null : sanitizedText(value, maxBytes));
  if (text === null || text.length > maxBytes) return 'too_large';
  const bytes = Buffer.byteLength(text);
  return bytes > maxBytes ? 'too_large' : { text, bytes };
}

/** The quick way, which nearly every event goes. null when the value needs care, or is too large. */
function plainText(value: unknown, budget: Budget): string | null {
  try {
    const text = JSON.stringify(copyPlain(value, 1, budget)) as string | undefined;
    if (text === undefined) return null;
    return text.includes('\\u') && UNFIT_ESCAPE.test(text) ? null : text;
  } catch {
    return null;
  }
}

/** What `toJson` would write, as a value; never throws. */
export function cleanCopy(value: unknown, maxBytes: number): { readonly value: unknown } | 'too_large' {
  return sanitize(value, { maxLevels: MAX_LEVELS, maxBytes });
}

/** The careful way: a clean copy. */
function sanitizedText(value: unknown, maxBytes: number): string | null {
  const clean = cleanCopy(value, maxBytes);
  return clean === 'too_large' ? null : JSON.stringify(clean.value);
}

/**
 * A copy that JSON.stringify writes as it should be, apart from the characters of its texts. Everything is read once: a getter or
 * a proxy may answer something else, without end, when it is asked again. Throws where that takes more care, or more bytes.
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
  // A cycle gets too deep as well.
  if (level > MAX_LEVELS || typeof toJSON === 'function') throw NEEDS_CARE;
  if (prototype === Array.prototype && Array.isArray(value)) return copyList(value, level, budget);
  if (prototype !== Object.prototype && prototype !== null) throw NEEDS_CARE;
  const record = value as Record<string, unknown>;
  const copy: Record<string, unknown> = level <= budget.ownLevels ? record : {};
  spend(budget, 1);
  // A list of the names would cost more than all the rest; what is asked of each costs nothing in this spelling.
  for (const name in record) {
    if (!Object.prototype.hasOwnProperty.call(record, name)) continue;
    // Assigned, it would be no name.
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
  const speaksForItself = toJSON !== Date.prototype.toJSON || date.toISOString !== Date.prototype.toISOString;
  if (speaksForItself) throw NEEDS_CARE;
  const text = date.toJSON() as string | null;
  spend(budget, text === null ? 3 : text.length + 1);
  return text;
}

function spend(budget: Budget, bytes: number): void {
  budget.left -= bytes;
  if (budget.left < 0) throw NEEDS_CARE;
}
