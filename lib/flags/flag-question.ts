import { createHash } from 'node:crypto';
import { type CaptureService } from '../capture/capture.service.js';
import { type CaptureContext } from '../context/capture-context.js';
import { currentScope } from '../context/context-scope.js';
import { DISTINCT_ID_RULE, distinctIdOf } from '../context/distinct-id.js';
import { groupKeysOf } from '../context/group-keys.js';
import { toJson } from '../json/safe-json.js';
import { type Warn, warnOfUnknownFields } from '../shared/unknown-fields.js';
import { describe, isMissing, isObject, readField } from '../shared/untrusted-values.js';
import { type EvaluationProperties, type FlagSubject } from './flag-subject.js';

/** The person that flags are evaluated for, and everything that the values depend on. */
export interface FlagQuestion {
  readonly subject: FlagSubject;
  readonly properties: EvaluationProperties;
  readonly disableGeoip: boolean | undefined;
  readonly onlyEvaluateLocally: boolean | undefined;
  /** Key of the memo: questions with equal ids have equal answers within a call. */
  readonly id: string;
}

/** One read. */
export interface FlagReading {
  /** undefined if no person is known. */
  readonly question: FlagQuestion | undefined;
  readonly sendEvents: boolean;
  /** The person of the current context. */
  readonly contextPerson: string | undefined;
}

const FIELDS = [
  'distinctId',
  'groups',
  'personProperties',
  'groupProperties',
  'disableGeoip',
  'onlyEvaluateLocally',
  'sendEvents',
  'defaultValue',
  'schema',
];
/** Larger properties are left out: PostHog compares them with short values. */
const MAX_PROPERTY_BYTES = 64 * 1024;
const NO_PROPERTIES: EvaluationProperties = Object.freeze({ person: {}, groups: {} });

/**
 * Takes the options of a read, which are not trusted, and completes them from the current context. Never throws.
 *
 * @param warn called with sentences about invalid options
 */
export function readingOf(capture: CaptureService | undefined, query: unknown, warn: Warn): FlagReading {
  const context = contextOf(capture);
  const contextPerson = idOf(context);
  const given = isObject(query) ? query : {};
  if (!isMissing(query)) warnOfUnknownFields(given, FIELDS, warn);
  const field = (name: string): unknown => readField(given, name);
  const optional = (name: string): boolean | undefined => {
    const value = field(name);
    if (typeof value === 'boolean') return value;
    if (!isMissing(value)) warn(`${name} must be true or false, but it is ${describe(value)}; it was ignored`);
    return undefined;
  };
  // An opted-out person is asked about, but nothing is captured of it.
  const sendEvents = (optional('sendEvents') ?? true) && context.optedOut !== true;
  const distinctId = personOf(field('distinctId'), contextPerson, warn);
  if (distinctId === undefined) return { question: undefined, sendEvents, contextPerson };
  const givenGroups = field('groups');
  const own = isMissing(givenGroups) ? null : groupKeysOf(givenGroups, warn);
  const groups = { ...(context.groups as Record<string, string> | undefined), ...own };
  const properties = propertiesOf(field('personProperties'), field('groupProperties'), warn);
  const disableGeoip = optional('disableGeoip');
  const onlyEvaluateLocally = optional('onlyEvaluateLocally');
  const subject = { distinctId, groups, context, source: currentScope.getStore()?.source };
  const rest = [Object.entries(groups).sort(byName), properties, disableGeoip, onlyEvaluateLocally];
  const isPlain =
    properties === NO_PROPERTIES && disableGeoip === undefined && onlyEvaluateLocally === undefined && !hasAny(groups);
  const id = isPlain ? distinctId : `${distinctId}\n${JSON.stringify(rest)}`;
  return {
    question: { subject, properties, disableGeoip, onlyEvaluateLocally, id },
    sendEvents,
    contextPerson,
  };
}

/** The person of the current context. */
export function currentPerson(capture: CaptureService | undefined): string | undefined {
  return idOf(contextOf(capture));
}

const idOf = ({ distinctId }: CaptureContext): string | undefined =>
  distinctId === undefined ? undefined : String(distinctId);

/** A short name for a question, which reveals nothing of the person. */
export function digestOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url').slice(0, 16);
}

/** A test double of the service may have no context. */
function contextOf(capture: CaptureService | undefined): CaptureContext {
  try {
    return capture?.context.get() ?? {};
  } catch {
    return {};
  }
}

function personOf(given: unknown, contextPerson: string | undefined, warn: Warn): string | undefined {
  if (isMissing(given)) return contextPerson;
  const id = distinctIdOf(given);
  if (id !== null) return id;
  // Not the person of the context, which the caller did not mean.
  warn(`distinctId must be ${DISTINCT_ID_RULE}, but it is ${describe(given)}; flags have their default values`);
  return undefined;
}

/** In plain JSON, because posthog-node would throw for anything else. */
function propertiesOf(person: unknown, groups: unknown, warn: Warn): EvaluationProperties {
  if (isMissing(person) && isMissing(groups)) return NO_PROPERTIES;
  const clean = (name: string, value: unknown): Record<string, unknown> => {
    const json = isObject(value) ? toJson(value, MAX_PROPERTY_BYTES) : null;
    if (json !== null && json !== 'too_large') return JSON.parse(json.text) as Record<string, unknown>;
    if (!isMissing(value))
      warn(
        `${name} must be an object of at most ${MAX_PROPERTY_BYTES} bytes, but it is ${describe(value)}; it was ignored`,
      );
    return {};
  };
  const byGroup = Object.entries(clean('groupProperties', groups)).filter(([, one]) => isObject(one));
  return {
    person: clean('personProperties', person),
    groups: Object.fromEntries(byGroup) as EvaluationProperties['groups'],
  };
}

const byName = ([one]: [string, unknown], [other]: [string, unknown]): number => (one < other ? -1 : 1);

function hasAny(object: object): boolean {
  for (const _name in object) return true;
  return false;
}
