import { types } from 'node:util';
import { type BeforeSend } from '../../options/posthog-capture.options.js';
import { type Warn } from '../../shared/unknown-fields.js';
import { contentOf, describe, isObject, plainCopy, readField } from '../../shared/untrusted-values.js';
import { type PostHogEvent } from '../../wire/posthog-event.js';
import { correctReserved, type ReservedSettings } from './reserved-properties.js';
import { DISTINCT_ID, EVENT_NAME, readBy, type Rule, TIMESTAMP, UUID } from './rules.js';

/** The checked event that `beforeSend` returned, or the reason why it is dropped. */
export type Filtered =
  { readonly event: PostHogEvent } | { readonly reason: 'before_send' | 'invalid'; readonly detail: string };

/** Calls the filters in order and checks the result. If one fails, the event is dropped: nothing is sent unfiltered. Never throws. */
export function applyBeforeSend(
  event: PostHogEvent,
  filters: readonly BeforeSend[],
  settings: ReservedSettings,
  warn: Warn,
): Filtered {
  // A filter may change its argument.
  const original = { uuid: event.uuid, timestamp: event.timestamp };
  let filtered: unknown = event;
  for (const filter of filters) {
    try {
      filtered = filter(filtered as PostHogEvent);
      if (filtered === null || filtered === undefined)
        return { reason: 'before_send', detail: 'beforeSend returned nothing' };
      if (!isObject(filtered)) return { reason: 'before_send', detail: notAnEvent(filtered) };
    } catch {
      // The error's message may quote the event.
      return { reason: 'before_send', detail: 'beforeSend threw' };
    }
  }
  return checked(filtered as object, original, settings, warn);
}

function notAnEvent(result: unknown): string {
  if (!types.isPromise(result)) return `beforeSend must return an event or null, but it returned ${describe(result)}`;
  // Otherwise a rejection would be unhandled.
  result.catch(() => undefined);
  return 'beforeSend must be synchronous, but it returned a promise';
}

function checked(
  filtered: object,
  original: Pick<PostHogEvent, 'uuid' | 'timestamp'>,
  settings: ReservedSettings,
  warn: Warn,
): Filtered {
  const invalid = (field: string, value: unknown): Filtered => ({
    reason: 'invalid',
    detail: `${field} is not valid after beforeSend: it is ${describe(value)}`,
  });
  const event = readField(filtered, 'event');
  const distinctId = readField(filtered, 'distinct_id');
  const given = readField(filtered, 'properties');
  const name = readBy(EVENT_NAME, event);
  const id = readBy(DISTINCT_ID, distinctId);
  if (name === null) return invalid('event', event);
  if (id === null) return invalid('distinct_id', distinctId);
  const content = contentOf(given);
  if (content === null) return invalid('properties', given);
  const kept = (field: 'uuid' | 'timestamp', rule: Rule<string>): string => {
    const value = readField(filtered, field);
    const valid = readBy(rule, value);
    if (valid === null) warn(`${field} is not valid after beforeSend: it is ${describe(value)}; the original was kept`);
    return valid ?? original[field];
  };
  const properties = plainCopy(content);
  correctReserved(properties, settings, warn);
  return {
    event: {
      event: name,
      distinct_id: id,
      uuid: kept('uuid', UUID),
      timestamp: kept('timestamp', TIMESTAMP),
      properties,
    },
  };
}
