import { type EvaluatedFlags } from './evaluated-flags.js';
import { type ExceptionLevel } from './exception/capture-boundary.js';

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

/** An event as application code captures it. The fields are named as in posthog-node. */
export interface CaptureEvent extends EventDetails {
  /** The name, e.g. `order_placed`. Not blank; at most 200 bytes of UTF-8. */
  event: string;
  /**
   * The person. Trimmed; at most 200 bytes of UTF-8. Default: the person of the context. Without any, the event is personless (a random
   * id and `$process_person_profile: false`).
   */
  distinctId?: string | number;
  /** Values that JSON has no form for (BigInt, cycles, Map, …) are converted. */
  properties?: Record<string, unknown>;
  /** Group type to group key, sent as `$groups`. */
  groups?: Record<string, string | number>;
  /**
   * Flags whose values the event gets: `$feature/<key>` for each, and `$active_feature_flags`. Makes no request. `properties` take precedence.
   * Ignored by `$feature_flag_called`.
   */
  flags?: EvaluatedFlags;
  options?: CaptureEventOptions;
  /** Properties of the person, as in PostHog's API. Merged into `properties.$set`, over which it takes precedence. */
  $set?: Record<string, unknown>;
  /** As `$set`, but does not replace existing values of the person. */
  $set_once?: Record<string, unknown>;
  /** Names of properties that the person loses, in addition to those of `properties.$unset`. */
  $unset?: string[];
}

/** Per-event switches of PostHog's ingestion. Not sent unless set. */
export interface CaptureEventOptions {
  cookielessMode?: boolean;
  disableSkewCorrection?: boolean;
  processPersonProfile?: boolean;
  productTourId?: string;
}

/** Input of `CaptureService.identify`. */
export interface IdentifyInput extends EventDetails {
  distinctId: string | number;
  set?: Record<string, unknown>;
  /** Does not replace existing values. */
  setOnce?: Record<string, unknown>;
  /** An earlier, anonymous id of the person, which PostHog merges. */
  anonDistinctId?: string | number;
  /**
   * posthog-node's field: has `$set` and `$set_once`, or the properties to set.
   *
   * @deprecated use `set` and `setOnce`
   */
  properties?: Record<string, unknown>;
}

/** Input of `CaptureService.alias`: makes `alias` another id of `distinctId`. PostHog cannot undo a merge. */
export interface AliasInput extends EventDetails {
  distinctId: string | number;
  alias: string | number;
}

/** Input of `CaptureService.groupIdentify`. */
export interface GroupIdentifyInput extends EventDetails {
  groupType: string;
  /** At most 400 characters. */
  groupKey: string | number;
  set?: Record<string, unknown>;
  /** Default: `$<groupType>_<groupKey>`, PostHog's own convention. */
  distinctId?: string | number;
  /**
   * posthog-node's name of `set`.
   *
   * @deprecated use `set`
   */
  properties?: Record<string, unknown>;
}

/** Input of `CaptureService.setPersonProperties`. */
export interface SetPersonPropertiesInput extends EventDetails {
  distinctId: string | number;
  set?: Record<string, unknown>;
  /** Does not replace existing values. */
  setOnce?: Record<string, unknown>;
  /**
   * posthog-node's field: has `$set` and `$set_once`, or the properties to set.
   *
   * @deprecated use `set` and `setOnce`
   */
  properties?: Record<string, unknown>;
  /**
   * posthog-node's name of `setOnce`.
   *
   * @deprecated use `setOnce`
   */
  propertiesOnce?: Record<string, unknown>;
}

/** Input of `CaptureService.unsetPersonProperties`. */
export interface UnsetPersonPropertiesInput extends EventDetails {
  distinctId: string | number;
  /** Names of the properties to remove. */
  unset?: string[];
  /**
   * posthog-node's name of `unset`.
   *
   * @deprecated use `unset`
   */
  properties?: string[];
}

/** The second argument of `CaptureService.captureException`. */
export interface ExceptionDetails extends EventDetails {
  /** Default: the person of the context. */
  distinctId?: string | number;
  /** Properties that describe the error, such as `$exception_list`, are left out, with a warning. */
  properties?: Record<string, unknown>;
  /** Severity. Names of loggers (`warn`, `critical`, `trace`) are converted. Default: `error`. */
  level?: ExceptionLevel;
  /** Groups errors into one issue, in place of PostHog's own rules. */
  fingerprint?: string;
}

/** Options of the calls that wait for PostHog's response. */
export interface CaptureNowOptions {
  /** Milliseconds, including retries. Default: 10 000 */
  timeoutMs?: number;
  /** Aborts the attempt. */
  signal?: AbortSignal;
}
