import {
  type AliasInput,
  type CaptureEvent,
  type ExceptionDetails,
  type GroupIdentifyInput,
  type IdentifyInput,
  type SetPersonPropertiesInput,
  type UnsetPersonPropertiesInput,
} from '../capture-event.js';
import { type CaptureEventOptions } from '../../events/event-envelope.js';
import { INGESTION_SWITCHES } from '../../wire/ingestion-switches.js';
import {
  BOOLEAN,
  DEDUPE_KEY,
  DISTINCT_ID,
  EVENT_NAME,
  EVENT_PROPERTIES,
  FINGERPRINT,
  FLAGS,
  GROUP_KEY,
  GROUP_TYPE,
  GROUPS,
  LEVEL,
  PERSON_PROPERTIES,
  PROPERTIES,
  PROPERTY_NAMES,
  type Rule,
  STRING,
  TIMESTAMP,
  UUID,
} from './rules.js';

/** `replaceable`: a value that breaks the rule is replaced or left out, with a warning, and the event still goes. */
type Presence = 'required' | 'optional' | 'replaceable';

/** A field of an input and its rule. */
export interface Field<T = unknown, P extends Presence = Presence> {
  readonly rule: Rule<T>;
  readonly presence: P;
}

/** Every field of an input, in the order of its problems. */
export type Fields = Readonly<Record<string, Field>>;

/** The normalized values of the fields. */
export type Values<F extends Fields> = {
  readonly [Name in keyof F]: F[Name] extends Field<infer T, infer P>
    ? 'required' extends P
      ? T
      : T | undefined
    : never;
};

const required = <T>(rule: Rule<T>): Field<T, 'required'> => ({ rule, presence: 'required' });
const optional = <T>(rule: Rule<T>): Field<T, 'optional'> => ({ rule, presence: 'optional' });

const replaceable = <T>(rule: Rule<T>): Field<T, 'replaceable'> => ({ rule, presence: 'replaceable' });

/** Fields of `capture()` that the other calls take as well. */
const DETAILS = {
  timestamp: optional(TIMESTAMP),
  uuid: replaceable(UUID),
  disableGeoip: optional(BOOLEAN),
};

/** `options.productTourId` and the other switches. */
export const OPTION_FIELDS = Object.fromEntries(
  INGESTION_SWITCHES.map(({ field, type }) => [
    field,
    optional<boolean | string>(type === 'string' ? STRING : BOOLEAN),
  ]),
) as Record<keyof CaptureEventOptions, Field<boolean | string>>;

/** `capture()`. */
export const EVENT_FIELDS = {
  event: required(EVENT_NAME),
  distinctId: optional(DISTINCT_ID),
  properties: optional(EVENT_PROPERTIES),
  groups: optional(GROUPS),
  flags: replaceable(FLAGS),
  ...DETAILS,
  /** Its own fields: OPTION_FIELDS. */
  options: optional(EVENT_PROPERTIES),
  /** Needs a timestamp as well: see NO_DEDUPE_TIMESTAMP. */
  dedupeKey: optional(DEDUPE_KEY),
  $set: replaceable(PROPERTIES),
  $set_once: replaceable(PROPERTIES),
  $unset: replaceable(PROPERTY_NAMES),
} satisfies Record<keyof CaptureEvent, Field>;

export const IDENTIFY_FIELDS = {
  distinctId: required(DISTINCT_ID),
  set: optional(PROPERTIES),
  setOnce: optional(PROPERTIES),
  anonDistinctId: optional(DISTINCT_ID),
  properties: optional(PERSON_PROPERTIES),
  ...DETAILS,
} satisfies Record<keyof IdentifyInput, Field>;

export const ALIAS_FIELDS = {
  distinctId: required(DISTINCT_ID),
  alias: required(DISTINCT_ID),
  ...DETAILS,
} satisfies Record<keyof AliasInput, Field>;

export const GROUP_IDENTIFY_FIELDS = {
  groupType: required(GROUP_TYPE),
  groupKey: required(GROUP_KEY),
  set: optional(PROPERTIES),
  distinctId: optional(DISTINCT_ID),
  properties: optional(PROPERTIES),
  ...DETAILS,
} satisfies Record<keyof GroupIdentifyInput, Field>;

export const SET_PERSON_PROPERTIES_FIELDS = {
  distinctId: required(DISTINCT_ID),
  set: optional(PROPERTIES),
  setOnce: optional(PROPERTIES),
  properties: optional(PERSON_PROPERTIES),
  propertiesOnce: optional(PROPERTIES),
  ...DETAILS,
} satisfies Record<keyof SetPersonPropertiesInput, Field>;

export const UNSET_PERSON_PROPERTIES_FIELDS = {
  distinctId: required(DISTINCT_ID),
  unset: optional(PROPERTY_NAMES),
  properties: optional(PROPERTY_NAMES),
  ...DETAILS,
} satisfies Record<keyof UnsetPersonPropertiesInput, Field>;

/** The second argument of `captureException()`. */
export const EXCEPTION_FIELDS = {
  distinctId: optional(DISTINCT_ID),
  properties: optional(PROPERTIES),
  level: replaceable(LEVEL),
  fingerprint: replaceable(FINGERPRINT),
  ...DETAILS,
} satisfies Record<keyof ExceptionDetails, Field>;

/** Its third and fourth arguments, which are those of posthog-node. */
export const EXCEPTION_ARGUMENTS = { properties: optional(PROPERTIES), uuid: replaceable(UUID) };
