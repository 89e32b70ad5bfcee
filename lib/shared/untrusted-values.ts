import { types } from 'node:util';

/**
 * Functions that read values of the application without trusting them: a getter or a proxy may throw on any access. Used on input only
 * (arguments, contexts, results of callbacks, options); all other code gets plain values.
 */

/** The value of a field that throws when it is read. No rule accepts it. */
export const UNREADABLE = Symbol('unreadable');

/** A field of an input, or UNREADABLE if it throws or is a revoked proxy. Never throws. */
export function readField(input: object, field: string): unknown {
  try {
    return lookAt((input as Readonly<Record<string, unknown>>)[field]);
  } catch {
    return UNREADABLE;
  }
}

/** A field of any value; undefined if there is none or it throws. Never throws. */
export function fieldOf(value: unknown, field: string): unknown {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
  try {
    return Reflect.get(value, field);
  } catch {
    return undefined;
  }
}

/** Returns the value. Throws for a proxy that throws on `instanceof`, which class-validator uses. */
export function lookAt(value: unknown): unknown {
  if (value !== null && (typeof value === 'object' || typeof value === 'function')) Object.getPrototypeOf(value);
  return value;
}

/** Objects whose content is not in named properties: their JSON would be `{}`. */
const OTHER_OBJECTS: readonly (readonly [string, (value: unknown) => boolean])[] = [
  ['an array', Array.isArray],
  ['a Map', types.isMap],
  ['a Set', types.isSet],
  ['a WeakMap', types.isWeakMap],
  ['a WeakSet', types.isWeakSet],
  ['a Date', types.isDate],
  ['a RegExp', types.isRegExp],
  ['a promise', types.isPromise],
  ['an Error', types.isNativeError],
  ['a boxed primitive', types.isBoxedPrimitive],
  ['an ArrayBuffer', types.isAnyArrayBuffer],
  ['a typed array', (value) => ArrayBuffer.isView(value)],
];

/** A plain object, or an instance with fields of its own; no array, Map, Date, Error, … Never throws. */
export function isObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  try {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return true;
    return !OTHER_OBJECTS.some(([, isOther]) => isOther(value));
  } catch {
    // A proxy that was revoked, or throws.
    return false;
  }
}

/** PostHog stores about 1 MB of an event, and a property takes at least five bytes. Copying more would block for seconds. */
export const MAX_PROPERTIES = 200_000;

/** Completes "properties must be …". */
export const PROPERTIES_RULE = `an object of at most ${MAX_PROPERTIES} properties`;

/** False for a proxy that throws: it is left to the copy, which takes what it can. */
export function hasTooManyProperties(value: object): boolean {
  try {
    return Object.keys(value).length > MAX_PROPERTIES;
  } catch {
    return false;
  }
}

/**
 * The object whose fields are the content of a value: of an instance of a class with a method `toJSON` (a document of Mongoose or Sequelize)
 * its result. A literal's own `toJSON` is not called. null if the result is not an object, or has more than MAX_PROPERTIES. Never throws.
 */
export function contentOf(value: unknown): Record<string, unknown> | null {
  if (!isObject(value)) return null;
  const isDocument = !isLiteral(value) && typeof fieldOf(value, 'toJSON') === 'function';
  const content = isDocument ? callMethod(value, 'toJSON', '') : value;
  return isObject(content) && !hasTooManyProperties(content) ? content : null;
}

function isLiteral(value: object): boolean {
  try {
    const prototype: unknown = Object.getPrototypeOf(value);
    return prototype === Object.prototype || prototype === null;
  } catch {
    return false;
  }
}

/** Calls a method. undefined if there is none, and FAILED if it throws or returns a promise. Never throws. */
export function callMethod(target: object, name: string, ...args: unknown[]): unknown {
  const method = fieldOf(target, name);
  if (typeof method !== 'function') return undefined;
  return callSync(
    () => Reflect.apply(method, target, args) as unknown,
    undefined,
    () => undefined,
  );
}

export function isMissing(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

export function isNonBlank(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

/** True if the string has at most `maxBytes` bytes in UTF-8. */
export function fitsBytes(text: string, maxBytes: number): boolean {
  // A UTF-16 unit takes one to three bytes, so most strings need not be counted.
  return text.length * 3 <= maxBytes || (text.length <= maxBytes && Buffer.byteLength(text) <= maxBytes);
}

/** A bigint with more digits is not an id, and writing millions of digits takes seconds. */
const MAX_DIGITS = 400;
const TOO_MANY_DIGITS = 10n ** BigInt(MAX_DIGITS);

/** The digits of a finite number, or of a bigint of at most 400 digits; null for everything else. */
export function numberText(value: unknown): string | null {
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : null;
  return typeof value === 'bigint' && value < TOO_MANY_DIGITS && value > -TOO_MANY_DIGITS ? String(value) : null;
}

const ID_METHODS = ['toJSON', 'toHexString'];

/**
 * Converts an id to a string. Accepts strings, finite numbers, bigints, their boxed objects, and objects whose `toJSON` or `toHexString`
 * returns one of these (an ObjectId, a UUID object). null for everything else, such as a Date, whose use as
 * an id is a mistake. Never throws.
 */
export function idText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return typeof value === 'object' && value !== null ? idTextOf(value) : numberText(value);
}

function idTextOf(value: object): string | null {
  // Not `String(value)`: it may be overridden.
  if (types.isStringObject(value)) return String.prototype.valueOf.call(value);
  if (types.isNumberObject(value)) return numberText(Number.prototype.valueOf.call(value));
  if (types.isBigIntObject(value)) return numberText(BigInt.prototype.valueOf.call(value));
  // A Buffer would become an array of millions of numbers, and an error of an HTTP client shows its request.
  if (!isObject(value)) return null;
  for (const name of ID_METHODS) {
    const result = callMethod(value, name);
    const text = typeof result === 'string' ? result : numberText(result);
    if (text !== null) return text;
  }
  return null;
}

/** Type and size of a value, for the end of a sentence such as "but it is an array". Never shows the value; never throws. */
export function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (value === UNREADABLE) return 'a field that throws when it is read';
  if (typeof value === 'string') return value.trim() === '' ? 'blank' : `a string of ${Buffer.byteLength(value)} bytes`;
  if (typeof value === 'number') return Number.isFinite(value) ? 'a number' : 'not a finite number';
  if (typeof value !== 'object') return `a ${typeof value}`;
  if (types.isProxy(value)) return 'a proxy';
  if (types.isDate(value) && Number.isNaN(Date.prototype.getTime.call(value))) return 'an invalid Date';
  return OTHER_OBJECTS.find(([, isOther]) => isOther(value))?.[0] ?? 'an object';
}

/** The name of a field in quotes, cut, on one line. */
export function quoteName(name: string): string {
  return JSON.stringify(name.length > 60 ? `${name.slice(0, 60)}…` : name);
}

/** Sets a property of any name: plain assignment to `__proto__` would replace the prototype instead. */
export function setOwn(target: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') {
    Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
  } else {
    target[name] = value;
  }
}

/** Copies own properties one by one: a getter that throws leaves null and does not affect the others. Throws for a proxy that does. */
export function copyOwn(target: Record<string, unknown>, source: object): void {
  for (const name of Object.keys(source)) setOwn(target, name, readOrNull(source, name));
}

/** A property, or null where reading it throws. */
export function readOrNull(source: object, name: string | number): unknown {
  try {
    return Reflect.get(source, name);
  } catch {
    return null;
  }
}

/**
 * The own properties of anything in a fresh object: null for a getter that throws, and what could be read of a proxy that throws. Leaves
 * out a method `toJSON`, which would replace all the properties in JSON.
 */
export function plainCopy(value: unknown): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  try {
    if (typeof value === 'object' && value !== null) copyOwn(copy, value);
  } catch {
    // The properties read so far are kept.
  }
  if (typeof copy.toJSON === 'function') delete copy.toJSON;
  return copy;
}

/** The result of a failed callback; `onFailure` has been called. */
export const FAILED = Symbol('failed');

/**
 * Calls a callback of the application that must return synchronously. Never throws; a returned promise is ignored, even if it rejects.
 *
 * @param onFailure called before FAILED is returned
 */
export function callSync<T>(
  callback: (argument: T) => unknown,
  argument: T,
  onFailure: (problem: 'threw' | 'returned a promise', thrown?: unknown) => void,
): unknown {
  let failure: Parameters<typeof onFailure> = ['returned a promise'];
  try {
    const result = callback(argument);
    if (!types.isPromise(result)) return result;
    result.catch(() => undefined);
  } catch (error) {
    failure = ['threw', error];
  }
  onFailure(...failure);
  return FAILED;
}
