import { types } from 'node:util';
import { describe, isObject } from '../../shared/untrusted-values.js';
import { type Difference } from '../recording/expected-event.js';
import { type RecordedEvent } from '../recording/recording.js';

/** The captured error: its class, by name; a part of its message; or a regular expression that its message matches. */
export type ExpectedException = string | RegExp | (abstract new (...args: never) => object);

/** @throws TypeError */
export function checkExpectedException(caller: string, expected: unknown): void {
  if (expected === undefined || typeof expected === 'string' || isClass(expected) || types.isRegExp(expected)) return;
  const hint = isObject(expected) ? '. Pass the fields of the event as the second argument' : '';
  throw new TypeError(
    `${caller}: the error must be a class, a part of the message or a regular expression, but it is ${describe(expected)}${hint}`,
  );
}

/** Compares the first entry of `$exception_list`, which is the captured error; the others are its causes and members. */
export function differencesOfException({ properties }: RecordedEvent, expected?: ExpectedException): Difference[] {
  if (expected === undefined) return [];
  const list = properties.$exception_list;
  const { type, value } = Object(Array.isArray(list) ? list[0] : undefined) as { type?: unknown; value?: unknown };
  if (isClass(expected))
    return type === expected.name ? [] : [{ path: 'type', expected: expected.name, received: type }];
  const message = String(value);
  const isMatch = typeof expected === 'string' ? message.includes(expected) : message.search(expected) !== -1;
  return isMatch ? [] : [{ path: 'message', expected, received: value }];
}

const isClass = (value: unknown): value is abstract new (...args: never) => object => typeof value === 'function';
