import { IsOptional, IsString } from 'class-validator';
import { IsSwitch } from './rules.js';

/** Per-event switches of PostHog's ingestion, in the spelling of its API. */
export class CaptureEventOptionsDto {
  @IsOptional()
  @IsSwitch()
  cookieless_mode?: boolean;

  @IsOptional()
  @IsSwitch()
  disable_skew_correction?: boolean;

  @IsOptional()
  @IsSwitch()
  process_person_profile?: boolean;

  @IsOptional()
  @IsString()
  product_tour_id?: string;
}
