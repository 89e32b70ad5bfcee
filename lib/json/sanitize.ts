import { types } from 'node:util';
import { storable } from './storable-text.js';

/** How much of a value is written. */
export interface SanitizeLimits {
  /** Objects and arrays within each other, counting the outermost. */
  readonly maxLevels: number;
  /** Every name and value costs at least what it takes as JSON. */
  readonly maxBytes: number;
}

/** Left out of objects and null in arrays, as JSON does with undefined. */
const NOTHING = Symbol('nothing');
/** The most bits that a decimal digit holds. */
const BITS_PER_DIGIT = 4;

class TooLarge extends Error {}

/**
 * A copy of a value that holds nothing but what JSON can say. Never throws: what throws when it is read becomes null.
 *
 * @returns `too_large` when the copy would exceed its limits
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
  private readonly ancestors = new Set<object>();
  private left: number;

  constructor(private readonly limits: SanitizeLimits) {
    this.left = limits.maxBytes;
  }

  copy(value: unknown, name: string, level: number): unknown {
    this.spend(1);
    switch (typeof value) {
      case 'string':
        return this.copyText(value);
      case 'number':
        return Number.isFinite(value) ? value : null;
      case 'boolean':
        return value;
      case 'bigint':
        return this.copyBigInt(value);
      case 'object':
        return value === null ? null : this.copyObject(value, name, level);
      case 'undefined':
      case 'function':
      case 'symbol':
        return NOTHING;
    }
  }

  /** What throws while it is read costs this value and nothing around it. */
  private copyObject(value: object, name: string, level: number): unknown {
    if (this.ancestors.has(value)) return this.copyText('[Circular]');
    this.ancestors.add(value);
    try {
      const meant = meantBy(value, name);
      if (typeof meant !== 'object' || meant === null) return this.copy(meant, name, level);
      if (meant !== value && this.ancestors.has(meant)) return this.copyText('[Circular]');
      return level > this.limits.maxLevels ? this.copyText('[Truncated]') : this.copyContent(meant, level + 1);
    } catch (error) {
      if (error instanceof TooLarge) throw error;
      return null;
    } finally {
      this.ancestors.delete(value);
    }
  }

  private copyContent(value: object, level: number): unknown {
    if (types.isMap(value)) return this.copyMap(value, level);
    if (types.isSet(value)) return Array.from(value, (item) => this.copyItem(item, level));
    if (Array.isArray(value) || types.isTypedArray(value)) return this.copyList(value, level);
    return this.copyFields(value, isError(value) ? ['name', 'message', 'stack'] : Object.keys(value), level);
  }

  private copyFields(value: object, names: readonly string[], level: number): unknown {
    const copy = emptyRecord();
    this.spend(1);
    for (const name of names) this.put(copy, name, this.copy(read(value, name), name, level));
    return copy;
  }

  private copyMap(map: ReadonlyMap<unknown, unknown>, level: number): unknown {
    const copy = emptyRecord();
    this.spend(1);
    for (const [key, item] of map) {
      const name = nameOf(key);
      this.put(copy, name, this.copy(item, name, level));
    }
    return copy;
  }

  private copyList(list: ArrayLike<unknown>, level: number): unknown[] {
    const copy: unknown[] = [];
    for (let index = 0; index < list.length; index += 1) copy.push(this.copyItem(read(list, index), level));
    return copy;
  }

  private copyItem(item: unknown, level: number): unknown {
    this.spend(1);
    const copy = this.copy(item, '', level);
    return copy === NOTHING ? null : copy;
  }

  private put(copy: Record<string, unknown>, name: string, value: unknown): void {
    if (value === NOTHING) return;
    this.spend(1);
    copy[this.copyText(name)] = value;
  }

  private copyText(text: string): string {
    this.spend(text.length + 1);
    return storable(text);
  }

  private copyBigInt(value: bigint): string {
    // Writing out millions of digits takes seconds; finding out that there are so many does not.
    if (BigInt.asIntN(this.left * BITS_PER_DIGIT, value) !== value) throw new TooLarge();
    return this.copyText(String(value));
  }

  private spend(bytes: number): void {
    this.left -= bytes;
    if (this.left < 0) throw new TooLarge();
  }
}

/**
 * What JSON takes an object for. Errors and typed arrays do not speak for themselves: an HTTP client's error would tell its
 * request with all its credentials, and a Buffer is an array of numbers like any other.
 */
function meantBy(value: object, name: string): unknown {
  if (isError(value) || types.isTypedArray(value)) return value;
  const { toJSON } = value as { toJSON?: unknown };
  const meant: unknown = typeof toJSON === 'function' ? Reflect.apply(toJSON, value, [name]) : value;
  if (!types.isBoxedPrimitive(meant)) return meant;
  if (types.isNumberObject(meant)) return Number(meant);
  if (types.isStringObject(meant)) return String(meant);
  return types.isSymbolObject(meant) ? {} : meant.valueOf();
}

/** A key of a Map as a name. A list as a key could be as long as the rest of the memory. */
function nameOf(key: unknown): string {
  return Array.isArray(key) || ArrayBuffer.isView(key) ? Object.prototype.toString.call(key) : String(key);
}

function isError(value: object): value is Error {
  return types.isNativeError(value) || value instanceof Error;
}

function read(value: object, key: string | number): unknown {
  try {
    return Reflect.get(value, key);
  } catch {
    return null;
  }
}

/** Without a prototype, so that a name such as `__proto__` is a name like any other. */
function emptyRecord(): Record<string, unknown> {
  return Object.create(null) as Record<string, unknown>;
}
