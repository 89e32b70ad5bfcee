import { distinctIdOf } from '../../context/distinct-id.js';
import { cleanCopy } from '../../json/safe-json.js';
import { type Warn } from '../../shared/unknown-fields.js';
import { fieldOf, hasTooManyProperties, isObject } from '../../shared/untrusted-values.js';
import { INGESTION_SWITCHES } from '../../wire/ingestion-switches.js';
import { type PostHogEvent } from '../../wire/posthog-event.js';
import {
  BOOLEAN,
  EXCEPTION_STEPS,
  GROUP_KEY,
  GROUPS,
  GROUP_TYPE,
  problemOf,
  PROPERTIES,
  PROPERTY_NAMES,
  readBy,
  type Rule,
  STRING,
} from './rules.js';
import { needsProfile } from './source-event.js';

type Properties = Record<string, unknown>;

/** Properties that PostHog interprets. With a wrong type, PostHog ignores the property or the event, or refuses the whole batch. */
const RESERVED = new Map<string, Rule>([
  ...INGESTION_SWITCHES.map(({ property, type }) => [property, type === 'string' ? STRING : BOOLEAN] as const),
  ['$set', PROPERTIES],
  ['$set_once', PROPERTIES],
  ['$unset', PROPERTY_NAMES],
  ['$groups', GROUPS],
  ['$group_set', PROPERTIES],
  ['$group_type', GROUP_TYPE],
  ['$group_key', GROUP_KEY],
  ['$exception_steps', EXCEPTION_STEPS],
]);
const DOLLAR = '$'.charCodeAt(0);

export interface ReservedSettings {
  /** A larger object is kept as it is, because its event will be too large. */
  readonly maxEventBytes: number;
}

/** Deletes reserved properties of a wrong type, with a warning; in place. Never throws. */
export function correctReserved(properties: Properties, { maxEventBytes }: ReservedSettings, warn: Warn): void {
  for (const name in properties) {
    // Nearly all names belong to the application, so this is faster than looking up each reserved name.
    const rule = name.charCodeAt(0) === DOLLAR ? RESERVED.get(name) : undefined;
    const value = rule && properties[name];
    if (rule === undefined || value === undefined) continue;
    const clean = cleanValue(value, rule, maxEventBytes);
    const kept = rule === PROPERTIES ? clean : readBy(rule, clean, warn);
    if (kept !== null) {
      properties[name] = kept;
      continue;
    }
    Reflect.deleteProperty(properties, name);
    warn(`${problemOf(rule, `property "${name}"`, value)}; it was left out`);
  }
}

/** The value as its JSON will be, where a rule checks the content of it. */
function cleanValue(value: unknown, rule: Rule, maxBytes: number): unknown {
  if (rule === PROPERTIES || rule === GROUPS) return cleanObject(value, rule, maxBytes);
  if (rule !== EXCEPTION_STEPS) return value;
  const copy = cleanCopy(value, maxBytes);
  return copy === 'too_large' ? null : copy.value;
}

/**
 * A copy of an object as its JSON will be, or the object itself if it is too large; null if its JSON is not an object, or if it has too many
 * properties to be read.
 */
function cleanObject(value: unknown, rule: Rule, maxBytes: number): Properties | null {
  if (isObject(value) && hasTooManyProperties(value)) return null;
  // Of groups, all that JSON leaves out is to be named in a warning.
  if (rule === GROUPS && isObject(value) && typeof fieldOf(value, 'toJSON') !== 'function') return value;
  const clean = cleanCopy(value, maxBytes);
  const content = clean === 'too_large' ? value : clean.value;
  return isObject(content) ? content : null;
}

/** The problem of an event that lacks a property; null if there is none. May complete the properties. */
type FindProblem = (event: PostHogEvent, maxBytes: number) => string | null;

const REQUIRED: ReadonlyMap<string, FindProblem> = new Map([
  ['$create_alias', aliasProblem],
  ['$groupidentify', groupProblem],
  ['$exception', exceptionProblem],
]);

/**
 * The reason why PostHog would accept one of its own events (`$identify`, `$create_alias`, …) and then ignore it; null if it would not.
 * Such events may come from `capture` or `beforeSend` without the properties that the special calls set. May complete the properties.
 */
export function requiredProblem(event: PostHogEvent, maxBytes: number): string | null {
  if (!event.event.startsWith('$')) return null;
  if (needsProfile(event.event) && event.properties.$process_person_profile === false)
    return 'PostHog ignores this event if $process_person_profile is false';
  return REQUIRED.get(event.event)?.(event, maxBytes) ?? null;
}

function aliasProblem({ distinct_id: distinctId, properties }: PostHogEvent): string | null {
  const alias = distinctIdOf(properties.alias);
  if (alias === null) return 'property "alias" must be the other id of the person: use alias()';
  const given = properties.distinct_id ?? distinctId;
  if (distinctIdOf(given) !== distinctId) return 'property "distinct_id" must be the distinctId: use alias()';
  Object.assign(properties, { alias, distinct_id: distinctId });
  return null;
}

function groupProblem({ properties }: PostHogEvent): string | null {
  const missing = ['$group_type', '$group_key'].find((name) => properties[name] === undefined);
  return missing === undefined ? null : `property "${missing}" is missing: use groupIdentify()`;
}

function exceptionProblem({ properties }: PostHogEvent, maxBytes: number): string | null {
  const written = cleanCopy(properties.$exception_list, maxBytes);
  // The event is too large as well, and is dropped for that reason.
  if (written === 'too_large') return null;
  const list = written.value;
  if (!Array.isArray(list) || list.length === 0 || !list.every(isException))
    return 'property "$exception_list" must be an array of errors with type and value: use captureException()';
  properties.$exception_list = list;
  return null;
}

const isException = (entry: unknown): boolean =>
  isObject(entry) && typeof entry.type === 'string' && typeof entry.value === 'string';
