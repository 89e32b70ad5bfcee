import { ValidateBy } from 'class-validator';
import { distinctIdOf, MAX_DISTINCT_ID_BYTES } from '../../context/distinct-id.js';
import { groupKeyOf, groupKeysOf, groupKeysProblem } from '../../context/group-keys.js';
import { describe, fitsBytes, isObject } from '../../shared/untrusted-values.js';
import { storable } from '../../json/storable-text.js';
import { timestampOf } from './timestamp.js';
import { uuidOf } from '../event/uuid.js';

/** PostHog drops an event whose name has more bytes of UTF-8 than this. */
export const MAX_EVENT_NAME_BYTES = 200;
/** PostHog cuts nothing here: a longer key loses the group event. */
export const MAX_GROUP_KEY_LENGTH = 400;
/** Names that one call may unset: a longer list is something else, and a sparse one could be endless. */
export const MAX_UNSET_NAMES = 1000;

/** Whether PostHog takes a value as the name of an event. */
export function isEventName(value: unknown): value is string {
  if (!isText(value) || value.length > MAX_EVENT_NAME_BYTES) return false;
  return fitsBytes(storable(value), MAX_EVENT_NAME_BYTES);
}

/** Whether a value is a text that is not blank. */
export function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

/** Whether a value is a bag of a person's properties, posthog-node's way: what it has as `$set` and `$set_once` are bags. */
export function isPersonBag(value: unknown): value is Record<string, unknown> {
  return isObject(value) && isMissingOrBag(value.$set) && isMissingOrBag(value.$set_once);
}

/** The property names in a list; null when it is no list, holds anything else, or is too long. */
export function propertyNamesOf(value: unknown): string[] | null {
  if (!Array.isArray(value) || value.length > MAX_UNSET_NAMES) return null;
  const names: string[] = [];
  // By index, as an iterator of its own need not end.
  for (let index = 0; index < value.length && index < MAX_UNSET_NAMES; index += 1) {
    const name: unknown = value[index];
    if (!isText(name)) return null;
    names.push(name);
  }
  return names;
}

/** Whether a value is a group key: a text that is not blank, or a number, and not too long. */
export function isGroupKey(value: unknown): boolean {
  return (groupKeyOf(value)?.length ?? Infinity) <= MAX_GROUP_KEY_LENGTH;
}

const isMissingOrBag = (value: unknown): boolean => value === undefined || value === null || isObject(value);

/** A rule that is a predicate, with the sentence that says what was expected and what came instead. What throws breaks it. */
function rule(
  name: string,
  holds: (value: unknown) => boolean,
  expected: string | ((value: unknown, field: string) => string),
): PropertyDecorator {
  const validate = (value: unknown): boolean => {
    try {
      return holds(value);
    } catch {
      return false;
    }
  };
  const defaultMessage = (args?: { property: string; value: unknown }): string => {
    const { property = 'value', value } = args ?? {};
    if (typeof expected === 'string') return `${property} must be ${expected}, but it is ${describe(value)}`;
    try {
      return expected(value, property);
    } catch {
      return `${property} could not be read to the end, because a getter or a proxy threw`;
    }
  };
  return ValidateBy({ name, validator: { validate, defaultMessage } });
}

/** A name that PostHog stores. */
export const IsEventName = (): PropertyDecorator =>
  rule(
    'isEventName',
    isEventName,
    `a text that is not blank, at most ${MAX_EVENT_NAME_BYTES} bytes long, such as "order_placed"`,
  );

/** A text or a finite number that names a person. */
export const IsDistinctId = (): PropertyDecorator =>
  rule(
    'isDistinctId',
    (value) => distinctIdOf(value) !== null,
    `a text that is not blank or a finite number, at most ${MAX_DISTINCT_ID_BYTES} bytes long`,
  );

/** An object of names and values, no list. */
export const IsProperties = (): PropertyDecorator => rule('isProperties', isObject, 'an object of names and values');

/** An object of names and values, in which `$set` and `$set_once` are such objects too. */
export const IsPersonBag = (): PropertyDecorator =>
  rule('isPersonBag', isPersonBag, (value, field) =>
    isObject(value)
      ? `$set and $set_once in ${field} must be objects of names and values`
      : `${field} must be an object of names and values, but it is ${describe(value)}`,
  );

/** A list of property names. */
export const IsPropertyNames = (): PropertyDecorator =>
  rule(
    'isPropertyNames',
    (value) => propertyNamesOf(value) !== null,
    `a list of at most ${MAX_UNSET_NAMES} property names, none of them blank`,
  );

/** An object of group types and keys. */
export const IsGroups = (): PropertyDecorator =>
  rule(
    'isGroups',
    (value) => groupKeysOf(value) !== null,
    (value, field) => groupKeysProblem(value, field) ?? '',
  );

/** true or false. */
export const IsSwitch = (): PropertyDecorator =>
  rule('isSwitch', (value) => typeof value === 'boolean', 'true or false');

/** A text that is not blank. */
export const IsText = (): PropertyDecorator => rule('isText', isText, 'a text that is not blank');

/** A Date or ISO 8601 text. */
export const IsTimestamp = (): PropertyDecorator =>
  rule(
    'isTimestamp',
    (value) => timestampOf(value) !== null,
    'a valid Date or an ISO 8601 text such as 2026-01-31T12:00:00Z',
  );

/** A uuid as text. */
export const IsUuidText = (): PropertyDecorator =>
  rule('isUuidText', (value) => uuidOf(value) !== null, 'a uuid such as 0190b5c7-6a2e-7cc3-9f5e-4d2a1b3c5d6e');

/** A group key, as text or number. */
export const IsGroupKey = (): PropertyDecorator =>
  rule(
    'isGroupKey',
    isGroupKey,
    `a text that is not blank or a finite number, at most ${MAX_GROUP_KEY_LENGTH} characters long`,
  );
