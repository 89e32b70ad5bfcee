import { processSingleton } from '../../shared/process-singleton.js';
import { fieldOf } from '../../shared/untrusted-values.js';

export type Method = (this: unknown, ...args: unknown[]) => unknown;

/** The replaced methods of each class of Nest. They stay replaced, and do nothing for applications that do not observe errors. */
const replaced = processSingleton('replaced-methods', () => new WeakMap<object, Set<string>>());

/**
 * Replaces a method of a class of Nest, once per process.
 *
 * @param wrap makes the new method from the original one
 * @returns false if there is no such method, or if it cannot be replaced
 */
export function replaceMethod(prototype: unknown, name: string, wrap: (original: Method) => Method): boolean {
  const original = fieldOf(prototype, name);
  if (typeof prototype !== 'object' || prototype === null || typeof original !== 'function') return false;
  const names = replaced.get(prototype) ?? new Set<string>();
  if (names.has(name)) return true;
  const value = wrap(original as Method);
  if (!Reflect.defineProperty(prototype, name, { value, writable: true, configurable: true, enumerable: false }))
    return false;
  replaced.set(prototype, names.add(name));
  return true;
}
