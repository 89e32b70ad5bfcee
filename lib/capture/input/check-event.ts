import { distinctIdOf, illegalDistinctIdWarning } from '../../context/distinct-id.js';
import { isEventName } from '../../context/event-name.js';
import { groupKeysOf } from '../../context/group-keys.js';
import { type DefinedEvent, definedEventOf, isInstanceOf, isMadeFrom } from '../../events/defined-event.js';
import { type Warn, warnOfUnknownFields } from '../../shared/unknown-fields.js';
import {
  contentOf,
  describe,
  isMissing,
  isObject,
  lookAt,
  plainCopy,
  readField,
} from '../../shared/untrusted-values.js';
import { INGESTION_SWITCHES } from '../../wire/ingestion-switches.js';
import { type CaptureEvent, type CaptureNowOptions } from '../capture-event.js';
import { EVENT_FIELDS, OPTION_FIELDS } from './input-fields.js';
import { type FlagValues } from './read-flags.js';
import { completeInput, readInput, valuesOf } from './read-input.js';
import { DEDUPE_KEY, FLAGS, NO_DEDUPE_TIMESTAMP, problemOf, readBy, type Rule, UUID } from './rules.js';
import { type Checked, needsProfile, NO_WARNINGS, refuse, type SourceEvent } from './source-event.js';
import { timestampOf } from './timestamp.js';

const FIELD_NAMES = Object.keys(EVENT_FIELDS);
const OPTION_NAMES = Object.keys(OPTION_FIELDS);

/** PostHog expects no other flags with it. */
const FLAG_CALLED = '$feature_flag_called';

/** The options of `captureNow`, which takes them together with the envelope. */
const NOW_OPTIONS = ['timeoutMs', 'signal'] satisfies (keyof CaptureNowOptions)[];

const OWN_UUID = 'uuid was ignored, because dedupeKey determines it';

const INCONSISTENT = 'a field returns something else each time it is read';

type Given = { readonly [Field in keyof CaptureEvent]?: unknown };

/**
 * Checks the argument of `capture`. For speed, the rules of EVENT_FIELDS are written out here, because nearly every event is valid; the
 * table is only used to explain a problem. Never throws.
 *
 * @param envelope the fields besides the properties, for an instance of a class with `@Event`
 */
export function checkEvent(input: unknown, envelope?: unknown): Checked {
  try {
    const definition = typeof input === 'object' && input !== null ? definedEventOf(input) : undefined;
    // Faster than isObject, which must rule out many kinds of objects.
    if (!isEventMadeFrom(definition, input) && !isObject(input)) return refuse('', notAnEvent(input));
    const event = definition === undefined ? unwrapped(input) : unwrappedDefined(definition, input, envelope);
    if (event !== input && !isObject(event))
      return refuse('', `toCaptureEvent() must return an object, but it is ${describe(event)}`);
    let warnings: string[] | undefined;
    const warn = (warning: string): void => void (warnings ??= []).push(warning);
    // Another primitive may be the index that forEach passes.
    if (typeof envelope === 'string') warn(STRING_ENVELOPE);
    else if (envelope !== undefined && !(definition && isInstanceOf(definition, input))) warnOfEnvelope(envelope, warn);
    const given = readEvent(event as Record<string, unknown>, warn);
    const source = sourceOf(given, definition, warn);
    if (source === null) return refuse(given.event, problemsOf(given));
    return { ok: true, source, warnings: warnings ?? NO_WARNINGS };
  } catch {
    return refuse('', 'toCaptureEvent() must return an object, but it threw');
  }
}

const STRING_ENVELOPE =
  'the second argument was ignored, because it is a string: pass an object with the fields of the event, such as { distinctId }';

function isEventMadeFrom(definition: DefinedEvent | undefined, input: unknown): input is Record<string, unknown> {
  return definition !== undefined && isMadeFrom(definition, input as object);
}

function notAnEvent(input: unknown): string {
  const problem = `an event must be an object, but it is ${describe(input)}`;
  const definition = typeof input === 'function' ? definedEventOf(input) : undefined;
  if (definition === undefined) return problem;
  const how = 'type' in definition.source ? 'new' : 'without new';
  return `${problem}: call the definition of ${JSON.stringify(definition.event)} (${how}) with the properties`;
}

/** The content of a CaptureEventDto, perhaps of the package's other build, so `instanceof` would not find it. */
function unwrapped(input: object): unknown {
  const toCaptureEvent = readField(input, 'toCaptureEvent');
  return typeof toCaptureEvent === 'function' ? Reflect.apply(toCaptureEvent, input, []) : input;
}

function warnOfEnvelope(envelope: unknown, warn: Warn): void {
  const names = isObject(envelope) ? Object.keys(plainCopy(envelope)) : [];
  const first = names.find((name) => FIELD_NAMES.includes(name));
  if (first !== undefined)
    warn(
      `the second argument was ignored, because the event is no instance of a class with @Event: put ${first} and the other fields into the event`,
    );
}

function unwrappedDefined(
  definition: DefinedEvent,
  input: Record<string, unknown>,
  envelope: unknown,
): Record<string, unknown> {
  if (!isInstanceOf(definition, input)) return input;
  const fields = isObject(envelope) ? plainCopy(envelope) : {};
  for (const name of NOW_OPTIONS) Reflect.deleteProperty(fields, name);
  return { ...fields, event: definition.event, properties: input };
}

/** Like `readInput`, but with a literal, which V8 creates faster. If a field throws, all are read a second time. */
function readEvent(input: Readonly<Record<string, unknown>>, warn: Warn): Given {
  let given: Record<keyof CaptureEvent, unknown>;
  try {
    given = {
      event: lookAt(input.event),
      distinctId: lookAt(input.distinctId),
      properties: lookAt(input.properties),
      groups: lookAt(input.groups),
      flags: lookAt(input.flags),
      timestamp: lookAt(input.timestamp),
      uuid: lookAt(input.uuid),
      disableGeoip: lookAt(input.disableGeoip),
      options: lookAt(input.options),
      dedupeKey: lookAt(input.dedupeKey),
      $set: lookAt(input.$set),
      $set_once: lookAt(input.$set_once),
      $unset: lookAt(input.$unset),
    };
  } catch {
    // Not only the rest: the values of two readings may not fit together.
    return readInput(input, FIELD_NAMES, warn);
  }
  completeInput(given, input, FIELD_NAMES, warn);
  return given;
}

/** null if a field breaks its rule. */
function sourceOf(given: Given, definition: DefinedEvent | undefined, warn: Warn): SourceEvent | null {
  const { event, disableGeoip, options } = given;
  const distinctId = optional(given.distinctId, distinctIdOf, warn);
  const groups = optional(given.groups, groupKeysOf, warn);
  const timestamp = optional(given.timestamp, timestampOf, warn);
  const switches = optional(options, switchesOf, warn);
  const properties = optional(given.properties, contentOf, warn);
  const dedupeKey = optional(given.dedupeKey, DEDUPE_KEY.read, warn);
  if (!isEventName(event) || distinctId === null || groups === null || timestamp === null || switches === null) {
    return null;
  }
  if (properties === null || dedupeKey === null || (dedupeKey !== undefined && timestamp === undefined)) return null;
  if (!isMissing(disableGeoip) && typeof disableGeoip !== 'boolean') return null;

  const uuid = optional(given.uuid, UUID.read, warn);
  if (uuid === null) warn(UUID.replaced);
  else if (uuid !== undefined && dedupeKey !== undefined) warn(OWN_UUID);
  const illegal = distinctId === undefined ? undefined : illegalDistinctIdWarning('distinctId', distinctId);
  if (illegal !== undefined) warn(illegal);
  if (isObject(options)) warnOfUnknownFields(options, OPTION_NAMES, warn, 'options');
  return {
    event,
    distinctId,
    definition,
    properties,
    groups,
    flags: isMissing(given.flags) ? undefined : flagsOf(given.flags, event, warn),
    timestamp,
    uuid: uuid ?? undefined,
    dedupeKey,
    disableGeoip: disableGeoip ?? undefined,
    switches,
    root: rootOf(given),
    thrown: undefined,
    needsProfile: needsProfile(event),
    isBare: false,
  };
}

function flagsOf(flags: unknown, event: string, warn: Warn): FlagValues | undefined {
  if (event === FLAG_CALLED) return undefined;
  const values = readBy(FLAGS, flags, warn);
  if (values === null) warn(`${problemOf(FLAGS, 'flags', flags)}; it was left out`);
  return values ?? undefined;
}

function rootOf({ $set, $set_once, $unset }: Given): Record<string, unknown> | undefined {
  if (isMissing($set) && isMissing($set_once) && isMissing($unset)) return undefined;
  return { $set: $set ?? undefined, $set_once: $set_once ?? undefined, $unset: $unset ?? undefined };
}

/** undefined if not given, null if it breaks the rule or throws. */
function optional<T>(value: unknown, read: Rule<T>['read'], warn: Warn): T | null | undefined {
  if (isMissing(value)) return undefined;
  try {
    return read(value, warn);
  } catch {
    return null;
  }
}

/** The switches by their property names. */
function switchesOf(options: unknown): Record<string, unknown> | null {
  if (!isObject(options)) return null;
  const switches: Record<string, unknown> = {};
  for (const { field, property, type } of INGESTION_SWITCHES) {
    const value = readField(options, field);
    if (isMissing(value)) continue;
    if (typeof value !== type) return null;
    switches[property] = value;
  }
  return switches;
}

function problemsOf(given: Given): string {
  const silent = (): void => undefined;
  const results: ({ problem: string } | { values: unknown })[] = [valuesOf(EVENT_FIELDS, given, silent)];
  if (isObject(given.options)) {
    const options = readInput(given.options, OPTION_NAMES, silent);
    results.push(valuesOf(OPTION_FIELDS, options, silent, 'options.'));
  }
  if (!isMissing(given.dedupeKey) && isMissing(given.timestamp)) results.push({ problem: NO_DEDUPE_TIMESTAMP });
  return results.flatMap((result) => ('problem' in result ? [result.problem] : [])).join('; ') || INCONSISTENT;
}
