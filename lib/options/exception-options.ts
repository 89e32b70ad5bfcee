import { types } from 'node:util';
import { didYouMean } from '../shared/did-you-mean.js';
import { isObject } from '../shared/untrusted-values.js';
import { hasOnly, isIntegerBetween, isSynchronousFunction, LONGEST_TIMER_MS, type Predicate } from './predicates.js';

interface Field {
  readonly isValid: Predicate;
  /** Completes "exceptions.status must be …". */
  readonly text: string;
}

const isBoolean: Predicate = (value) => typeof value === 'boolean';
const SYNCHRONOUS_FUNCTION: Field = { isValid: isSynchronousFunction, text: 'a synchronous function' };
const BOOLEAN: Field = { isValid: isBoolean, text: 'true or false' };

/** The fields of option `exceptions`. */
const FIELDS: Readonly<Record<string, Field>> = {
  observe: BOOLEAN,
  status: SYNCHRONOUS_FUNCTION,
  ignore: {
    isValid: (value) => Array.isArray(value) && value.every((one) => isSynchronousFunction(one) || types.isRegExp(one)),
    text: 'an array of classes, regular expressions and synchronous functions',
  },
  jobs: { isValid: (value) => value === 'last_attempt' || value === 'every', text: '"last_attempt" or "every"' },
  properties: SYNCHRONOUS_FUNCTION,
  crashes: {
    isValid: (value) => value === 'store' || value === 'child' || value === false,
    text: '"store", "child" or false',
  },
  sourceContext: BOOLEAN,
  limit: {
    isValid: (value) =>
      value === false ||
      hasOnly({
        burst: isIntegerBetween(1, Number.MAX_SAFE_INTEGER),
        everyMs: isIntegerBetween(1, LONGEST_TIMER_MS),
      })(value),
    text: 'false, or an object with burst (1 or more errors) and everyMs (1 or more milliseconds)',
  },
};

export const EXPECTED_EXCEPTIONS = `true, false, or an object with ${Object.keys(FIELDS).join(', ')}`;

/** Completes "expected …" for an invalid value of option `exceptions`; null for a valid one. */
export function exceptionProblem(value: unknown): string | null {
  if (isBoolean(value)) return null;
  if (!isObject(value)) return EXPECTED_EXCEPTIONS;
  const problems = Object.entries(value).flatMap(([name, given]) => {
    if (given === undefined) return [];
    const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
    if (field !== undefined) return field.isValid(given) ? [] : [`${name} to be ${field.text}`];
    const meant = didYouMean(name, Object.keys(FIELDS));
    return [meant === undefined ? EXPECTED_EXCEPTIONS : `${meant} in place of ${name}`];
  });
  return problems.length === 0 ? null : problems.join('; ');
}
