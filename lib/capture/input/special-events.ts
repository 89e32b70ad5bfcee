import { distinctIdOf, illegalDistinctIdWarning } from '../../context/distinct-id.js';
import { type Warn } from '../../shared/unknown-fields.js';
import { describe, isMissing, isObject } from '../../shared/untrusted-values.js';
import { type CaptureBoundary, MANUAL } from '../exception/capture-boundary.js';
import { RATE_LIMITED, type Thrown } from '../exception/exceptions.js';
import { unwrap } from '../exception/thrown-value.js';
import {
  ALIAS_FIELDS,
  EXCEPTION_ARGUMENTS,
  EXCEPTION_FIELDS,
  type Fields,
  GROUP_IDENTIFY_FIELDS,
  IDENTIFY_FIELDS,
  SET_PERSON_PROPERTIES_FIELDS,
  UNSET_PERSON_PROPERTIES_FIELDS,
  type Values,
} from './input-fields.js';
import { readInput, valuesOf } from './read-input.js';
import { merged } from './rules.js';
import { type Checked, needsProfile, NO_WARNINGS, refuse, type SourceEvent } from './source-event.js';

type Properties = Record<string, unknown>;

/** Maximum length of a generated distinct id of a group: it fits even with three bytes per character. */
const MAX_GROUP_ID_LENGTH = 64;

export function checkIdentify(input: unknown): Checked {
  return check('$identify', input, IDENTIFY_FIELDS, (given, warn) => {
    const set = merged(given.properties?.set, given.set);
    const setOnce = merged(given.properties?.setOnce, given.setOnce);
    const anonymousId = given.anonDistinctId ?? anonymousIdOf(given.properties?.anonDistinctId, warn);
    if (anonymousId === given.distinctId)
      warn('anonDistinctId is the distinctId itself, so PostHog has nothing to merge');
    return special('$identify', given, {
      ...(set && { $set: set }),
      ...(setOnce && { $set_once: setOnce }),
      ...(anonymousId !== undefined && { $anon_distinct_id: anonymousId }),
    });
  });
}

/** PostHog cannot undo a merge, so the two ids are never swapped. */
export function checkAlias(input: unknown): Checked {
  return check('$create_alias', input, ALIAS_FIELDS, (given, warn) => {
    const { distinctId, alias } = given;
    if (alias === distinctId) warn('alias is the distinctId itself, so PostHog has nothing to merge');
    return special('$create_alias', given, { distinct_id: distinctId, alias });
  });
}

export function checkGroupIdentify(input: unknown): Checked {
  return check('$groupidentify', input, GROUP_IDENTIFY_FIELDS, (given) => {
    const { groupType, groupKey } = given;
    // PostHog's own convention, cut where PostHog would drop the event.
    const groupId = `$${groupType}_${groupKey}`;
    const ownId = distinctIdOf(groupId) ?? distinctIdOf(groupId.slice(0, MAX_GROUP_ID_LENGTH)) ?? '';
    const set = { ...given.properties, ...given.set };
    const properties = { $group_type: groupType, $group_key: groupKey, $group_set: set };
    return special('$groupidentify', { ...given, distinctId: given.distinctId ?? ownId }, properties);
  });
}

export function checkSetPersonProperties(input: unknown): Checked {
  return check('$set', input, SET_PERSON_PROPERTIES_FIELDS, (given) => {
    const set = merged(given.properties?.set, given.set);
    const setOnce = merged(merged(given.propertiesOnce, given.properties?.setOnce), given.setOnce);
    const properties = {
      ...(hasSome(set) && { $set: set }),
      ...(hasSome(setOnce) && { $set_once: setOnce }),
    };
    if (!hasSome(properties)) return 'set or setOnce must have at least one property';
    return special('$set', given, properties);
  });
}

export function checkUnsetPersonProperties(input: unknown): Checked {
  return check('$set', input, UNSET_PERSON_PROPERTIES_FIELDS, (given) => {
    const names = [...(given.unset ?? []), ...(given.properties ?? [])];
    return names.length === 0 ? 'unset must name at least one property' : special('$set', given, { $unset: names });
  });
}

/** An error beyond the limit. Its arguments are not checked, because that takes longer than all else. */
export const SUPPRESSED: Checked = { ok: false, event: '$exception', problem: RATE_LIMITED, reason: 'rate_limited' };

/**
 * `$exception`. The error is described later, and only if the limit lets it pass.
 *
 * @param error anything that was thrown
 * @param input the details, or a distinct id as in posthog-node
 * @param more posthog-node's third argument: properties
 * @param uuid posthog-node's fourth argument
 * @param calledFrom the method that the application called
 */
export function checkException(
  error: unknown,
  input?: unknown,
  more?: unknown,
  uuid?: unknown,
  calledFrom?: Thrown['calledFrom'],
): Checked {
  const details = distinctIdOf(input) === null ? (input ?? {}) : { distinctId: input };
  return check('$exception', details, EXCEPTION_FIELDS, (given, warn) => {
    const rest = valuesOf(EXCEPTION_ARGUMENTS, { properties: more, uuid }, warn);
    if ('problem' in rest) return rest.problem;
    const { values } = rest;
    const { level, fingerprint } = given;
    const thrown: Thrown = { error: unwrap(error), boundary: MANUAL, level, fingerprint, calledFrom };
    const properties = { ...given.properties, ...values.properties };
    return { ...special('$exception', { ...given, uuid: values.uuid ?? given.uuid }, properties), thrown };
  });
}

const NO_STAMPS: Stamps = { distinctId: undefined, timestamp: undefined, uuid: undefined, disableGeoip: undefined };

/** `$exception` of an error that this package has observed. */
export function checkCaught(error: unknown, boundary: CaptureBoundary, properties: Properties): Checked {
  const thrown: Thrown = {
    error: unwrap(error),
    boundary,
    level: undefined,
    fingerprint: undefined,
    calledFrom: undefined,
  };
  return { ok: true, source: { ...special('$exception', NO_STAMPS, properties), thrown }, warnings: NO_WARNINGS };
}

/**
 * Checks one input. Never throws.
 *
 * @param build returns the event, or a problem that is not one of a single field
 */
function check<F extends Fields>(
  event: string,
  input: unknown,
  fields: F,
  build: (given: Values<F>, warn: Warn) => SourceEvent | string,
): Checked {
  if (!isObject(input)) return refuse(event, `the input must be an object, but it is ${describe(input)}`);
  const warnings: string[] = [];
  const warn: Warn = (warning) => void warnings.push(warning);
  const read = valuesOf(fields, readInput(input, Object.keys(fields), warn), warn);
  const built = 'problem' in read ? read.problem : build(read.values, warn);
  if (typeof built === 'string') return refuse(event, built);
  return { ok: true, source: built, warnings: warnings.length > 0 ? warnings : NO_WARNINGS };
}

/** `$anon_distinct_id` in posthog-node's `properties`, where an invalid id does not refuse the call. */
function anonymousIdOf(value: unknown, warn: Warn): string | undefined {
  if (isMissing(value)) return undefined;
  const id = distinctIdOf(value);
  const warning =
    id === null
      ? `anonDistinctId is not a distinct id: it is ${describe(value)}; it was left out`
      : illegalDistinctIdWarning('anonDistinctId', id);
  if (warning !== undefined) warn(warning);
  return id ?? undefined;
}

const hasSome = (properties: Properties | undefined): boolean =>
  properties !== undefined && Object.keys(properties).length > 0;

/** The fields of an input that are those of its event. */
type Stamps = Pick<SourceEvent, 'timestamp' | 'uuid' | 'disableGeoip'> & { readonly distinctId: string | undefined };

function special(
  event: string,
  { distinctId, timestamp, uuid, disableGeoip }: Stamps,
  properties: Properties,
): SourceEvent {
  return {
    event,
    distinctId,
    properties,
    groups: undefined,
    flags: undefined,
    timestamp,
    uuid,
    disableGeoip,
    switches: undefined,
    root: undefined,
    definition: undefined,
    thrown: undefined,
    needsProfile: needsProfile(event),
    isBare: false,
  };
}
