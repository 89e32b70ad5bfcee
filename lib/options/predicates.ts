import { isObject } from '../shared/untrusted-values.js';

/** The longest delay of `setTimeout` in milliseconds; it fires a longer one immediately. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

export type Predicate = (value: unknown) => boolean;

export const optional =
  (isValid: Predicate): Predicate =>
  (value) =>
    value === undefined || isValid(value);

export const isIntegerBetween =
  (min: number, max: number): Predicate =>
  (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;

/** True for an object that has no other fields than these, each valid or undefined. */
export const hasOnly =
  (fields: Readonly<Record<string, Predicate>>): Predicate =>
  (value) =>
    isObject(value) &&
    Object.entries(value).every(([name, given]) => given === undefined || fields[name]?.(given) === true);

export const isFunction: Predicate = (value) => typeof value === 'function';
export const isSynchronousFunction: Predicate = (value) =>
  isFunction(value) && Object.prototype.toString.call(value) !== '[object AsyncFunction]';
export const hasMethods = (value: unknown, ...methods: string[]): boolean =>
  isObject(value) && methods.every((method) => isFunction(value[method]));
