import { type Warn } from '../shared/unknown-fields.js';
import { contentOf, describe, idText, isNonBlank, quoteName, readField, setOwn } from '../shared/untrusted-values.js';

/** Group types and keys as events carry them. */
export type GroupKeys = Record<string, string>;

/** Completes "groups must be …". */
export const GROUPS_RULE = 'an object of group types and group keys, such as { company: "acme" }';

/** Further invalid groups are only counted. */
const MAX_NAMED = 5;
/** A project of PostHog has at most five group types. */
const MAX_GROUPS = 1000;

/** The string of an id (see `idText`); null for anything else and for a blank string. Never throws. */
export function groupKeyOf(value: unknown): string | null {
  const text = idText(value);
  return isNonBlank(text) ? text : null;
}

/**
 * The valid groups, with every key as a string. Warns of the others, which are left out. null for a value that is not an object; throws for a
 * proxy that throws.
 */
export function groupKeysOf(value: unknown, warn: Warn): GroupKeys | null {
  const given = contentOf(value);
  if (given === null) return null;
  const groups: GroupKeys = {};
  let taken = 0;
  let invalid = 0;
  for (const type in given) {
    if (!Object.hasOwn(given, type)) continue;
    if (taken + invalid === MAX_GROUPS) {
      warn(`only the first ${MAX_GROUPS} groups were read`);
      break;
    }
    const key = readField(given, type);
    const text = groupKeyOf(key);
    if (text !== null && type.trim() !== '') {
      setOwn(groups, type, text);
      taken += 1;
    } else {
      invalid += 1;
      if (invalid <= MAX_NAMED) warn(problemOf(type, key));
    }
  }
  if (invalid > MAX_NAMED) warn(`${invalid - MAX_NAMED} more groups were left out`);
  return groups;
}

function problemOf(type: string, key: unknown): string {
  const problem =
    type.trim() === ''
      ? 'the group type is blank'
      : `its key must be a non-blank string or a finite number, but it is ${describe(key)}`;
  return `group ${quoteName(type)} was left out: ${problem}`;
}
