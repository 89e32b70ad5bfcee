/** An event as application code captures it. The fields are named as in posthog-node. */
export interface CaptureEvent {
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
  /** Time of the event. A string is ISO 8601, in UTC unless it has an offset. Default: now. */
  timestamp?: Date | string;
  /** Default: a new uuid of version 7. An invalid one is replaced, with a warning. */
  uuid?: string;
  /** true: PostHog does not locate the event by IP address. Default: the module's `disableGeoip`. */
  disableGeoip?: boolean;
  options?: CaptureEventOptions;
}

/** Per-event switches of PostHog's ingestion. Not sent unless set. */
export interface CaptureEventOptions {
  cookielessMode?: boolean;
  disableSkewCorrection?: boolean;
  processPersonProfile?: boolean;
  productTourId?: string;
}

/** Input of `CaptureService.identify`. */
export interface IdentifyInput {
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
export interface AliasInput {
  distinctId: string | number;
  alias: string | number;
}

/** Input of `CaptureService.groupIdentify`. */
export interface GroupIdentifyInput {
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
export interface SetPersonPropertiesInput {
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
}

/** Input of `CaptureService.unsetPersonProperties`. */
export interface UnsetPersonPropertiesInput {
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
