import { types } from 'node:util';
import { describe, isObject, numberText } from '../../shared/untrusted-values.js';
import { toJson } from '../../json/safe-json.js';
import { type StackFrame, stackFrames } from './stack-frames.js';

/** The caught error and its causes. */
const MAX_ERRORS = 20;
/** Characters of a message. */
const MAX_MESSAGE_LENGTH = 8192;

/** Names of an object that is too large to be shown. */
const MAX_NAMES = 20;

/** One error in PostHog's `$exception_list`. */
export interface ExceptionEntry {
  readonly type: string;
  readonly value: string;
  /** `synthetic`: what was thrown is no Error. */
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
 * Describes whatever was thrown as PostHog's error tracking wants it: the caught error first and its root cause last, each
 * with its calls, the outermost first. Never throws. At most 20 errors; messages are cut at 8192 characters.
 */
export function exceptionProperties(thrown: unknown): ExceptionProperties {
  const caught = describeThrown(thrown);
  const list = [caught];
  const seen = new Set([thrown]);
  let cause = causeOf(thrown);
  while (isPresent(cause) && !seen.has(cause) && list.length < MAX_ERRORS) {
    seen.add(cause);
    list.push(describeThrown(cause));
    cause = causeOf(cause);
  }
  return {
    $exception_list: list,
    $exception_type: caught.type,
    $exception_message: caught.value,
    $exception_level: 'error',
  };
}

function describeThrown(thrown: unknown): ExceptionEntry {
  const message = read(thrown, 'message');
  const stack = read(thrown, 'stack');
  const synthetic = !isErrorLike(thrown, message, stack);
  const text = typeof message === 'string' ? message : '';
  return {
    type: synthetic ? 'Error' : typeOf(thrown),
    value: cut(synthetic ? textOf(thrown) : text),
    mechanism: { type: 'generic', handled: true, synthetic },
    stacktrace: { type: 'raw', frames: !synthetic && typeof stack === 'string' ? stackFrames(stack, text) : [] },
  };
}

/** An Error of this realm or another one, or what a library throws in its place. */
function isErrorLike(thrown: unknown, message: unknown, stack: unknown): boolean {
  return types.isNativeError(thrown) || (typeof message === 'string' && typeof stack === 'string');
}

/** The error's name, or that of its class when it kept the name `Error` which all subclasses inherit. */
function typeOf(error: unknown): string {
  const name = read(error, 'name');
  if (typeof name === 'string' && name.trim() !== '' && name !== 'Error') return cut(name);
  const className = read(read(error, 'constructor'), 'name');
  return typeof className === 'string' && className !== '' && className !== 'Object' ? cut(className) : 'Error';
}

function causeOf(thrown: unknown): unknown {
  const isError = isErrorLike(thrown, read(thrown, 'message'), read(thrown, 'stack'));
  return isError ? read(thrown, 'cause') : undefined;
}

function textOf(thrown: unknown): string {
  try {
    if (typeof thrown === 'bigint') return numberText(thrown) ?? 'a bigint of too many digits to be shown';
    if (typeof thrown !== 'object' || thrown === null) return String(thrown);
    const message = read(thrown, 'message');
    if (typeof message === 'string' && message !== '') return message;
    const json = toJson(thrown, MAX_MESSAGE_LENGTH);
    if (json !== 'too_large') return json.text;
    // The names of a list are its indices, each a text of its own.
    if (!isObject(thrown)) return `${describe(thrown)} that is too large to be shown`;
    return `an object with ${Object.keys(thrown).slice(0, MAX_NAMES).join(', ')}`;
  } catch {
    return 'an object that cannot be read';
  }
}

/** A getter may throw, and so may a proxy. */
function read(from: unknown, name: string): unknown {
  if ((typeof from !== 'object' && typeof from !== 'function') || from === null) return undefined;
  try {
    return Reflect.get(from, name);
  } catch {
    return undefined;
  }
}

function cut(text: string): string {
  return text.length > MAX_MESSAGE_LENGTH ? `${text.slice(0, MAX_MESSAGE_LENGTH - 1)}…` : text;
}

const isPresent = (value: unknown): boolean => value !== undefined && value !== null;
