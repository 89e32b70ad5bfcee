import { distinctIdOf, illegalDistinctIdWarning } from '../../context/distinct-id.js';
import { groupKeysOf } from '../../context/group-keys.js';
import { warnOfUnknownFields } from '../../shared/unknown-fields.js';
import { describe, isObject, lookAt, readField } from '../../shared/untrusted-values.js';
import { type CaptureEvent, type CaptureEventOptions } from '../capture-event.js';
import { CaptureEventInput, CaptureEventOptionsInput } from './capture-inputs.dto.js';
import { explain } from './explain.js';
import { isEventName } from './rules.js';
import { completeInput, readInput, type Warn } from './read-input.js';
import { type Checked, needsProfile, NO_WARNINGS, refuse, type SourceEvent } from './source-event.js';
import { timestampOf } from './timestamp.js';
import { uuidOf } from '../event/uuid.js';

const FIELDS: readonly (keyof CaptureEvent)[] = [
  'event',
  'distinctId',
  'properties',
  'groups',
  'timestamp',
  'uuid',
  'disableGeoip',
  'options',
];
const OPTION_FIELDS: readonly (keyof CaptureEventOptions)[] = [
  'cookielessMode',
  'disableSkewCorrection',
  'processPersonProfile',
  'productTourId',
];

const FICKLE = 'a field answers something else each time it is read';

type Fields = { readonly [Field in keyof CaptureEvent]?: unknown };

/**
 * Checks what `capture` was given. The same predicates that the DTO's rules are made of decide first; class-validator
 * runs only to explain what is wrong. Never throws, whatever the input is.
 */
export function checkEvent(input: unknown): Checked {
  try {
    if (!isObject(input)) return refuse('', `an event must be an object, but it is ${describe(input)}`);
    // A CaptureEventDto, perhaps of the package's other build: no class would stand for both.
    const toCaptureEvent = readField(input, 'toCaptureEvent');
    const event: unknown = typeof toCaptureEvent === 'function' ? Reflect.apply(toCaptureEvent, input, []) : input;
    if (!isObject(event)) return refuse('', `toCaptureEvent() must return an object, but it is ${describe(event)}`);
    let warnings: string[] | undefined;
    const warn = (warning: string): void => void (warnings ??= []).push(warning);
    const fields = readEvent(event, warn);
    const source = sourceOf(fields, warn);
    if (source === null) return refuse(fields.event, problemOf(fields));
    return { ok: true, source, warnings: warnings ?? NO_WARNINGS };
  } catch {
    return refuse('', 'toCaptureEvent() must return an object, but it threw');
  }
}

/** What `readInput` reads, by name, which takes V8 less than a list of names. Where a field throws all are read a second time. */
function readEvent(input: Readonly<Record<string, unknown>>, warn: Warn): Fields {
  let fields: Record<keyof CaptureEvent, unknown>;
  try {
    fields = {
      event: lookAt(input.event),
      distinctId: lookAt(input.distinctId),
      properties: lookAt(input.properties),
      groups: lookAt(input.groups),
      timestamp: lookAt(input.timestamp),
      uuid: lookAt(input.uuid),
      disableGeoip: lookAt(input.disableGeoip),
      options: lookAt(input.options),
    };
  } catch {
    // Not only the rest: what two readings say does not belong together.
    return readInput(input, FIELDS, warn);
  }
  return completeInput(fields, input, FIELDS, warn);
}

/** The event that valid fields stand for; null when one of them breaks its rule. */
function sourceOf(fields: Fields, warn: Warn): SourceEvent | null {
  const { event, properties, disableGeoip, options } = fields;
  const distinctId = optional(fields.distinctId, distinctIdOf);
  const groups = optional(fields.groups, groupKeysOf);
  const timestamp = optional(fields.timestamp, timestampOf);
  const switches = optional(options, switchesOf);
  if (!isEventName(event) || distinctId === null || groups === null || timestamp === null || switches === null) {
    return null;
  }
  if (!isMissing(properties) && !isObject(properties)) return null;
  if (!isMissing(disableGeoip) && typeof disableGeoip !== 'boolean') return null;

  const uuid = optional(fields.uuid, uuidOf);
  if (uuid === null) warn('uuid is not a uuid and was replaced by a new one');
  const illegal = distinctId === undefined ? undefined : illegalDistinctIdWarning('distinctId', distinctId);
  if (illegal !== undefined) warn(illegal);
  if (isObject(options)) warnOfUnknownFields(options, OPTION_FIELDS, warn, 'options');
  return {
    event,
    distinctId,
    properties: properties ?? undefined,
    groups,
    timestamp,
    uuid: uuid ?? undefined,
    disableGeoip: disableGeoip ?? undefined,
    switches,
    needsProfile: needsProfile(event),
  };
}

function isMissing(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

/** undefined when not given, null when it breaks the rule or throws. */
function optional<T>(value: unknown, read: (value: unknown) => T | null): T | null | undefined {
  if (isMissing(value)) return undefined;
  try {
    return read(value);
  } catch {
    return null;
  }
}

/** The switches as the properties that PostHog knows them by. */
function switchesOf(options: unknown): Record<string, unknown> | null {
  if (!isObject(options)) return null;
  const productTourId = readField(options, 'productTourId');
  const flags = {
    $cookieless_mode: readField(options, 'cookielessMode'),
    $ignore_sent_at: readField(options, 'disableSkewCorrection'),
    $process_person_profile: readField(options, 'processPersonProfile'),
  };
  const switches: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(flags)) {
    if (isMissing(value)) continue;
    if (typeof value !== 'boolean') return null;
    switches[name] = value;
  }
  if (isMissing(productTourId)) return switches;
  if (typeof productTourId !== 'string') return null;
  return { ...switches, $product_tour_id: productTourId };
}

/** Why the fields make no event. */
function problemOf(fields: Fields): string {
  try {
    const problems = [explain(Object.assign(new CaptureEventInput(), fields))];
    if (isObject(fields.options)) {
      const options = readInput(fields.options, OPTION_FIELDS, () => undefined);
      problems.push(explain(Object.assign(new CaptureEventOptionsInput(), options), 'options.'));
    }
    return problems.filter(Boolean).join('; ') || FICKLE;
  } catch {
    return FICKLE;
  }
}
