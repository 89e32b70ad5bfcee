import { types } from 'node:util';
import { toJson } from '../../json/safe-json.js';
import { describe, fieldOf, isMissing, isNonBlank, isObject, numberText } from '../../shared/untrusted-values.js';

/** Characters of a message. */
const MAX_MESSAGE_LENGTH = 8192;
/** Characters of a type. */
const MAX_TYPE_LENGTH = 256;
/** Property names shown of an object that is too large to be shown itself. */
const MAX_NAMES = 20;
/** Properties of an object that are searched for an Error. */
const MAX_SEARCHED = 20;
/** Prototypes that are searched for AggregateError. */
const MAX_PROTOTYPES = 100;

/** A member of an AggregateError that throws when it is read. */
export const UNREADABLE_MEMBER = Symbol('unreadable member');

/** An Error or DOMException of any realm, or an object that inherits from Error. Never throws. */
export function isError(value: unknown): value is Error {
  if (types.isNativeError(value)) return true;
  try {
    return value instanceof Error || Object.prototype.toString.call(value) === '[object DOMException]';
  } catch {
    return false;
  }
}

/** An object with the fields of an error, e.g. one that was sent as JSON. */
function isErrorLike(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const hasMessage = typeof fieldOf(value, 'message') === 'string';
  if (hasMessage && (isNonBlank(fieldOf(value, 'name')) || stackOf(value) !== undefined)) return true;
  return isNonBlank(fieldOf(value, 'type')) && typeof fieldOf(value, 'value') === 'string';
}

/** True for values whose `cause` is read. */
export const hasCause = (value: unknown): boolean => isError(value) || isErrorLike(value);

/**
 * The value to describe: for an object that is not an error, its first property that is an Error, as in posthog-node. Also `error` and
 * `reason` of an event object.
 */
export function unwrap(thrown: unknown): unknown {
  if (typeof thrown !== 'object' || thrown === null || isError(thrown) || isErrorLike(thrown)) return thrown;
  for (const name of [...ownNames(thrown), 'error', 'reason']) {
    const value = fieldOf(thrown, name);
    if (isError(value)) return value;
  }
  return thrown;
}

function ownNames(value: object): string[] {
  try {
    // The names of a typed array are millions of indices.
    if (Array.isArray(value)) return Array.from({ length: Math.min(value.length, MAX_SEARCHED) }, (_, n) => String(n));
    return isObject(value) ? Object.keys(value).slice(0, MAX_SEARCHED) : [];
  } catch {
    return [];
  }
}

/** The name of an error, or that of its class if the name is still `Error`, which all subclasses inherit. Does not read the stack of an Error. */
export function typeOf(thrown: unknown): string {
  const isReal = isError(thrown);
  if (!isReal && !isErrorLike(thrown)) return 'Error';
  const name = fieldOf(thrown, 'name');
  if (isNonBlank(name) && name !== 'Error') return cut(name, MAX_TYPE_LENGTH);
  const type = isReal ? undefined : fieldOf(thrown, 'type');
  if (isNonBlank(type) && !isNonBlank(name)) return cut(type, MAX_TYPE_LENGTH);
  const className = fieldOf(fieldOf(thrown, 'constructor'), 'name');
  return isNonBlank(className) && className !== 'Object' ? cut(className, MAX_TYPE_LENGTH) : 'Error';
}

export function messageOf(thrown: unknown): string {
  if (thrown === UNREADABLE_MEMBER) return 'an error that cannot be read';
  if (isError(thrown)) return cut(messageOfError(thrown), MAX_MESSAGE_LENGTH);
  const message = fieldOf(thrown, 'message');
  if (isNonBlank(message)) return cut(message, MAX_MESSAGE_LENGTH);
  if (!isErrorLike(thrown)) return cut(textOf(thrown), MAX_MESSAGE_LENGTH);
  const value = fieldOf(thrown, 'value');
  return typeof value === 'string' ? cut(value, MAX_MESSAGE_LENGTH) : '';
}

function messageOfError(error: Error): string {
  const message = fieldOf(error, 'message');
  if (isMissing(message)) return '';
  if (message !== '') return textOf(message);
  const members = membersOf(error);
  const first = members?.read(0);
  if (members === undefined || first === undefined) return '';
  const count = members.length === 1 ? '1 error' : `${members.length} errors; the first`;
  return `${count}: ${typeOf(first)}: ${isAggregate(first) ? '' : messageOf(first)}`;
}

/** The stack of an Error, or the text with which another object came. */
export function stackOf(thrown: unknown): string | undefined {
  if (isError(thrown)) {
    const stack = fieldOf(thrown, 'stack');
    return typeof stack === 'string' && stack !== '' ? stack : undefined;
  }
  if (typeof thrown !== 'object' || thrown === null) return undefined;
  return [fieldOf(thrown, 'stacktrace'), fieldOf(thrown, 'stack')].find(isNonBlank);
}

/** The members of an AggregateError. */
interface Members {
  /** Read once: a proxy may return something else the next time. */
  readonly length: number;
  /** Never throws. */
  read(index: number): unknown;
}

export function membersOf(error: unknown): Members | undefined {
  if (!isAggregate(error)) return undefined;
  const errors = fieldOf(error, 'errors');
  try {
    if (!Array.isArray(errors)) return undefined;
    const { length } = errors as { length: unknown };
    if (typeof length !== 'number' || !Number.isInteger(length) || length < 0) return undefined;
    return { length, read: (index) => readMember(errors, index) };
  } catch {
    return undefined;
  }
}

function readMember(errors: readonly unknown[], index: number): unknown {
  try {
    return errors[index];
  } catch {
    return UNREADABLE_MEMBER;
  }
}

/** By the names of the classes, which are the same in every realm. Many other errors have an `errors`, of anything. */
function isAggregate(value: unknown): boolean {
  if (!isError(value)) return false;
  try {
    let prototype: unknown = Object.getPrototypeOf(value);
    for (let depth = 0; depth < MAX_PROTOTYPES && prototype !== null; depth += 1) {
      if (fieldOf(fieldOf(prototype, 'constructor'), 'name') === 'AggregateError') return true;
      prototype = Object.getPrototypeOf(prototype);
    }
  } catch {
    // A proxy that throws.
  }
  return false;
}

function textOf(thrown: unknown): string {
  try {
    if (typeof thrown === 'bigint') return numberText(thrown) ?? 'a bigint with too many digits to show';
    if (typeof thrown !== 'object' || thrown === null) return String(thrown);
    const json = toJson(thrown, MAX_MESSAGE_LENGTH);
    if (json !== 'too_large') return json.text;
    // The property names of an array are its indices.
    if (!isObject(thrown)) return `${describe(thrown)} that is too large to show`;
    return `an object with ${Object.keys(thrown).slice(0, MAX_NAMES).join(', ')}`;
  } catch {
    return 'an object that cannot be read';
  }
}

export function cut(text: string, maxLength: number): string {
  return text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text;
}
