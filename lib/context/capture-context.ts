import { type Warn, warnOfUnknownFields } from '../shared/unknown-fields.js';
import { contentOf, copyOwn, describe, isMissing, isObject, PROPERTIES_RULE } from '../shared/untrusted-values.js';
import { DISTINCT_ID_RULE, distinctIdOf, illegalDistinctIdWarning } from './distinct-id.js';
import { GROUPS_RULE, groupKeysOf } from './group-keys.js';

/** The current user, and values that apply to all events captured in the context. */
export interface CaptureContext {
  /** The person, for events that specify none. */
  distinctId?: string | number;
  /** PostHog's session, sent as `$session_id`. */
  sessionId?: string;
  /** Group type to group key, merged into the groups of each event. */
  groups?: Record<string, string | number>;
  /** Merged into the properties of each event, which take precedence. */
  properties?: Record<string, unknown>;
  /** true: nothing is captured in this context. */
  optedOut?: boolean;
}

/** A context as plain JSON, small enough for the data of a job or the header of a message. Pass it to `withContext` to restore it. */
export interface SerializedContext extends CaptureContext {
  distinctId?: string;
  groups?: Record<string, string>;
  /** Values of the feature flags that were read, so that a job sees the same ones. Only `nestjs-posthog-capture/flags` reads them. */
  flags?: Record<string, unknown>;
  /** true: the distinct id comes from tracing headers. Only with option `profiles: 'identified'`. */
  unidentified?: boolean;
}

/** A valid context with normalized values. Shared between events, so it is never changed. */
export interface CheckedContext {
  readonly distinctId?: string;
  readonly sessionId?: string;
  readonly groups?: Readonly<Record<string, string>>;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly optedOut?: boolean;
  /** As another process has exported it: not checked. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** The distinct id comes from tracing headers, which do not tell whether its person is identified. Only set where that matters. */
  readonly unidentified?: boolean;
}

/** The empty context: a single object, so that it can be recognized by identity. */
export const NO_CONTEXT: CheckedContext = Object.freeze({});

const FIELDS = ['distinctId', 'sessionId', 'groups', 'properties', 'optedOut', 'flags', 'unidentified'];

/** PostHog truncates the session id of its own header to this length. */
const MAX_SESSION_ID_LENGTH = 1000;

type Draft = { -readonly [Field in keyof CheckedContext]: CheckedContext[Field] };

/**
 * Takes the valid fields of a context that comes from application code or from a queue, and warns about the others. Never throws.
 * undefined and null are an empty context.
 */
export function checkContext(input: unknown, warn: Warn): CheckedContext {
  const checked: Draft = {};
  if (isMissing(input)) return checked;
  try {
    if (isObject(input)) readContext(input, checked, warn);
    else warn(`a context must be an object, but it is ${describe(input)}; it was ignored`);
  } catch {
    warn('a context could not be read completely, because a getter or a proxy threw; the rest of it was ignored');
  }
  return checked;
}

function readContext(input: Record<string, unknown>, checked: Draft, warn: Warn): void {
  const { distinctId, sessionId, groups, properties, optedOut, flags, unidentified } = input;
  const ignore = (field: string, rule: string, value: unknown): void =>
    warn(`${field} of a context must be ${rule}, but it is ${describe(value)}; it was ignored`);

  // First, so that an unreadable field below cannot undo an opt-out.
  if (typeof optedOut === 'boolean') checked.optedOut = optedOut;
  else if (!isMissing(optedOut)) ignore('optedOut', 'true or false', optedOut);

  if (!isMissing(distinctId)) {
    const id = distinctIdOf(distinctId);
    if (id === null) ignore('distinctId', DISTINCT_ID_RULE, distinctId);
    else {
      checked.distinctId = id;
      const warning = illegalDistinctIdWarning('distinctId', id);
      if (warning !== undefined) warn(warning);
    }
  }

  const session = typeof sessionId === 'string' ? sessionId.trim() : '';
  if (session !== '' && session.length <= MAX_SESSION_ID_LENGTH) checked.sessionId = session;
  else if (!isMissing(sessionId))
    ignore('sessionId', `a string of at most ${MAX_SESSION_ID_LENGTH} characters`, sessionId);

  const keys = isMissing(groups) ? null : groupKeysOf(groups, (warning) => warn(`${warning} (in a context)`));
  if (keys !== null) checked.groups = keys;
  else if (!isMissing(groups)) ignore('groups', GROUPS_RULE, groups);

  const content = contentOf(properties);
  if (content !== null) {
    const copy = {};
    checked.properties = copy;
    copyOwn(copy, content);
  } else if (!isMissing(properties)) ignore('properties', PROPERTIES_RULE, properties);

  const ofFlags = contentOf(flags);
  if (ofFlags !== null) checked.flags = ofFlags;
  else if (!isMissing(flags)) ignore('flags', 'what context.export() returned', flags);

  if (typeof unidentified === 'boolean') checked.unidentified = unidentified;
  else if (!isMissing(unidentified)) ignore('unidentified', 'true or false', unidentified);

  warnOfUnknownFields(input, FIELDS, warn);
}

/** Fields of `above` replace those of `below`; groups, properties and flags are merged. */
export function mergeContexts(below: CheckedContext, above: CheckedContext): CheckedContext {
  if (above === NO_CONTEXT) return below;
  if (below === NO_CONTEXT) return above;
  return {
    distinctId: above.distinctId ?? below.distinctId,
    sessionId: above.sessionId ?? below.sessionId,
    groups: mergeObjects(below.groups, above.groups),
    properties: mergeObjects(below.properties, above.properties),
    optedOut: above.optedOut ?? below.optedOut,
    flags: mergeObjects(below.flags, above.flags),
    unidentified: above.distinctId === undefined ? below.unidentified : above.unidentified,
  };
}

function mergeObjects<T>(
  below: Readonly<Record<string, T>> | undefined,
  above: Readonly<Record<string, T>> | undefined,
): Readonly<Record<string, T>> | undefined {
  return below !== undefined && above !== undefined ? { ...below, ...above } : (above ?? below);
}

export function isEmptyContext(context: CheckedContext): boolean {
  const { distinctId, sessionId, groups, properties, optedOut, flags } = context;
  return (distinctId ?? sessionId ?? groups ?? properties ?? optedOut ?? flags) === undefined;
}

/** A copy that the caller may change, without fields that are undefined. */
export function copyContext({ distinctId, sessionId, groups, properties, optedOut }: CheckedContext): CaptureContext {
  return {
    ...(distinctId !== undefined && { distinctId }),
    ...(sessionId !== undefined && { sessionId }),
    ...(groups !== undefined && { groups: { ...groups } }),
    ...(properties !== undefined && { properties: { ...properties } }),
    ...(optedOut !== undefined && { optedOut }),
  };
}
