import { types } from 'node:util';
import { describe, fieldOf, isMissing, isObject, numberText } from '../../shared/untrusted-values.js';
import { toJson } from '../../json/safe-json.js';
import { type StackFrame, stackFrames } from './stack-frames.js';

/** Maximum length of the list of causes, including the caught error. */
const MAX_ERRORS = 20;
/** Characters of a message. */
const MAX_MESSAGE_LENGTH = 8192;

/** Property names shown of an object that is too large to be shown itself. */
const MAX_NAMES = 20;

/** An entry of PostHog's `$exception_list`. */
export interface ExceptionEntry {
  readonly type: string;
  readonly value: string;
  /** `synthetic`: the thrown value is not an Error. */
  readonly mechanism: { readonly type: 'generic'; readonly handled: true; readonly synthetic: boolean };
  readonly stacktrace: { readonly type: 'raw'; readonly frames: StackFrame[] };
}

/** The properties of PostHog's `$exception` event. */
export interface ExceptionProperties {
  readonly $exception_list: ExceptionEntry[];
  readonly $exception_type: string;
  readonly $exception_message: string;
  readonly $exception_level: 'error';
}

/**
 * Describes any thrown value for PostHog's error tracking: the caught error first and its root cause last, each with its stack frames,
 * outermost call first. Never throws. At most 20 errors; messages are cut at 8192 characters.
 */
export function exceptionProperties(thrown: unknown): ExceptionProperties {
  const caught = exceptionEntry(thrown);
  const list = [caught];
  const seen = new Set([thrown]);
  let cause = causeOf(thrown);
  while (!isMissing(cause) && !seen.has(cause) && list.length < MAX_ERRORS) {
    seen.add(cause);
    list.push(exceptionEntry(cause));
    cause = causeOf(cause);
  }
  return {
    $exception_list: list,
    $exception_type: caught.type,
    $exception_message: caught.value,
    $exception_level: 'error',
  };
}

function exceptionEntry(thrown: unknown): ExceptionEntry {
  const message = fieldOf(thrown, 'message');
  const stack = fieldOf(thrown, 'stack');
  const synthetic = !isErrorLike(thrown, message, stack);
  const text = typeof message === 'string' ? message : '';
  return {
    type: synthetic ? 'Error' : typeOf(thrown),
    value: cut(synthetic ? textOf(thrown) : text),
    mechanism: { type: 'generic', handled: true, synthetic },
    stacktrace: { type: 'raw', frames: !synthetic && typeof stack === 'string' ? stackFrames(stack, text) : [] },
  };
}

/** An Error of any realm, or an object of a library that looks like one. */
function isErrorLike(thrown: unknown, message: unknown, stack: unknown): boolean {
  return types.isNativeError(thrown) || (typeof message === 'string' && typeof stack === 'string');
}

/** The error's name, or that of its class if the name is still `Error`, which all subclasses inherit. */
function typeOf(error: unknown): string {
  const name = fieldOf(error, 'name');
  if (typeof name === 'string' && name.trim() !== '' && name !== 'Error') return cut(name);
  const className = fieldOf(fieldOf(error, 'constructor'), 'name');
  return typeof className === 'string' && className !== '' && className !== 'Object' ? cut(className) : 'Error';
}

function causeOf(thrown: unknown): unknown {
  const isError = isErrorLike(thrown, fieldOf(thrown, 'message'), fieldOf(thrown, 'stack'));
  return isError ? fieldOf(thrown, 'cause') : undefined;
}

function textOf(thrown: unknown): string {
  try {
    if (typeof thrown === 'bigint') return numberText(thrown) ?? 'a bigint with too many digits to show';
    if (typeof thrown !== 'object' || thrown === null) return String(thrown);
    const message = fieldOf(thrown, 'message');
    if (typeof message === 'string' && message !== '') return message;
    const json = toJson(thrown, MAX_MESSAGE_LENGTH);
    if (json !== 'too_large') return json.text;
    // The property names of an array are its indices.
    if (!isObject(thrown)) return `${describe(thrown)} that is too large to show`;
    return `an object with ${Object.keys(thrown).slice(0, MAX_NAMES).join(', ')}`;
  } catch {
    return 'an object that cannot be read';
  }
}

function cut(text: string): string {
  return text.length > MAX_MESSAGE_LENGTH ? `${text.slice(0, MAX_MESSAGE_LENGTH - 1)}…` : text;
}
