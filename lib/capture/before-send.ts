import { types } from 'node:util';
import { distinctIdOf } from '../context/distinct-id.js';
import { describe, isBag } from '../context/untrusted-values.js';
import { type PostHogEvent } from '../wire/posthog-event.js';
import { isEventName } from './dto/rules.js';
import { timestampOf } from './timestamp.js';
import { uuidOf } from './uuid.js';

/** A filter of the application: returns the event, changed or not, or null to drop it. */
type BeforeSendFilter = (event: PostHogEvent) => PostHogEvent | null;

/** What the filters left of an event: itself, or why it is dropped. */
export type Filtered =
  { readonly event: PostHogEvent } | { readonly reason: 'before_send' | 'invalid'; readonly detail: string };

/** Runs the filters in order, and checks what they return. Whatever they do, nothing is ever sent unfiltered. Never throws. */
export function applyBeforeSend(event: PostHogEvent, filters: readonly BeforeSendFilter[]): Filtered {
  let filtered: unknown = event;
  for (const filter of filters) {
    try {
      filtered = filter(filtered as PostHogEvent);
      if (filtered === null || filtered === undefined)
        return { reason: 'before_send', detail: 'a beforeSend returned nothing' };
      if (!isBag(filtered)) return { reason: 'before_send', detail: notAnEvent(filtered) };
    } catch {
      // The error's message may quote the event.
      return { reason: 'before_send', detail: 'a beforeSend threw' };
    }
  }
  try {
    return checked(filtered as Record<string, unknown>, event);
  } catch {
    return { reason: 'invalid', detail: 'what beforeSend returned could not be read' };
  }
}

function notAnEvent(answer: unknown): string {
  if (!types.isPromise(answer)) return `a beforeSend must return an event or null, but it returned ${describe(answer)}`;
  // Nobody will await it.
  answer.catch(() => undefined);
  return 'a beforeSend must be synchronous, but it returned a promise';
}

function checked(filtered: Record<string, unknown>, original: PostHogEvent): Filtered {
  const invalid = (field: string): Filtered => ({
    reason: 'invalid',
    detail: `after beforeSend ${field} is not valid`,
  });
  const { event, properties } = filtered;
  const distinctId = distinctIdOf(filtered.distinct_id);
  if (!isEventName(event)) return invalid('event');
  if (distinctId === null) return invalid('distinct_id');
  if (!isBag(properties)) return invalid('properties');
  return {
    event: {
      uuid: uuidOf(filtered.uuid) ?? original.uuid,
      event,
      distinct_id: distinctId,
      timestamp: timestampOf(filtered.timestamp) ?? original.timestamp,
      properties,
    },
  };
}
