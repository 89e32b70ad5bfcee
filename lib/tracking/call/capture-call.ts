import { DEDUPE_KEY_RULE, dedupeKeyOf } from '../../capture/input/dedupe-key.js';
import { TIMESTAMP_RULE, timestampOf } from '../../capture/input/timestamp.js';
import { DISTINCT_ID_RULE, distinctIdOf } from '../../context/distinct-id.js';
import { type GroupKeys, GROUPS_RULE, groupKeysOf } from '../../context/group-keys.js';
import { type EventEnvelope } from '../../events/event-envelope.js';
import { eventOf } from '../../events/defined-event.js';
import { type TrackContext } from '../../context/track-context.js';
import { describeThrown } from '../../shared/describe-thrown.js';
import { type Warn } from '../../shared/unknown-fields.js';
import { callSync, contentOf, copyOwn, FAILED, PROPERTIES_RULE } from '../../shared/untrusted-values.js';
import { isSampled } from './sampling.js';
import { type TrackedEvent } from './track-event.options.js';
import { type TrackingInstance, type TrackingSettings } from './tracking-instance.js';

/**
 * Captures one event of a call that has ended, if its decorator asks for it. Must run in the context of the call. If a callback
 * fails or returns an invalid value, its field is omitted and a warning is logged.
 */
export function captureCall(tracked: TrackedEvent, context: TrackContext, instance: TrackingInstance): void {
  const { capture, settings } = instance;
  const { event, definition, sampleRate } = tracked;
  if (!tracked.on.includes(context.outcome)) return;
  if (tracked.when !== undefined) {
    const isWanted = resultOf(tracked, 'when', context, settings);
    if (isWanted !== FAILED && !isWanted) return;
  }
  const distinctId = fieldFrom(tracked, 'distinctId', DISTINCT_ID, context, settings);
  if (!isSampled(event, sampleRate, capture, distinctId)) return;
  const groups = fieldFrom(tracked, 'groups', GROUPS, context, settings);
  // Already a copy.
  const properties = fieldFrom(tracked, 'properties', PROPERTIES, context, settings) ?? {};
  addCallProperties(properties, context);
  const envelope: EventEnvelope = { distinctId, groups };
  const timestamp = fieldFrom(tracked, 'timestamp', TIME, context, settings);
  const dedupeKey = fieldFrom(tracked, 'dedupeKey', KEY, context, settings);
  if (timestamp !== undefined) envelope.timestamp = timestamp;
  if (dedupeKey !== undefined) envelope.dedupeKey = dedupeKey;
  if (definition === undefined) capture.capture({ event, ...envelope, properties });
  else capture.capture(Object.assign(eventOf(definition, properties), envelope));
}

/** Adds the properties that every tracked event has. */
export function addCallProperties(
  properties: Record<string, unknown>,
  {
    outcome,
    durationMs,
    transport,
    statusCode,
  }: Pick<TrackContext, 'outcome' | 'durationMs' | 'transport' | 'statusCode'>,
): void {
  properties.$outcome = outcome;
  properties.$duration_ms = durationMs;
  properties.$transport = transport;
  if (statusCode !== undefined) properties.$response_status_code = statusCode;
}

interface FieldRule<T> {
  readonly text: string;
  /** Returns null for an invalid value, warns of a part that it leaves out; may throw. */
  readonly read: (value: unknown, warn: Warn) => T | null;
}

const DISTINCT_ID: FieldRule<string> = { text: DISTINCT_ID_RULE, read: distinctIdOf };
const GROUPS: FieldRule<GroupKeys> = { text: GROUPS_RULE, read: groupKeysOf };
const TIME: FieldRule<string> = { text: TIMESTAMP_RULE, read: timestampOf };
const KEY: FieldRule<string> = { text: DEDUPE_KEY_RULE, read: dedupeKeyOf };
const PROPERTIES: FieldRule<Record<string, unknown>> = {
  text: PROPERTIES_RULE,
  read: (value) => {
    const content = contentOf(value);
    return content === null ? null : copyOf(content);
  },
};

/** If a getter throws, its property is null. */
function copyOf(properties: Readonly<Record<string, unknown>>): Record<string, unknown> {
  try {
    // The names added later get their place now: a literal that begins with a name is copied many times faster than one that begins
    // with a spread.
    return { $outcome: undefined, $duration_ms: undefined, $transport: undefined, ...properties };
  } catch {
    const copy = {};
    copyOwn(copy, properties);
    return copy;
  }
}

/** A field of the event, from a value or a callback of the decorator; undefined if it is missing or invalid. */
function fieldFrom<T>(
  tracked: TrackedEvent,
  option: 'distinctId' | 'groups' | 'properties' | 'timestamp' | 'dedupeKey',
  { text, read }: FieldRule<T>,
  context: TrackContext,
  settings: TrackingSettings,
): T | undefined {
  if (tracked[option] === undefined) return undefined;
  const given = resultOf(tracked, option, context, settings);
  if (given === FAILED || given === undefined || given === null) return undefined;
  const warn: Warn = (warning) =>
    settings.warn(
      `track: ${tracked.event} ${warning}`,
      `@TrackEvent(${JSON.stringify(tracked.event)}): ${option}: ${warning}.`,
    );
  const value = readCarefully(read, given, warn);
  if (value === null) warnOf(tracked, option, settings, () => [`must be ${text}`]);
  return value ?? undefined;
}

function readCarefully<T>(read: FieldRule<T>['read'], given: unknown, warn: Warn): T | null {
  try {
    return read(given, warn);
  } catch {
    return null;
  }
}

/** The value of an option, the result of its callback, or FAILED after a warning. */
function resultOf(
  tracked: TrackedEvent,
  option: 'distinctId' | 'groups' | 'properties' | 'timestamp' | 'dedupeKey' | 'when',
  context: TrackContext,
  settings: TrackingSettings,
): unknown {
  const given: unknown = tracked[option];
  if (typeof given !== 'function') return given;
  const callback = given as (context: TrackContext) => unknown;
  return callSync(callback, context, (problem, thrown) =>
    warnOf(tracked, option, settings, () =>
      problem === 'threw'
        ? [`threw ${describeThrown(thrown, callback)}`, remedyFor(callback, context)]
        : [`${problem}, but must be synchronous`],
    ),
  );
}

/** Most such callbacks read `result` of a call that has none. */
function remedyFor(callback: (context: TrackContext) => unknown, { outcome, result }: TrackContext): string {
  if (outcome === 'success' || result !== undefined) return '';
  if (!/\bresult\b/.test(Function.prototype.toString.call(callback))) return '';
  return ` Remedy: result is undefined unless the outcome is success, and the outcome was ${outcome}: read it as result?.name.`;
}

/** @param describe only called if a line is logged */
function warnOf(
  { event }: TrackedEvent,
  option: string,
  { warn }: TrackingSettings,
  describe: () => readonly [problem: string, remedy?: string],
): void {
  warn(`track: ${event} ${option}`, () => {
    const [problem, remedy = ''] = describe();
    return `@TrackEvent(${JSON.stringify(event)}): ${option} ${problem}. The event is captured without it.${remedy}`;
  });
}
