import { isObject } from '../../../shared/untrusted-values.js';
import { type JsonObject } from '../../event-input.js';

/** A line of another product, as the fields of a line of this command. */
export interface MappedLine {
  readonly input: JsonObject;
  /** Merges this anonymous id into the person of the line. Sent as an event of its own, once per pair of ids. */
  readonly anonymousId?: string | undefined;
}

/** The export format of a product. */
export interface SourceFormat {
  /** Returns true for the path of a value that identifies a person, a group or an event, and must not change. */
  readonly isId: (path: readonly string[]) => boolean;
  /** Returns a sentence for a line that cannot be mapped. The uuid is missing if the line has no id of its own. */
  readonly map: (line: JsonObject) => MappedLine | string;
}

/** Copies fields under other names. null, undefined and '' count as missing. */
export function renamed(from: unknown, names: Readonly<Record<string, string>>): JsonObject {
  const copy: JsonObject = {};
  if (!isObject(from)) return copy;
  for (const [name, target] of Object.entries(names)) {
    const value = Object.hasOwn(from, name) ? from[name] : undefined;
    if (isGiven(value)) copy[target] = value;
  }
  return copy;
}

export const isGiven = (value: unknown): boolean => value !== undefined && value !== null && value !== '';

export const objectOf = (value: unknown): JsonObject => (isObject(value) ? value : {});

/** An id as the product shows it: a string or a number. */
export function idOf(...candidates: readonly unknown[]): string | undefined {
  for (const one of candidates) {
    if (typeof one === 'string' && one !== '') return one;
    if (typeof one === 'number') return String(one);
  }
  return undefined;
}

/** Without the names that the target has under another name. */
export function without(from: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(from).filter(([name]) => !names.includes(name)));
}
