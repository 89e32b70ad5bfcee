/** One event as application code captures it. Field names are posthog-node's. */
export interface CaptureEvent {
  /** What happened, e.g. `order_placed`. Not blank; at most 200 bytes of UTF-8. */
  event: string;
  /**
   * Who did it. Trimmed; at most 200 bytes of UTF-8. Without one the context decides, and without a context the
   * event is personless (a random id and `$process_person_profile: false`).
   */
  distinctId?: string | number;
  /** Anything that JSON can say; what it cannot say is made safe. */
  properties?: Record<string, unknown>;
  /** Group type to group key, sent as `$groups`. */
  groups?: Record<string, string | number>;
  /** When it happened. Default: now. A string is ISO 8601; without an offset it is UTC. */
  timestamp?: Date | string;
  /** Default: a new uuid of version 7. One that is not a uuid is replaced, with a warning. */
  uuid?: string;
  /** Whether PostHog may locate the event by IP address. Default: the module's `disableGeoip`. */
  disableGeoip?: boolean;
  /** Switches of PostHog's ingestion for this event. */
  options?: CaptureEventOptions;
}

/** Per-event switches of PostHog's ingestion. Unset ones are not sent. */
export interface CaptureEventOptions {
  cookielessMode?: boolean;
  disableSkewCorrection?: boolean;
  processPersonProfile?: boolean;
  productTourId?: string;
}

/** Sets properties of a person, and links an anonymous id to it when given. */
export interface IdentifyInput {
  distinctId: string | number;
  set?: Record<string, unknown>;
  setOnce?: Record<string, unknown>;
  /** The id under which the person was known before. */
  anonDistinctId?: string | number;
  /** posthog-node's bag: holds `$set` and `$set_once`, or is itself what to set. */
  properties?: Record<string, unknown>;
}

/** Makes `alias` another name of `distinctId`. PostHog cannot undo a merge. */
export interface AliasInput {
  distinctId: string | number;
  alias: string | number;
}

/** Sets properties of a group. */
export interface GroupIdentifyInput {
  groupType: string;
  /** At most 400 characters. */
  groupKey: string | number;
  set?: Record<string, unknown>;
  /** Default: `$<groupType>_<groupKey>`, PostHog's own convention. */
  distinctId?: string | number;
  /** posthog-node's name for `set`. */
  properties?: Record<string, unknown>;
}

/** Sets properties of a person. */
export interface SetPersonPropertiesInput {
  distinctId: string | number;
  set?: Record<string, unknown>;
  setOnce?: Record<string, unknown>;
  /** posthog-node's bag: holds `$set` and `$set_once`, or is itself what to set. */
  properties?: Record<string, unknown>;
}

/** Removes properties of a person. */
export interface UnsetPersonPropertiesInput {
  distinctId: string | number;
  unset?: string[];
  /** posthog-node's name for `unset`. */
  properties?: string[];
}
