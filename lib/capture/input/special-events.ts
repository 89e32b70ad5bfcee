import { distinctIdOf, illegalDistinctIdWarning } from '../../context/distinct-id.js';
import { groupKeyOf } from '../../context/group-keys.js';
import { copyOwn, describe, isObject, readable } from '../../shared/untrusted-values.js';
import { explain } from './explain.js';
import {
  AliasInputRules,
  ExceptionDetailsRules,
  GroupIdentifyInputRules,
  IdentifyInputRules,
  SetPersonPropertiesInputRules,
  UnsetPersonPropertiesInputRules,
} from './identity-inputs.dto.js';
import { propertyNamesOf } from './rules.js';
import { exceptionProperties } from './exception-list.js';
import { readInput, type Warn } from './read-input.js';
import { type Checked, needsProfile, NO_WARNINGS, refuse, type SourceEvent } from './source-event.js';

type Bag = Record<string, unknown>;

/** Enough of a group's name for the id of its events: with four bytes a character it still fits. */
const MAX_GROUP_ID_LENGTH = 64;

/** `$identify`: who somebody is, and which anonymous id was theirs. */
export function checkIdentify(input: unknown): Checked {
  const fields = ['distinctId', 'set', 'setOnce', 'anonDistinctId', 'properties'] as const;
  return check('$identify', input, fields, new IdentifyInputRules(), (given, warn) => {
    const { set, setOnce, anonDistinctId } = personChanges(given);
    const distinctId = idOf(given, 'distinctId', warn);
    const anonymous = given.anonDistinctId ?? anonDistinctId;
    const anonymousId = isMissing(anonymous) ? '' : idOf({ anonDistinctId: anonymous }, 'anonDistinctId', warn);
    if (anonymousId === distinctId)
      warn('anonDistinctId is the distinctId itself, so that PostHog has nothing to merge');
    return special('$identify', distinctId, {
      ...(set && { $set: set }),
      ...(setOnce && { $set_once: setOnce }),
      ...(anonymousId !== '' && { $anon_distinct_id: anonymousId }),
    });
  });
}

/** `$create_alias`: two ids of one person. PostHog cannot undo a merge, so the two are never swapped. */
export function checkAlias(input: unknown): Checked {
  return check('$create_alias', input, ['distinctId', 'alias'], new AliasInputRules(), (given, warn) => {
    const distinctId = idOf(given, 'distinctId', warn);
    const alias = idOf(given, 'alias', warn);
    if (alias === distinctId) warn('alias is the distinctId itself, so that PostHog has nothing to merge');
    return special('$create_alias', distinctId, { distinct_id: distinctId, alias });
  });
}

/** `$groupidentify`: what a group is like. */
export function checkGroupIdentify(input: unknown): Checked {
  const fields = ['groupType', 'groupKey', 'set', 'distinctId', 'properties'] as const;
  return check('$groupidentify', input, fields, new GroupIdentifyInputRules(), (given, warn) => {
    const { groupType } = given;
    const groupKey = groupKeyOf(given.groupKey) ?? '';
    // PostHog's own convention, cut where PostHog would drop the event.
    const groupId = `$${groupType}_${groupKey}`;
    const ownId = distinctIdOf(groupId) ?? distinctIdOf(groupId.slice(0, MAX_GROUP_ID_LENGTH)) ?? '';
    const distinctId = isMissing(given.distinctId) ? ownId : idOf(given, 'distinctId', warn);
    const set = { ...readable(given.properties), ...readable(given.set) };
    return special('$groupidentify', distinctId, { $group_type: groupType, $group_key: groupKey, $group_set: set });
  });
}

/** `$set`: properties of a person. */
export function checkSetPersonProperties(input: unknown): Checked {
  const fields = ['distinctId', 'set', 'setOnce', 'properties'] as const;
  return check('$set', input, fields, new SetPersonPropertiesInputRules(), (given, warn) => {
    const { set, setOnce } = personChanges(given);
    const properties = {
      ...(hasSome(set) && { $set: set }),
      ...(hasSome(setOnce) && { $set_once: setOnce }),
    };
    if (!hasSome(properties)) return 'set or setOnce must hold at least one property';
    return special('$set', idOf(given, 'distinctId', warn), properties);
  });
}

/** `$set` with `$unset`: properties of a person to remove. */
export function checkUnsetPersonProperties(input: unknown): Checked {
  const fields = ['distinctId', 'unset', 'properties'] as const;
  return check('$set', input, fields, new UnsetPersonPropertiesInputRules(), (given, warn) => {
    const names = [given.unset, given.properties].flatMap((list) => propertyNamesOf(list) ?? []);
    if (names.length === 0) return 'unset must name at least one property';
    return special('$set', idOf(given, 'distinctId', warn), { $unset: names });
  });
}

/**
 * `$exception`: anything that was thrown. The caller's properties never override what describes it.
 *
 * @param input `{ distinctId, properties }`; a bare distinct id, where posthog-node takes it, is understood with a warning
 */
export function checkException(error: unknown, input: unknown): Checked {
  const isBare = distinctIdOf(input) !== null;
  const details = isBare ? { distinctId: input } : (input ?? {});
  return check('$exception', details, ['distinctId', 'properties'], new ExceptionDetailsRules(), (given, warn) => {
    if (isBare) warn('captureException takes { distinctId, properties } as its second argument');
    const distinctId = isMissing(given.distinctId) ? undefined : idOf(given, 'distinctId', warn);
    return special('$exception', distinctId, { ...readable(given.properties), ...exceptionProperties(error) });
  });
}

/**
 * Reads one input and has class-validator judge it; these calls are rare enough. Never throws.
 *
 * @param build gives the event, or the problem that no single field has
 */
function check<T extends object>(
  event: string,
  input: unknown,
  fields: readonly (keyof T & string)[],
  rules: T,
  build: (given: T, warn: Warn) => SourceEvent | string,
): Checked {
  try {
    if (!isObject(input)) return refuse(event, `the input must be an object, but it is ${describe(input)}`);
    const warnings: string[] = [];
    const warn: Warn = (warning) => void warnings.push(warning);
    const given = Object.assign(rules, readInput(input, fields, warn));
    const problem = explain(given);
    const built = problem === '' ? build(given, warn) : problem;
    if (typeof built === 'string') return refuse(event, built);
    return { ok: true, source: built, warnings: warnings.length > 0 ? warnings : NO_WARNINGS };
  } catch {
    return refuse(event, 'the input could not be read: reading one of its fields throws');
  }
}

/** An id that was found valid; '' when it is none. */
function idOf<Field extends string>(given: { readonly [F in Field]?: unknown }, field: Field, warn: Warn): string {
  const id = distinctIdOf(given[field]);
  if (id === null) {
    // What stands in posthog-node's bag has no rule of its own.
    warn(`${field} is no distinct id: it is ${describe(given[field])}; it was left out`);
    return '';
  }
  const warning = illegalDistinctIdWarning(field, id);
  if (warning !== undefined) warn(warning);
  return id;
}

/** `set` and `setOnce`, with posthog-node's bag below them: what is not in its `$set` or `$set_once` is to be set too. */
function personChanges(given: { set?: Bag; setOnce?: Bag; properties?: Bag }): {
  set: Bag | undefined;
  setOnce: Bag | undefined;
  anonDistinctId: unknown;
} {
  const { $set, $set_once, $anon_distinct_id: anonDistinctId, ...others } = readable(given.properties);
  return {
    set: merge(hasSome(others) ? others : undefined, $set, given.set),
    setOnce: merge($set_once, given.setOnce),
    anonDistinctId,
  };
}

/** undefined when no bag was given. */
function merge(...bags: unknown[]): Bag | undefined {
  const given = bags.filter(isObject);
  if (given.length === 0) return undefined;
  const merged: Bag = {};
  for (const bag of given) copyOwn(merged, readable(bag));
  return merged;
}

const hasSome = (bag: Bag | undefined): boolean => bag !== undefined && Object.keys(bag).length > 0;
const isMissing = (value: unknown): value is null | undefined => value === undefined || value === null;

/** What PostHog's special events need; the rest is like any other event. */
function special(event: string, distinctId: string | undefined, properties: Bag): SourceEvent {
  return {
    event,
    distinctId,
    properties,
    groups: undefined,
    timestamp: undefined,
    uuid: undefined,
    disableGeoip: undefined,
    switches: undefined,
    needsProfile: needsProfile(event),
  };
}
