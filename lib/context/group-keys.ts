import { describe, isNonBlank, isObject, numberText, quoteName, setOwn } from '../shared/untrusted-values.js';

/** Group types and keys as events carry them. */
export type GroupKeys = Record<string, string>;

/** A non-blank string, or the digits of a finite number or a bigint; null for anything else. */
export function groupKeyOf(value: unknown): string | null {
  if (typeof value === 'string') return isNonBlank(value) ? value : null;
  return numberText(value);
}

/** Groups with every key as a string; null unless every type and key is valid. */
export function groupKeysOf(value: unknown): GroupKeys | null {
  if (!isObject(value)) return null;
  const groups: GroupKeys = {};
  for (const type of Object.keys(value)) {
    const key = groupKeyOf(value[type]);
    if (key === null || type.trim() === '') return null;
    setOwn(groups, type, key);
  }
  return groups;
}

/** Describes the first mistake in a value that `groupKeysOf` refuses; null if there is none. */
export function groupKeysProblem(value: unknown, field: string): string | null {
  const rule = 'must map group types to group keys, such as { company: "acme" }';
  if (!isObject(value)) return `${field} ${rule}, but it is ${describe(value)}`;
  for (const type of Object.keys(value)) {
    if (type.trim() === '') return `${field} ${rule}, but a group type is blank`;
    const key = value[type];
    if (groupKeyOf(key) === null) {
      return `${field} ${rule}, each a string or a finite number, but the key of ${quoteName(type)} is ${describe(key)}`;
    }
  }
  return null;
}
