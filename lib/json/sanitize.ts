import { types } from 'node:util';
import { readOrNull } from '../shared/untrusted-values.js';
import { storable } from './storable-text.js';

export interface SanitizeLimits {
  /** Nested objects and arrays, including the outermost. */
  readonly maxLevels: number;
  /** Of the copy as JSON, estimated low. */
  readonly maxBytes: number;
}

/** Left out of objects and null in arrays, like undefined in JSON. */
const NOTHING = Symbol('nothing');
/** An upper bound: a decimal digit holds 3.3 bits. */
const BITS_PER_DIGIT = 4;

class TooLarge extends Error {}

/**
 * A copy of any value in plain JSON types. Never throws: a value that throws when it is read becomes null.
 *
 * @returns `too_large` if the copy would exceed `maxBytes`
 */
export function sanitize(value: unknown, limits: SanitizeLimits): { readonly value: unknown } | 'too_large' {
  try {
    const copy = new Sanitizer(limits).copy(value, '', 1);
    return { value: copy === NOTHING ? null : copy };
  } catch {
    return 'too_large';
  }
}

class Sanitizer {
  readonly #ancestors = new Set<object>();
  readonly #maxLevels: number;
  #left: number;

  constructor({ maxLevels, maxBytes }: SanitizeLimits) {
    this.#maxLevels = maxLevels;
    this.#left = maxBytes;
  }

  copy(value: unknown, name: string, level: number): unknown {
    this.#spend(1);
    switch (typeof value) {
      case 'string':
        return this.#copyText(value);
      case 'number':
        return Number.isFinite(value) ? value : null;
      case 'boolean':
        return value;
      case 'bigint':
        return this.#copyBigInt(value);
      case 'object':
        return value === null ? null : this.#copyObject(value, name, level);
      case 'undefined':
      case 'function':
      case 'symbol':
        return NOTHING;
    }
  }

  /** A value that throws becomes null; the values around it are not affected. */
  #copyObject(value: object, name: string, level: number): unknown {
    if (this.#ancestors.has(value)) return this.#copyText('[Circular]');
    this.#ancestors.add(value);
    try {
      const written = jsonValueOf(value, name);
      if (typeof written !== 'object' || written === null) return this.copy(written, name, level);
      if (written !== value && this.#ancestors.has(written)) return this.#copyText('[Circular]');
      return level > this.#maxLevels ? this.#copyText('[Truncated]') : this.#copyContent(written, level + 1);
    } catch (error) {
      if (error instanceof TooLarge) throw error;
      return null;
    } finally {
      this.#ancestors.delete(value);
    }
  }

  #copyContent(value: object, level: number): unknown {
    if (types.isMap(value)) return this.#copyMap(value, level);
    if (types.isSet(value)) return Array.from(value, (item) => this.#copyItem(item, level));
    if (Array.isArray(value) || types.isTypedArray(value)) return this.#copyList(value, level);
    return this.#copyFields(value, isError(value) ? ['name', 'message', 'stack'] : Object.keys(value), level);
  }

  #copyFields(value: object, names: readonly string[], level: number): unknown {
    const copy = emptyRecord();
    this.#spend(1);
    for (const name of names) this.#put(copy, name, this.copy(readOrNull(value, name), name, level));
    return copy;
  }

  #copyMap(map: ReadonlyMap<unknown, unknown>, level: number): unknown {
    const copy = emptyRecord();
    this.#spend(1);
    for (const [key, item] of map) {
      const name = nameOf(key);
      this.#put(copy, name, this.copy(item, name, level));
    }
    return copy;
  }

  #copyList(list: ArrayLike<unknown>, level: number): unknown[] {
    const copy: unknown[] = [];
    for (let index = 0; index < list.length; index += 1) copy.push(this.#copyItem(readOrNull(list, index), level));
    return copy;
  }

  #copyItem(item: unknown, level: number): unknown {
    this.#spend(1);
    const copy = this.copy(item, '', level);
    return copy === NOTHING ? null : copy;
  }

  #put(copy: Record<string, unknown>, name: string, value: unknown): void {
    if (value === NOTHING) return;
    this.#spend(1);
    copy[this.#copyText(name)] = value;
  }

  #copyText(text: string): string {
    this.#spend(text.length + 1);
    return storable(text);
  }

  #copyBigInt(value: bigint): string {
    // Writing millions of digits takes seconds; asIntN finds out quickly that there are too many.
    if (BigInt.asIntN(this.#left * BITS_PER_DIGIT, value) !== value) throw new TooLarge();
    return this.#copyText(String(value));
  }

  #spend(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw new TooLarge();
  }
}

/**
 * The value that JSON.stringify would write for an object. `toJSON` of errors and typed arrays is not called: that of an HTTP client's
 * error would include its request with all its credentials, and a Buffer is to be an array of numbers like other typed arrays.
 */
function jsonValueOf(value: object, name: string): unknown {
  if (isError(value) || types.isTypedArray(value)) return value;
  const { toJSON } = value as { toJSON?: unknown };
  const written: unknown = typeof toJSON === 'function' ? Reflect.apply(toJSON, value, [name]) : value;
  if (!types.isBoxedPrimitive(written)) return written;
  if (types.isNumberObject(written)) return Number(written);
  if (types.isStringObject(written)) return String(written);
  return types.isSymbolObject(written) ? {} : written.valueOf();
}

/** A key of a Map as a property name. String() of an array could take up all memory. */
function nameOf(key: unknown): string {
  return Array.isArray(key) || ArrayBuffer.isView(key) ? Object.prototype.toString.call(key) : String(key);
}

function isError(value: object): value is Error {
  return types.isNativeError(value) || value instanceof Error;
}

/** Without a prototype, so that `__proto__` is a name like any other. */
function emptyRecord(): Record<string, unknown> {
  return Object.create(null) as Record<string, unknown>;
}
