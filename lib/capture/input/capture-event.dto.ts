// The decorators below need it, and this may be the first file of an application to load.
import 'reflect-metadata';
import { Type } from 'class-transformer';
import { ValidateNested } from 'class-validator';
import { INGESTION_SWITCHES } from '../../wire/ingestion-switches.js';
import { type CaptureEventOptions } from '../../events/event-envelope.js';
import { type CaptureEvent } from '../capture-event.js';
import {
  BOOLEAN,
  DEDUPE_KEY,
  DISTINCT_ID,
  EVENT_NAME,
  EVENT_PROPERTIES,
  Follows,
  GROUPS,
  PROPERTIES,
  PROPERTY_NAMES,
  STRING,
  TIMESTAMP,
  UUID,
} from './rules.js';

/** Per-event switches of PostHog's ingestion, in the spelling of its API. */
export class CaptureEventOptionsDto {
  @Follows(BOOLEAN, 'optional')
  cookieless_mode?: boolean;

  @Follows(BOOLEAN, 'optional')
  disable_skew_correction?: boolean;

  @Follows(BOOLEAN, 'optional')
  process_person_profile?: boolean;

  @Follows(STRING, 'optional')
  product_tour_id?: string;
}

export const OPTIONS_DTO_FIELDS: readonly string[] = INGESTION_SWITCHES.map(({ option }) => option);

/**
 * An event as JSON in PostHog's spelling: the body of a request, a job file, a line of an import.
 * Works with Nest's ValidationPipe in any of its modes: with `transform: true` the handler gets an instance, which CaptureService accepts
 * as it is; otherwise a plain object, which `captureEventOf` converts.
 */
export class CaptureEventDto {
  /** Not blank; at most 200 bytes of UTF-8. */
  @Follows(EVENT_NAME, 'required')
  event!: string;

  /** The person. Not blank; at most 200 bytes of UTF-8. */
  @Follows(DISTINCT_ID, 'required')
  distinct_id!: string | number;

  @Follows(EVENT_PROPERTIES, 'optional')
  properties?: Record<string, unknown>;

  /** Time of the event in ISO 8601, UTC if it has no offset, or in epoch seconds or milliseconds. Default: now. */
  @Follows(TIMESTAMP, 'optional')
  timestamp?: string | number;

  /** Default: a new uuid. */
  @Follows(UUID, 'optional')
  uuid?: string;

  /** Group type to group key. */
  @Follows(GROUPS, 'optional')
  groups?: Record<string, string | number>;

  /** true: PostHog does not locate the event by IP address. Default: the module's `disableGeoip`. */
  @Follows(BOOLEAN, 'optional')
  disable_geoip?: boolean;

  @Follows(EVENT_PROPERTIES, 'optional')
  @ValidateNested()
  @Type(() => CaptureEventOptionsDto)
  options?: CaptureEventOptionsDto;

  /** Id of what happened, from which the uuid is derived: see `dedupeKey` of `CaptureService.capture`. Needs a `timestamp`. */
  @Follows(DEDUPE_KEY, 'optional')
  dedupe_key?: string | number;

  /** Properties of the person. Merged into `properties.$set`, over which it takes precedence. */
  @Follows(PROPERTIES, 'optional')
  $set?: Record<string, unknown>;

  /** As `$set`, but does not replace existing values of the person. */
  @Follows(PROPERTIES, 'optional')
  $set_once?: Record<string, unknown>;

  /** Names of properties that the person loses. */
  @Follows(PROPERTY_NAMES, 'optional')
  $unset?: string[];

  /** The event in the spelling of CaptureService. */
  toCaptureEvent(): CaptureEvent {
    return captureEventOf(this);
  }
}

/** Converts a CaptureEventDto, or a plain object of that shape, for CaptureService. */
export function captureEventOf(dto: Omit<CaptureEventDto, 'toCaptureEvent'>): CaptureEvent {
  const { event, distinct_id, properties, timestamp, uuid, groups, disable_geoip, options, dedupe_key, ...root } = dto;
  const captured: CaptureEvent = { event, distinctId: distinct_id, properties, timestamp, uuid, groups };
  const { $set, $set_once, $unset } = root;
  if ($set !== undefined) captured.$set = $set;
  if ($set_once !== undefined) captured.$set_once = $set_once;
  if ($unset !== undefined) captured.$unset = $unset;
  if (dedupe_key !== undefined) captured.dedupeKey = dedupe_key;
  if (disable_geoip !== undefined) captured.disableGeoip = disable_geoip;
  if (options) {
    const switches = INGESTION_SWITCHES.map(({ field, option }) => [field, options[option]]);
    captured.options = Object.fromEntries(switches) as CaptureEventOptions;
  }
  return captured;
}
