import { types } from 'node:util';

/**
 * What application code hands over, looked at without trusting it. A getter or a proxy may throw from any of these
 * but `describe`: whoever reads input catches once, around everything.
 */

/** Objects that hold their content elsewhere than in named properties, and would be sent as `{}`. */
const HOLDS_NO_NAMED_VALUES: readonly ((value: unknown) => boolean)[] = [
  Array.isArray,
  types.isMap,
  types.isSet,
  types.isWeakMap,
  types.isWeakSet,
  types.isDate,
  types.isRegExp,
  types.isPromise,
  types.isNativeError,
  types.isBoxedPrimitive,
  types.isAnyArrayBuffer,
  (value) => ArrayBuffer.isView(value),
];

/** Whether a value is an object of names and values: a plain object or an instance with fields, no list, Map, Date or the like. */
export function isBag(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  return !HOLDS_NO_NAMED_VALUES.some((isOther) => isOther(value));
}

/** Surrogates without their other half (the `u` flag takes a pair for one character), and NUL. */
const UNFIT = /[\p{Surrogate}\0]+/gu;
const REPLACEMENT = '\uFFFD';

/** A text as PostHog takes and stores it: each lone surrogate, for which it refuses a whole request, and each NUL is U+FFFD. */
export function storable(text: string): string {
  return text.replace(UNFIT, (unfit) => REPLACEMENT.repeat(unfit.length));
}

/** Whether the text has at most so many bytes in UTF-8. */
export function fitsBytes(text: string, maxBytes: number): boolean {
  // A UTF-16 unit takes one to three bytes, so most texts need not be counted.
  return text.length * 3 <= maxBytes || (text.length <= maxBytes && Buffer.byteLength(text) <= maxBytes);
}

/** What a value is, by type and size, for the end of a sentence such as "but it is an array". Never shows the value; never throws. */
export function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (typeof value === 'string') return value.trim() === '' ? 'blank' : `a text of ${Buffer.byteLength(value)} bytes`;
  if (typeof value === 'number') return Number.isFinite(value) ? 'a number' : 'not a finite number';
  if (typeof value !== 'object') return `a ${typeof value}`;
  if (types.isProxy(value)) return 'a proxy';
  if (types.isDate(value)) return Number.isNaN(Date.prototype.getTime.call(value)) ? 'an invalid Date' : 'a Date';
  return Array.isArray(value) ? 'an array' : 'an object';
}

/** The name of a field in quotes, cut, on one line. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
}

/**
 * Writes a property that may have any name: plain assignment to `__proto__` would replace the prototype instead.
 */
export function setOwn(target: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') {
    Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
  } else {
    target[name] = value;
  }
}

/** Copies the own properties of a bag one by one, so that a getter that throws costs its own value (null) and no other. */
export function copyOwn(target: Record<string, unknown>, source: object): void {
  for (const name of Object.keys(source)) setOwn(target, name, valueOf(source, name));
}

function valueOf(source: object, name: string): unknown {
  try {
    return Reflect.get(source, name);
  } catch {
    return null;
  }
}

/** A bag's own properties in a fresh object: a getter that throws costs its own value, a hostile proxy what it does not tell. */
export function readable(bag: unknown): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  try {
    if (typeof bag === 'object' && bag !== null) copyOwn(copy, bag);
  } catch {
    // What was read so far stays.
  }
  return copy;
}
