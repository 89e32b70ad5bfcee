import { IsOptional, IsString } from 'class-validator';
import { type CaptureEvent, type CaptureEventOptions } from '../capture-event.js';
import { IsDistinctId, IsEventName, IsGroups, IsProperties, IsSwitch, IsTimestamp } from './rules.js';

/** The rules of the switches of an event captured from code. */
export class CaptureEventOptionsInput implements CaptureEventOptions {
  @IsOptional()
  @IsSwitch()
  cookielessMode?: boolean;

  @IsOptional()
  @IsSwitch()
  disableSkewCorrection?: boolean;

  @IsOptional()
  @IsSwitch()
  processPersonProfile?: boolean;

  @IsOptional()
  @IsString()
  productTourId?: string;
}

/** The rules of an event captured from code. A uuid has none: one that is none is replaced. */
export class CaptureEventInput implements CaptureEvent {
  @IsEventName()
  event!: string;

  @IsOptional()
  @IsDistinctId()
  distinctId?: string | number;

  @IsOptional()
  @IsProperties()
  properties?: Record<string, unknown>;

  @IsOptional()
  @IsGroups()
  groups?: Record<string, string | number>;

  @IsOptional()
  @IsTimestamp()
  timestamp?: Date | string;

  @IsOptional()
  @IsSwitch()
  disableGeoip?: boolean;

  /** Its own rules are checked apart: class-validator would go through a list to its end, and a sparse one could be endless. */
  @IsOptional()
  @IsProperties()
  options?: CaptureEventOptionsInput;
}
