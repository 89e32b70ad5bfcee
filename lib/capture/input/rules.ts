import { IsOptional, ValidateBy } from 'class-validator';
import { DISTINCT_ID_RULE, distinctIdOf, illegalDistinctIdWarning } from '../../context/distinct-id.js';
import { isEventName, MAX_EVENT_NAME_BYTES } from '../../context/event-name.js';
import { groupKeyOf, type GroupKeys, GROUPS_RULE, groupKeysOf } from '../../context/group-keys.js';
import { type Warn } from '../../shared/unknown-fields.js';
import {
  contentOf,
  describe,
  isMissing,
  isNonBlank,
  isObject,
  MAX_PROPERTIES,
  plainCopy,
} from '../../shared/untrusted-values.js';
import { EXCEPTION_LEVELS, type ExceptionLevel, levelOf } from '../exception/capture-boundary.js';
import { DEDUPE_KEY_RULE, dedupeKeyOf } from './dedupe-key.js';
import { givenSteps } from './given-steps.js';
import { type FlagValues, readFlags } from './read-flags.js';
import { TIMESTAMP_RULE, timestampOf } from './timestamp.js';

/** PostHog does not cut a longer key: it loses the group event. */
const MAX_GROUP_KEY_LENGTH = 400;
/** Names that one call may unset. Also bounds the work: a sparse array can be endless. */
const MAX_UNSET_NAMES = 1000;

type Properties = Record<string, unknown>;

/** A rule for a value: the check, the normalized value, and the message for a value that breaks the rule. */
export interface Rule<T = unknown> {
  /** class-validator's name for it. */
  readonly name: string;
  /** Returns the normalized value, or null if it breaks the rule; warns of a part that it leaves out. May throw for a hostile value,
   * which counts as broken.
   */
  readonly read: (value: unknown, warn: Warn) => T | null;
  /** Completes "… must be". A function writes the whole sentence. */
  readonly expected: string | ((value: unknown, field: string) => string);
  /** The warning about a value that breaks the rule and is replaced. */
  readonly replaced?: string;
  /** A warning about a value that follows the rule. */
  warning?(field: string, value: T): string | undefined;
}

const where =
  <T>(holds: (value: unknown) => value is T) =>
  (value: unknown): T | null =>
    holds(value) ? value : null;

const isString = (value: unknown): value is string => typeof value === 'string';
const isBoolean = (value: unknown): value is boolean => typeof value === 'boolean';

export const EVENT_NAME: Rule<string> = {
  name: 'isEventName',
  read: where(isEventName),
  expected: `a non-blank string of at most ${MAX_EVENT_NAME_BYTES} bytes, such as "order_placed"`,
};

export const DISTINCT_ID: Rule<string> = {
  name: 'isDistinctId',
  read: distinctIdOf,
  expected: DISTINCT_ID_RULE,
  warning: illegalDistinctIdWarning,
};

export const LEVEL: Rule<ExceptionLevel> = {
  name: 'isExceptionLevel',
  read: levelOf,
  expected: `one of ${EXCEPTION_LEVELS.join(', ')}`,
};

export const FINGERPRINT: Rule<string> = {
  name: 'isFingerprint',
  read: where(isNonBlank),
  expected: 'a string that is not blank',
};

export const EXCEPTION_STEPS: Rule<readonly unknown[]> = {
  name: 'isExceptionSteps',
  read: givenSteps,
  expected: 'an array of objects with a $message and a $timestamp: use step()',
};

/** Keeps the caller's object, unless it is a document: `buildEvent` copies it, so that it is read once. */
export const EVENT_PROPERTIES: Rule<Properties> = {
  name: 'isProperties',
  read: contentOf,
  // Counting the properties again would take as long as the first time.
  expected: (value, field) =>
    isObject(value)
      ? `${field} must be an object of at most ${MAX_PROPERTIES} properties, but it is larger, or its toJSON returns no object`
      : `${field} must be an object, but it is ${describe(value)}`,
};

/** Copies the caller's object. */
export const PROPERTIES: Rule<Properties> = {
  ...EVENT_PROPERTIES,
  read: (value) => copyOf(contentOf(value)),
};

/** posthog-node's `properties` of a person. */
export interface PersonProperties {
  /** undefined if `properties` has neither `$set` nor a property of its own. */
  readonly set: Properties | undefined;
  readonly setOnce: Properties | undefined;
  readonly anonDistinctId: unknown;
}

export const PERSON_PROPERTIES: Rule<PersonProperties> = {
  name: 'isPersonProperties',
  read: personPropertiesOf,
  expected: (value, field) =>
    isObject(value)
      ? `$set and $set_once in ${field} must be objects`
      : `${field} must be an object, but it is ${describe(value)}`,
};

export const PROPERTY_NAMES: Rule<string[]> = {
  name: 'isPropertyNames',
  read: propertyNamesOf,
  expected: `an array of at most ${MAX_UNSET_NAMES} non-blank property names`,
};

export const GROUPS: Rule<GroupKeys> = { name: 'isGroups', read: groupKeysOf, expected: GROUPS_RULE };

export const FLAGS: Rule<FlagValues> = {
  name: 'isEvaluatedFlags',
  read: readFlags,
  expected: 'the result of evaluateFlags()',
};

export const GROUP_TYPE: Rule<string> = {
  name: 'isText',
  read: where(isNonBlank),
  expected: 'a non-blank string',
};

export const GROUP_KEY: Rule<string> = {
  name: 'isGroupKey',
  read: (value) => {
    const key = groupKeyOf(value);
    return key !== null && key.length <= MAX_GROUP_KEY_LENGTH ? key : null;
  },
  expected: `a non-blank string or a finite number, at most ${MAX_GROUP_KEY_LENGTH} characters long`,
};

export const TIMESTAMP: Rule<string> = {
  name: 'isTimestamp',
  read: timestampOf,
  expected: TIMESTAMP_RULE,
};

export const DEDUPE_KEY: Rule<string> = { name: 'isDedupeKey', read: dedupeKeyOf, expected: DEDUPE_KEY_RULE };

/** PostHog merges events of one day only, so an event of now would be another row tomorrow. */
export const NO_DEDUPE_TIMESTAMP =
  'dedupeKey needs a timestamp that is the same each time, such as the time that the webhook states: set timestamp';

const UUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Lower case. */
export const UUID = {
  name: 'isUuidText',
  read: (value: unknown): string | null => {
    if (typeof value !== 'string') return null;
    const text = value.trim().toLowerCase();
    return UUID_TEXT.test(text) ? text : null;
  },
  expected: 'a uuid such as 0190b5c7-6a2e-7cc3-9f5e-4d2a1b3c5d6e',
  replaced: 'uuid is not a uuid and was replaced by a new one',
} satisfies Rule<string>;

export const BOOLEAN: Rule<boolean> = { name: 'isSwitch', read: where(isBoolean), expected: 'true or false' };
export const STRING: Rule<string> = { name: 'isString', read: where(isString), expected: 'a string' };

/** The normalized value; null if it breaks the rule. Never throws. */
export function readBy<T>({ read }: Rule<T>, value: unknown, warn: Warn = () => undefined): T | null {
  try {
    return read(value, warn);
  } catch {
    return null;
  }
}

/** The message about a value that breaks its rule. Never shows the value; never throws. */
export function problemOf({ expected }: Rule, field: string, value: unknown): string {
  if (typeof expected === 'string') return `${field} must be ${expected}, but it is ${describe(value)}`;
  try {
    return expected(value, field);
  } catch {
    return `${field} could not be read completely, because a getter or a proxy threw`;
  }
}

/** The rule as a decorator of class-validator, for the public DTOs. */
export function Follows(rule: Rule, presence: 'required' | 'optional'): PropertyDecorator {
  const follows = ValidateBy({
    name: rule.name,
    validator: {
      validate: (value) => readBy(rule, value) !== null,
      defaultMessage: (args) => problemOf(rule, args?.property ?? 'value', args?.value),
    },
  });
  if (presence === 'required') return follows;
  const isOptional = IsOptional();
  return (target, property) => {
    isOptional(target, property);
    follows(target, property);
  };
}

function personPropertiesOf(value: unknown): PersonProperties | null {
  const content = contentOf(value);
  if (content === null) return null;
  const { $set, $set_once, $anon_distinct_id: anonDistinctId, ...others } = plainCopy(content);
  const [set, setOnce] = [$set, $set_once].map((part) => (isMissing(part) ? undefined : copyOf(contentOf(part))));
  if (set === null || setOnce === null) return null;
  const own = Object.keys(others).length > 0 ? others : undefined;
  return { set: merged(own, set), setOnce, anonDistinctId };
}

const copyOf = (content: Properties | null): Properties | null => (content === null ? null : plainCopy(content));

/** `above` takes precedence; undefined if both are undefined. */
export function merged(below: Properties | undefined, above: Properties | undefined): Properties | undefined {
  return below !== undefined && above !== undefined ? { ...below, ...above } : (above ?? below);
}

function propertyNamesOf(value: unknown): string[] | null {
  if (!Array.isArray(value) || value.length > MAX_UNSET_NAMES) return null;
  const names: string[] = [];
  // By index, because a custom iterator may never end.
  for (let index = 0; index < value.length && index < MAX_UNSET_NAMES; index += 1) {
    const name: unknown = value[index];
    if (!isNonBlank(name)) return null;
    names.push(name);
  }
  return names;
}
