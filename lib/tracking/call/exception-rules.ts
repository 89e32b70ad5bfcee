import { type Type } from '@nestjs/common';
import { types } from 'node:util';
import { type ExceptionOptions, type FailedCall, type IgnoreRule } from '../../options/exception-options.js';
import { fieldOf } from '../../shared/untrusted-values.js';

/** The settings of an instance for unhandled errors. */
export interface ExceptionRules {
  /** undefined: the statuses of failures of the server. */
  readonly status: ExceptionOptions['status'];
  readonly ignore: readonly IgnoreRule[];
  readonly jobs: 'last_attempt' | 'every';
  readonly properties: ExceptionOptions['properties'];
}

/** null: only the errors that the application captures itself. */
export function exceptionRulesOf(option: boolean | ExceptionOptions): ExceptionRules | null {
  if (option === false) return null;
  const { observe = true, status, ignore = [], jobs = 'last_attempt', properties } = option === true ? {} : option;
  return observe ? { status, ignore, jobs, properties } : null;
}

export function isIgnored(error: unknown, call: FailedCall, rule: IgnoreRule): boolean {
  // Not `test`, which keeps state in a global expression.
  if (types.isRegExp(rule)) return namesOf(error).some((name) => name.search(rule) >= 0);
  return isClass(rule) ? error instanceof rule : (rule as IgnoreFunction)(error, call);
}

function namesOf(error: unknown): readonly string[] {
  if (typeof error === 'string') return [error];
  return [fieldOf(error, 'message'), fieldOf(error, 'name')].filter((name) => typeof name === 'string');
}

type IgnoreFunction = (error: unknown, call: FailedCall) => boolean;

const isClass = (rule: Exclude<IgnoreRule, RegExp>): rule is Type =>
  rule === Error || rule.prototype instanceof Error || /^class\b/.test(Function.prototype.toString.call(rule));
