import { type EvaluatedFlags } from './evaluated-flags.js';

/** Fields of an event that the calls for persons, groups and errors take as well. */
export interface EventDetails {
  /**
   * Time of the event: a Date, or an object of a date library (Luxon, Moment, Day.js, Temporal); a string in ISO 8601, UTC unless it has an
   * offset; or epoch seconds (a number below 100 000 000 000) or milliseconds (above). Default: now.
   */
  timestamp?: Date | string | number;
  /** Default: a new uuid of version 7. An invalid one is replaced, with a warning. */
  uuid?: string;
  /** true: PostHog does not locate the event by IP address. Default: the module's `disableGeoip`. */
  disableGeoip?: boolean;
}

/** Per-event switches of PostHog's ingestion. Not sent unless set. */
export interface CaptureEventOptions {
  cookielessMode?: boolean;
  disableSkewCorrection?: boolean;
  processPersonProfile?: boolean;
  productTourId?: string;
}

/** The fields of an event besides its name and its properties. They are named as in posthog-node. */
export interface EventEnvelope extends EventDetails {
  /**
   * The person. Trimmed; at most 200 bytes of UTF-8. Default: the person of the context. Without any, the event is personless (a random
   * id and `$process_person_profile: false`).
   */
  distinctId?: string | number;
  /** Group type to group key, sent as `$groups`. */
  groups?: Record<string, string | number>;
  /**
   * Flags whose values the event gets: `$feature/<key>` for each, and `$active_feature_flags`. Makes no request. `properties` take precedence.
   * Ignored by `$feature_flag_called`.
   */
  flags?: EvaluatedFlags;
  options?: CaptureEventOptions;
  /**
   * Id of what happened, such as that of a webhook's delivery: the event's uuid is derived from it, the event's name, the person and the
   * project, so that PostHog stores an event that is captured again as one, whenever and wherever it is. A second one in this process is dropped
   * as `duplicate`, unless the first was dropped. Needs a `timestamp`, which must be the same each time. A string or a number, at most 1000
   * characters. Not sent.
   */
  dedupeKey?: string | number;
  /** Properties of the person, as in PostHog's API. Merged into `properties.$set`, over which it takes precedence. */
  $set?: Record<string, unknown>;
  /** As `$set`, but does not replace existing values of the person. */
  $set_once?: Record<string, unknown>;
  /** Names of properties that the person loses, in addition to those of `properties.$unset`. */
  $unset?: string[];
}
