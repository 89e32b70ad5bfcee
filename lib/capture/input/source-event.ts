import { type DropReason } from '../../delivery/delivery.js';
import { type DefinedEvent } from '../../events/defined-event.js';
import { type Thrown } from '../exception/exceptions.js';
import { type FlagValues } from './read-flags.js';

/** A checked event with normalized values. */
export interface SourceEvent {
  readonly event: string;
  /** undefined: from the context. */
  readonly distinctId: string | undefined;
  /** The definition that the event was made from. */
  readonly definition: DefinedEvent | undefined;
  /** The caller's own object: `buildEvent` copies it, so that it is read once. */
  readonly properties: Readonly<Record<string, unknown>> | undefined;
  readonly groups: Readonly<Record<string, string>> | undefined;
  readonly flags: FlagValues | undefined;
  /** RFC 3339 UTC; undefined: now. */
  readonly timestamp: string | undefined;
  /** Lower case; undefined: a new one. */
  readonly uuid: string | undefined;
  /** Only of an event with a timestamp. Default: none. */
  readonly dedupeKey?: string | undefined;
  readonly disableGeoip: boolean | undefined;
  /** The event's `options`, by their names as properties. */
  readonly switches: Readonly<Record<string, unknown>> | undefined;
  /** `$set`, `$set_once` and `$unset` from the root of the event, unchecked; undefined if none is given. */
  readonly root: Readonly<Record<string, unknown>> | undefined;
  /** The value of `captureException()`, which the event describes. */
  readonly thrown: Thrown | undefined;
  /** True if `$process_person_profile: false` would make PostHog ignore the event. */
  readonly needsProfile: boolean;
  /** True: neither `superProperties` nor properties of the context are added. */
  readonly isBare: boolean;
  /** True if it was captured for PostHog's endpoint for AI events. Default: false. */
  readonly isAi?: boolean;
}

/** The result of checking an input. Warnings and problems hold no property values. */
export type Checked =
  | { readonly ok: true; readonly source: SourceEvent; readonly warnings: readonly string[] }
  | {
      readonly ok: false;
      readonly event: string;
      readonly problem: string;
      /** Default: `invalid`. */
      readonly reason?: DropReason;
    };

/** Shared by all inputs without a warning. */
export const NO_WARNINGS: readonly string[] = Object.freeze([]);

/** Maximum length of a refused event's name in reports. */
const MAX_REPORTED_NAME = 200;

/** @param event the name for reports, if it is known */
export function refuse(event: unknown, problem: string): Checked {
  return { ok: false, event: typeof event === 'string' ? event.slice(0, MAX_REPORTED_NAME) : '', problem };
}

/** The events that PostHog ignores where `$process_person_profile` is false. */
const NEED_PROFILE: ReadonlySet<string> = new Set([
  '$identify',
  '$create_alias',
  '$merge_dangerously',
  '$groupidentify',
]);

export const needsProfile = (event: string): boolean => NEED_PROFILE.has(event);

/** True for an event that only changes a person or a group. */
export const isOfPerson = (event: string): boolean => event === '$set' || needsProfile(event);
