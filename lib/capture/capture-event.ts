import { type EventDetails, type EventEnvelope } from '../events/event-envelope.js';
import { type ExceptionLevel } from './exception/capture-boundary.js';

/** An event as application code captures it. The fields are named as in posthog-node. */
export interface CaptureEvent extends EventEnvelope {
  /** The name, e.g. `order_placed`. Not blank; at most 200 bytes of UTF-8. */
  event: string;
  /** Values that JSON has no form for (BigInt, cycles, Map, …) are converted. */
  properties?: Record<string, unknown>;
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
