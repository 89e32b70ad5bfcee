import { didYouMean } from '../shared/did-you-mean.js';
import { isObject } from '../shared/untrusted-values.js';
import { type Predicate } from './predicates.js';

/** A field of an option that is an object. */
export interface NestedField {
  readonly isValid: Predicate;
  /** Completes "expected …: <field> to be …". */
  readonly text: string;
}

export type NestedFields = Readonly<Record<string, NestedField>>;

/** Completes "expected …" for an invalid object; null for a valid one. Fields that are undefined count as not given. */
export function nestedProblem(fields: NestedFields, expected: string, value: unknown): string | null {
  if (!isObject(value)) return expected;
  const problems = Object.entries(value).flatMap(([name, given]) => {
    if (given === undefined) return [];
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field !== undefined) return field.isValid(given) ? [] : [`${name} to be ${field.text}`];
    const meant = didYouMean(name, Object.keys(fields));
    return [meant === undefined ? expected : `${meant} in place of ${name}`];
  });
  return problems.length === 0 ? null : problems.join('; ');
}
