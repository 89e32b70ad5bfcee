import { type Type } from '@nestjs/common';
import { types } from 'node:util';
import { type TrackContext } from '../../context/track-context.js';
import { fieldOf } from '../../shared/untrusted-values.js';

/** A failed call, as passed to callbacks of option `exceptions`. */
export type FailedCall = TrackContext<'error'>;

/** Errors that are not captured: a class, an expression for the message or name, or a function that returns true. */
export type IgnoreRule = Type | RegExp | ((error: unknown, call: FailedCall) => boolean);

/** The settings of an instance for unhandled errors. */
export interface ExceptionRules {
  /** The statuses of responses whose errors are captured. */
  readonly status: (status: number) => boolean;
  readonly ignore: readonly IgnoreRule[];
  readonly jobs: 'last_attempt' | 'every';
  readonly properties: ((call: FailedCall) => unknown) | undefined;
}

export function isIgnored(error: unknown, call: FailedCall, rule: IgnoreRule): boolean {
  // Not `test`, which keeps state in a global expression.
  if (types.isRegExp(rule)) return namesOf(error).some((name) => name.search(rule) >= 0);
  return isClass(rule) ? error instanceof rule : rule(error, call);
}

function namesOf(error: unknown): readonly string[] {
  if (typeof error === 'string') return [error];
  return [fieldOf(error, 'message'), fieldOf(error, 'name')].filter((name) => typeof name === 'string');
}

const isClass = (rule: Exclude<IgnoreRule, RegExp>): rule is Type =>
  rule === Error || rule.prototype instanceof Error || /^class\b/.test(Function.prototype.toString.call(rule));
