import { distinctIdOf } from '../../context/distinct-id.js';
import { isObject } from '../../shared/untrusted-values.js';
import { cleanCopy } from '../../json/safe-json.js';
import { type PostHogEvent } from '../../wire/posthog-event.js';
import { needsProfile } from './source-event.js';

/** What is missing of an event of PostHog's own; null when nothing is. May complete its properties. */
type Problem = (event: PostHogEvent, maxBytes: number) => string | null;

const PROBLEMS: ReadonlyMap<string, Problem> = new Map([
  ['$create_alias', aliasProblem],
  ['$groupidentify', groupProblem],
  ['$exception', exceptionProblem],
]);

/**
 * Why PostHog would take an event of its own (`$identify`, `$create_alias`, …) and lose it; null when it would not. Events of these
 * names may come from `capture` or a beforeSend, and not from the call that knows their shape. May complete the properties.
 */
export function requiredProblem(event: PostHogEvent, maxBytes: number): string | null {
  if (!event.event.startsWith('$')) return null;
  if (needsProfile(event.event) && event.properties.$process_person_profile === false)
    return 'PostHog ignores this event where $process_person_profile is false';
  return PROBLEMS.get(event.event)?.(event, maxBytes) ?? null;
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
  // And with it the event.
  if (written === 'too_large') return null;
  const list = written.value;
  if (!Array.isArray(list) || list.length === 0 || !list.every(isException))
    return 'property "$exception_list" must be a list of errors with type and value: use captureException()';
  properties.$exception_list = list;
  return null;
}

const isException = (entry: unknown): boolean =>
  isObject(entry) && typeof entry.type === 'string' && typeof entry.value === 'string';
