// The decorators below need it, and this may be the first file of an application to load.
import 'reflect-metadata';
import { Type } from 'class-transformer';
import { IsOptional, ValidateNested } from 'class-validator';
import { type CaptureEvent } from '../capture-event.js';
import { CaptureEventOptionsDto } from './capture-event-options.dto.js';
import { IsDistinctId, IsEventName, IsGroups, IsProperties, IsSwitch, IsTimestamp, IsUuidText } from './rules.js';

/**
 * One event as JSON at the door: the body of a request, a job file, a line of an import. The spelling is PostHog's.
 * For Nest's ValidationPipe in any of its modes: with `transform: true` the handler gets an instance, which CaptureService takes
 * as it is; without, a plain object, which `captureEventOf` spells for it.
 */
export class CaptureEventDto {
  /** What happened. Not blank; at most 200 bytes of UTF-8. */
  @IsEventName()
  event!: string;

  /** Who did it. Not blank; at most 200 bytes of UTF-8. */
  @IsDistinctId()
  distinct_id!: string | number;

  @IsOptional()
  @IsProperties()
  properties?: Record<string, unknown>;

  /** When it happened, in ISO 8601; without an offset it is UTC. Default: now. */
  @IsOptional()
  @IsTimestamp()
  timestamp?: string;

  /** Default: a new uuid. */
  @IsOptional()
  @IsUuidText()
  uuid?: string;

  /** Group type to group key. */
  @IsOptional()
  @IsGroups()
  groups?: Record<string, string | number>;

  /** Whether PostHog may locate the event by IP address. Default: the module's `disableGeoip`. */
  @IsOptional()
  @IsSwitch()
  disable_geoip?: boolean;

  @IsOptional()
  @IsProperties()
  @ValidateNested()
  @Type(() => CaptureEventOptionsDto)
  options?: CaptureEventOptionsDto;

  /** The event in the spelling of CaptureService. */
  toCaptureEvent(): CaptureEvent {
    return captureEventOf(this);
  }
}

/** What a CaptureEventDto says, for CaptureService. Also for a plain object of that shape. */
export function captureEventOf(dto: Omit<CaptureEventDto, 'toCaptureEvent'>): CaptureEvent {
  const { event, distinct_id, properties, timestamp, uuid, groups, disable_geoip, options } = dto;
  const captured: CaptureEvent = { event, distinctId: distinct_id, properties, timestamp, uuid, groups };
  if (disable_geoip !== undefined) captured.disableGeoip = disable_geoip;
  if (options) {
    captured.options = {
      cookielessMode: options.cookieless_mode,
      disableSkewCorrection: options.disable_skew_correction,
      processPersonProfile: options.process_person_profile,
      productTourId: options.product_tour_id,
    };
  }
  return captured;
}
