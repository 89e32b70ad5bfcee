import { type ActingContext } from './capture-context.js';
import { distinctIdOf, illegalDistinctIdWarning, MAX_DISTINCT_ID_BYTES } from './distinct-id.js';
import { groupKeyOf, type GroupKeys } from './group-keys.js';
import { warnOfUnknownFields } from '../shared/unknown-fields.js';
import { copyOwn, describe, isObject, quoteName, setOwn } from '../shared/untrusted-values.js';

const FIELDS = ['distinctId', 'sessionId', 'groups', 'properties', 'optedOut'];

/** As much of a session id as PostHog takes from its own header. */
const MAX_SESSION_ID_LENGTH = 1000;

/** More groups that are none are only counted. */
const MAX_NAMED = 5;

export type Warn = (warning: string) => void;

interface Draft {
  distinctId?: string;
  sessionId?: string;
  groups?: GroupKeys;
  properties?: Record<string, unknown>;
  optedOut?: boolean;
}

/**
 * Takes what is good of a context that application code hands over, or that came out of a queue, and warns of the rest. Never
 * throws. undefined and null are an empty context.
 */
export function checkContext(input: unknown, warn: Warn): ActingContext {
  const good: Draft = {};
  if (input === undefined || input === null) return good;
  try {
    if (isObject(input)) readContext(input, good, warn);
    else warn(`a context must be an object, but it is ${describe(input)}; it was ignored`);
  } catch {
    warn('a context could not be read to the end, because a getter or a proxy threw; the rest of it was ignored');
  }
  return good;
}

function readContext(input: Record<string, unknown>, good: Draft, warn: Warn): void {
  const { distinctId, sessionId, groups, properties, optedOut } = input;
  const ignore = (field: string, rule: string, value: unknown): void =>
    warn(`${field} of a context must be ${rule}, but it is ${describe(value)}; it was ignored`);

  // First, so that whatever cannot be read further down does not undo somebody's choice.
  if (typeof optedOut === 'boolean') good.optedOut = optedOut;
  else if (isGiven(optedOut)) ignore('optedOut', 'true or false', optedOut);

  if (isGiven(distinctId)) {
    const id = distinctIdOf(distinctId);
    if (id === null)
      ignore('distinctId', `a text of at most ${MAX_DISTINCT_ID_BYTES} bytes or a finite number`, distinctId);
    else {
      good.distinctId = id;
      const warning = illegalDistinctIdWarning('distinctId', id);
      if (warning !== undefined) warn(warning);
    }
  }

  const session = typeof sessionId === 'string' ? sessionId.trim() : '';
  if (session !== '' && session.length <= MAX_SESSION_ID_LENGTH) good.sessionId = session;
  else if (isGiven(sessionId)) ignore('sessionId', `a text of at most ${MAX_SESSION_ID_LENGTH} characters`, sessionId);

  if (isObject(groups)) good.groups = readGroups(groups, warn);
  else if (isGiven(groups)) ignore('groups', 'an object of group types and keys', groups);

  if (isObject(properties)) copyOwn((good.properties = {}), properties);
  else if (isGiven(properties)) ignore('properties', 'an object of names and values', properties);

  warnOfUnknownFields(input, FIELDS, warn);
}

function readGroups(groups: Record<string, unknown>, warn: Warn): GroupKeys {
  const good: GroupKeys = {};
  let ignored = 0;
  for (const type of Object.keys(groups)) {
    const key = groupKeyOf(groups[type]);
    if (key !== null && type.trim() !== '') {
      setOwn(good, type, key);
    } else {
      ignored += 1;
      if (ignored <= MAX_NAMED)
        warn(`group ${quoteName(type)} of a context was ignored: type and key must be texts that are not blank`);
    }
  }
  if (ignored > MAX_NAMED) warn(`${ignored - MAX_NAMED} more groups of a context were ignored`);
  return good;
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;
