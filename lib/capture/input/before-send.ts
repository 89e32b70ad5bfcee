import { types } from 'node:util';
import { distinctIdOf } from '../../context/distinct-id.js';
import { describe, isObject, readable, readField } from '../../shared/untrusted-values.js';
import { type PostHogEvent } from '../../wire/posthog-event.js';
import { isEventName } from './rules.js';
import { correctReserved, type ReservedSettings } from './reserved-properties.js';
import { timestampOf } from './timestamp.js';
import { uuidOf } from '../event/uuid.js';

/** A filter of the application: returns the event, changed or not, or null to drop it. */
type BeforeSendFilter = (event: PostHogEvent) => PostHogEvent | null;

/** What the filters left of an event: itself, or why it is dropped. */
export type Filtered =
  { readonly event: PostHogEvent } | { readonly reason: 'before_send' | 'invalid'; readonly detail: string };

/** Runs the filters in order. Whatever they do, nothing is ever sent unfiltered, nor unchecked. Never throws. */
export function applyBeforeSend(
  event: PostHogEvent,
  filters: readonly BeforeSendFilter[],
  settings: ReservedSettings,
  warn: (warning: string) => void,
): Filtered {
  // A filter may change the event that it is given.
  const original = { uuid: event.uuid, timestamp: event.timestamp };
  let filtered: unknown = event;
  for (const filter of filters) {
    try {
      filtered = filter(filtered as PostHogEvent);
      if (filtered === null || filtered === undefined)
        return { reason: 'before_send', detail: 'a beforeSend returned nothing' };
      if (!isObject(filtered)) return { reason: 'before_send', detail: notAnEvent(filtered) };
    } catch {
      // The error's message may quote the event.
      return { reason: 'before_send', detail: 'a beforeSend threw' };
    }
  }
  return checked(filtered as object, original, settings, warn);
}

function notAnEvent(answer: unknown): string {
  if (!types.isPromise(answer)) return `a beforeSend must return an event or null, but it returned ${describe(answer)}`;
  // Nobody will await it.
  answer.catch(() => undefined);
  return 'a beforeSend must be synchronous, but it returned a promise';
}

function checked(
  filtered: object,
  original: Pick<PostHogEvent, 'uuid' | 'timestamp'>,
  settings: ReservedSettings,
  warn: (warning: string) => void,
): Filtered {
  const invalid = (field: string, value: unknown): Filtered => ({
    reason: 'invalid',
    detail: `after beforeSend ${field} is not valid: it is ${describe(value)}`,
  });
  const event = readField(filtered, 'event');
  const distinctId = readField(filtered, 'distinct_id');
  const given = readField(filtered, 'properties');
  const id = distinctIdOf(distinctId);
  if (!isEventName(event)) return invalid('event', event);
  if (id === null) return invalid('distinct_id', distinctId);
  if (!isObject(given)) return invalid('properties', given);
  const kept = <T>(field: 'uuid' | 'timestamp', read: (value: unknown) => T | null, before: T): T => {
    const value = readField(filtered, field);
    const valid = read(value);
    if (valid === null)
      warn(`${field} after beforeSend is not valid: it is ${describe(value)}; the former one was kept`);
    return valid ?? before;
  };
  // Once and for all: a getter or a proxy may answer something else later.
  const properties = readable(given);
  correctReserved(properties, settings, warn);
  return {
    event: {
      event,
      distinct_id: id,
      uuid: kept('uuid', uuidOf, original.uuid),
      timestamp: kept('timestamp', timestampOf, original.timestamp),
      properties,
    },
  };
}
