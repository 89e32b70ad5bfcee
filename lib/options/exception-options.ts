import { types } from 'node:util';
import { type Abstract } from '@nestjs/common';
import { type TrackContext } from '../context/track-context.js';
import { type FieldRule, type FieldRules, nestedProblem, oneOf } from '../shared/field-rules.js';
import { hasOnly, isIntegerBetween, isSynchronousFunction, LONGEST_TIMER_MS, type Predicate } from './predicates.js';

/** Limit of the errors of one type. */
export interface ExceptionLimitOptions {
  /** Number of errors of one type that are captured at once. Default: 10. */
  burst?: number | undefined;
  /** Milliseconds after which one more is captured. Default: 10 000. */
  everyMs?: number | undefined;
}

/** A failed call, as passed to callbacks of option `exceptions`. */
export type FailedCall = TrackContext<'error'>;

/**
 * Errors that are not captured: a class, a regular expression that is tested against name and message, or a function that returns true.
 * Functions must be synchronous; if one throws, the error is captured.
 */
export type IgnoreRule = Abstract<unknown> | RegExp | ((error: unknown, call: FailedCall) => boolean);

/** Options of the errors that are captured. */
export interface ExceptionOptions {
  /**
   * false: unhandled errors are not captured, only those that the application passes to `captureException`. Default: true, where `exceptions` is
   * true or an object.
   */
  observe?: boolean | undefined;
  /** Returns true for the status of a response whose error is captured. Default: 500 and more. */
  status?: ((status: number) => boolean) | undefined;
  /** Unhandled errors that are not captured. Default: none. */
  ignore?: readonly IgnoreRule[] | undefined;
  /** The attempts of a job whose errors are captured: the last one, or every one. Default: `last_attempt`. */
  jobs?: 'last_attempt' | 'every' | undefined;
  /** Properties of an unhandled error. Must be synchronous; if it fails, the error is captured without them. Default: none. */
  properties?: ((call: FailedCall) => Record<string, unknown> | null | undefined) | undefined;
  /**
   * Delivers the events in memory, and the error itself, when an uncaught error ends the process. `store`: option `store` keeps them for the
   * next start. `child`: a child process sends them, which delays the exit by up to two seconds; it also sends events that the store cannot
   * keep. false: uncaught errors are not captured. Default: `store` if there is one, otherwise `child`.
   */
  crashes?: 'store' | 'child' | false | undefined;
  /**
   * false: stack frames have no lines of the source files. Frames of files whose source map is uploaded never have them.
   * Default: true.
   */
  sourceContext?: boolean | undefined;
  /** The limit of each type of error (its class); false: no limit. Errors beyond it are dropped as `rate_limited`. */
  limit?: ExceptionLimitOptions | false | undefined;
}

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
