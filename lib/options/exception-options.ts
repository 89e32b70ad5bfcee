import { types } from 'node:util';
import { type FieldRule, type FieldRules, nestedProblem, oneOf } from '../shared/field-rules.js';
import { hasOnly, isIntegerBetween, isSynchronousFunction, LONGEST_TIMER_MS, type Predicate } from './predicates.js';

const isBoolean: Predicate = (value) => typeof value === 'boolean';
const SYNCHRONOUS_FUNCTION: FieldRule = { isValid: isSynchronousFunction, text: 'a synchronous function' };
const BOOLEAN: FieldRule = { isValid: isBoolean, text: 'true or false' };

/** The fields of option `exceptions`. */
const FIELDS: FieldRules = {
  observe: BOOLEAN,
  status: SYNCHRONOUS_FUNCTION,
  ignore: {
    isValid: (value) => Array.isArray(value) && value.every((one) => isSynchronousFunction(one) || types.isRegExp(one)),
    text: 'an array of classes, regular expressions and synchronous functions',
  },
  jobs: oneOf('last_attempt', 'every'),
  properties: SYNCHRONOUS_FUNCTION,
  crashes: oneOf('store', 'child', false),
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
  return nestedProblem(FIELDS, EXPECTED_EXCEPTIONS, value);
}
