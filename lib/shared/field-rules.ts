import { didYouMean } from './did-you-mean.js';
import { isObject } from './untrusted-values.js';

/** The rule of a field of an object that the application passes. */
export interface FieldRule {
  readonly isValid: (value: unknown) => boolean;
  /** Completes "must be …" and "expected … to be …". */
  readonly text: string | ((value: unknown) => string);
}

export type FieldRules = Readonly<Record<string, FieldRule>>;

export const fieldRuleOf = (rules: FieldRules, field: string): FieldRule | undefined =>
  Object.hasOwn(rules, field) ? rules[field] : undefined;

/** The text of a rule that the value breaks. */
export const expectedBy = ({ text }: FieldRule, value: unknown): string =>
  typeof text === 'string' ? text : text(value);

/** A value of a list, with a suggestion for a similar word. */
export function oneOf(...values: readonly unknown[]): FieldRule {
  const list = `one of ${values.join(', ')}`;
  const words = values.filter((value) => typeof value === 'string');
  return {
    isValid: (value) => values.includes(value),
    text: (value) => list + wordMeant(value, words),
  };
}

/** The end of a sentence that suggests a similar word; '' if there is none. */
export function wordMeant(value: unknown, words: readonly string[]): string {
  const meant = typeof value === 'string' ? didYouMean(value, words) : undefined;
  return meant === undefined ? '' : ` (did you mean ${meant}?)`;
}

/** Completes "expected …" for an invalid object; null for a valid one. Fields that are undefined count as not given. */
export function nestedProblem(rules: FieldRules, expected: string, value: unknown): string | null {
  if (!isObject(value)) return expected;
  const problems = Object.entries(value).flatMap(([name, given]) => {
    if (given === undefined) return [];
    const rule = fieldRuleOf(rules, name);
    if (rule !== undefined) return rule.isValid(given) ? [] : [`${name} to be ${expectedBy(rule, given)}`];
    const meant = didYouMean(name, Object.keys(rules));
    return [meant === undefined ? expected : `${meant} in place of ${name}`];
  });
  return problems.length === 0 ? null : problems.join('; ');
}
