import { ValidateBy } from 'class-validator';
import { distinctIdOf, MAX_DISTINCT_ID_BYTES } from '../../context/distinct-id.js';
import { groupKeyOf, groupKeysOf, groupKeysProblem } from '../../context/group-keys.js';
import { describe, fitsBytes, isBag } from '../../context/untrusted-values.js';
import { timestampOf } from '../timestamp.js';
import { uuidOf } from '../uuid.js';

/** PostHog drops an event whose name has more bytes of UTF-8 than this. */
export const MAX_EVENT_NAME_BYTES = 200;
/** PostHog cuts nothing here: a longer key loses the group event. */
export const MAX_GROUP_KEY_LENGTH = 400;
/** Names that one call may unset: a longer list is something else, and a sparse one could be endless. */
export const MAX_UNSET_NAMES = 1000;

/** Whether PostHog takes a value as the name of an event. */
export function isEventName(value: unknown): value is string {
  return isText(value) && fitsBytes(value, MAX_EVENT_NAME_BYTES);
}

/** Whether a value is a text that is not blank. */
export function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

/** Whether a value is a bag of a person's properties, posthog-node's way: what it has as `$set` and `$set_once` are bags. */
export function isPersonBag(value: unknown): value is Record<string, unknown> {
  return isBag(value) && isMissingOrBag(value.$set) && isMissingOrBag(value.$set_once);
}

/** Whether a value is a list of property names. */
export function isPropertyNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= MAX_UNSET_NAMES && Array.from(value).every(isText);
}

const isMissingOrBag = (value: unknown): boolean => value === undefined || value === null || isBag(value);

/** A rule that is a predicate, with the sentence that says what was expected and what came instead. */
function rule(
  name: string,
  holds: (value: unknown) => boolean,
  expected: string | ((value: unknown, field: string) => string),
): PropertyDecorator {
  const defaultMessage = (args?: { property: string; value: unknown }): string => {
    const { property = 'value', value } = args ?? {};
    return typeof expected === 'string'
      ? `${property} must be ${expected}, but it is ${describe(value)}`
      : expected(value, property);
  };
  return ValidateBy({ name, validator: { validate: holds, defaultMessage } });
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
export const IsProperties = (): PropertyDecorator => rule('isProperties', isBag, 'an object of names and values');

/** An object of names and values, in which `$set` and `$set_once` are such objects too. */
export const IsPersonBag = (): PropertyDecorator =>
  rule('isPersonBag', isPersonBag, (value, field) =>
    isBag(value)
      ? `$set and $set_once in ${field} must be objects of names and values`
      : `${field} must be an object of names and values, but it is ${describe(value)}`,
  );

/** A list of property names. */
export const IsPropertyNames = (): PropertyDecorator =>
  rule('isPropertyNames', isPropertyNames, `a list of at most ${MAX_UNSET_NAMES} property names, none of them blank`);

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
    (value) => (groupKeyOf(value)?.length ?? Infinity) <= MAX_GROUP_KEY_LENGTH,
    `a text that is not blank or a finite number, at most ${MAX_GROUP_KEY_LENGTH} characters long`,
  );
