import { sanitize } from './sanitize.js';

/** A value as JSON, or that it has more bytes than it may have. */
export type JsonText = { readonly text: string; readonly bytes: number } | 'too_large';

/** Objects and arrays within each other, counting the outermost. PostHog reads 128 levels, and a request adds some. */
export const MAX_LEVELS = 100;

/** How JSON.stringify writes what PostHog's parser refuses or its storage alters: lone surrogates and NUL. */
const UNFIT_ESCAPE = /\\u(?:d[89a-f]|0000)/;

/** Bytes that may still be written, counted low: what exceeds it is certainly too large. */
interface Budget {
  left: number;
}

/**
 * Writes a value as JSON that PostHog accepts, whatever the value is; never throws. What JSON cannot say is replaced: a
 * lone surrogate and NUL by U+FFFD, a bigint by its text, a cycle by `[Circular]`, what is nested too deep by
 * `[Truncated]`, an Error by its name, message and stack, a Map by an object, a Set or typed array by an array, and what
 * throws when it is read by null. For plain values the text is that of JSON.stringify.
 *
 * @param maxBytes UTF-8 bytes that the text may have; also bounds the work, so an endless value is `too_large`
 */
export function toJson(value: unknown, maxBytes: number): JsonText {
  const budget = { left: maxBytes };
  const text = plainText(value, budget) ?? (budget.left < 0 ? null : sanitizedText(value, maxBytes));
  if (text === null || text.length > maxBytes) return 'too_large';
  const bytes = Buffer.byteLength(text);
  return bytes > maxBytes ? 'too_large' : { text, bytes };
}

/** The quick way, which nearly every event goes. null when the value needs care, or is too large. */
function plainText(value: unknown, budget: Budget): string | null {
  try {
    if (!isPlain(value, 1, budget)) return null;
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) return null;
    return text.includes('\\u') && UNFIT_ESCAPE.test(text) ? null : text;
  } catch {
    return null;
  }
}

/** The careful way: a clean copy. */
function sanitizedText(value: unknown, maxBytes: number): string | null {
  const clean = sanitize(value, { maxLevels: MAX_LEVELS, maxBytes });
  return clean === 'too_large' ? null : JSON.stringify(clean.value);
}

/** Whether JSON.stringify writes this as it should be, apart from the characters of its texts. */
function isPlain(value: unknown, level: number, budget: Budget): boolean {
  switch (typeof value) {
    case 'string':
      budget.left -= value.length;
      return budget.left >= 0;
    case 'number':
    case 'boolean':
    case 'undefined':
    case 'symbol':
      budget.left -= 1;
      return budget.left >= 0;
    case 'object':
      return value === null || isPlainObject(value, level, budget);
    case 'bigint':
    case 'function':
      return false;
  }
}

function isPlainObject(value: object, level: number, budget: Budget): boolean {
  // A cycle gets here too.
  if (level > MAX_LEVELS) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Array.prototype && Array.isArray(value)) {
    for (let index = 0; index < value.length; index += 1) {
      if (!isPlain(value[index], level + 1, budget)) return false;
    }
    return true;
  }
  if (prototype === Date.prototype) return true;
  if (prototype !== Object.prototype && prototype !== null) return false;
  const record = value as Record<string, unknown>;
  for (const name in record) {
    const item = record[name];
    // Its answer would not have been looked at.
    if (name === 'toJSON' && typeof item === 'function') return false;
    if (item !== undefined) budget.left -= name.length;
    if (!isPlain(item, level + 1, budget)) return false;
  }
  return true;
}
