import { types } from 'node:util';

/** What application code hands over, looked at without trusting it: a getter or a proxy may throw wherever it is touched. */

/** Stands for a field that throws when it is read. No rule takes it. */
export const UNREADABLE = Symbol('unreadable');

/** A field of an input, or UNREADABLE, also where it is a proxy that cannot even be looked at. Never throws. */
export function readField(input: object, field: string): unknown {
  try {
    return lookAt((input as Readonly<Record<string, unknown>>)[field]);
  } catch {
    return UNREADABLE;
  }
}

/** A field of any value; undefined where there is none, or where a getter or a proxy throws. Never throws. */
export function fieldOf(value: unknown, field: string): unknown {
  try {
    return typeof value === 'object' && value !== null ? Reflect.get(value, field) : undefined;
  } catch {
    return undefined;
  }
}

/** Returns the value. Throws for a proxy that cannot be looked at, as `instanceof` would later, in class-validator as anywhere else. */
export function lookAt(value: unknown): unknown {
  if (value !== null && (typeof value === 'object' || typeof value === 'function')) Object.getPrototypeOf(value);
  return value;
}

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

/** Whether a value is an object of names and values: a plain object or an instance with fields, no list, Map, Date or the like. Never throws. */
export function isObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  try {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return true;
    return !HOLDS_NO_NAMED_VALUES.some((isOther) => isOther(value));
  } catch {
    // A proxy that was revoked, or wants to tell nothing.
    return false;
  }
}

/** Whether the text has at most so many bytes in UTF-8. */
export function fitsBytes(text: string, maxBytes: number): boolean {
  // A UTF-16 unit takes one to three bytes, so most texts need not be counted.
  return text.length * 3 <= maxBytes || (text.length <= maxBytes && Buffer.byteLength(text) <= maxBytes);
}

/** A bigint that has more digits is no id of anything; writing millions of them takes seconds. */
const MAX_DIGITS = 400;
const TOO_MANY_DIGITS = 10n ** BigInt(MAX_DIGITS);

/** The text of a finite number, or of a bigint of at most 400 digits; null for everything else. */
export function numberText(value: unknown): string | null {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : null;
  return typeof value === 'bigint' && value < TOO_MANY_DIGITS && value > -TOO_MANY_DIGITS ? String(value) : null;
}

/** What a value is, by type and size, for the end of a sentence such as "but it is an array". Never shows the value; never throws. */
export function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (value === UNREADABLE) return 'something that throws when it is read';
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

/**
 * A bag's own properties in a fresh object: a getter that throws costs its own value, a hostile proxy what it does not tell. A
 * function `toJSON` is left out as JSON leaves out functions: among the properties it would speak for all of them.
 */
export function readable(bag: unknown): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  try {
    if (typeof bag === 'object' && bag !== null) copyOwn(copy, bag);
  } catch {
    // What was read so far stays.
  }
  if (typeof copy.toJSON === 'function') delete copy.toJSON;
  return copy;
}

/** Result of a callback that failed, of which `onFailure` has been notified. */
export const FAILED = Symbol('failed');

/**
 * Calls a callback of the application that must return synchronously. Never throws; a returned promise is ignored, even if it rejects.
 *
 * @param onFailure called with the end of a sentence, e.g. "threw", when the result is FAILED
 */
export function callSync<T>(
  callback: (argument: T) => unknown,
  argument: T,
  onFailure: (problem: string) => void,
): unknown {
  let problem = 'returned a promise, but it must be synchronous';
  try {
    const result = callback(argument);
    if (!types.isPromise(result)) return result;
    result.catch(() => undefined);
  } catch {
    problem = 'threw';
  }
  onFailure(problem);
  return FAILED;
}
