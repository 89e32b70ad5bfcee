import { isObject } from '../../shared/untrusted-values.js';
import { type QueuedEvent } from '../../delivery/delivery.js';
import { formatOf } from '../../wire/formats.js';
import { type PostHogEvent } from '../../wire/posthog-event.js';

/**
 * One event as PostHog would have got it, under the names that `capture` has for its fields. Every value is what JSON made of
 * it: a Date is text, and what was `undefined` is not there.
 */
export interface RecordedEvent {
  readonly event: string;
  /** As text, also where a number was given. The random id of an event without a person. */
  readonly distinctId: string;
  /** All of them: what the call, its context and `superProperties` gave, and what the library adds (`$lib`, `$groups`, …). */
  readonly properties: Readonly<Record<string, unknown>>;
  /** What `properties.$groups` holds; `{}` without groups. */
  readonly groups: Readonly<Record<string, string>>;
  /** RFC 3339 in UTC. */
  readonly timestamp: string;
  readonly uuid: string;
  /** The same in PostHog's spelling, as `beforeSend` sees it. Not enumerable, so it does not stand in the way of comparisons. */
  readonly raw: PostHogEvent;
}

/** Reads what was to be sent. */
export function recordedEventOf({ format, payload }: QueuedEvent): RecordedEvent {
  const raw = formatOf(format).decode(JSON.parse(payload));
  const { event, distinct_id: distinctId, properties, timestamp, uuid } = raw;
  const groups = isObject(properties.$groups) ? (properties.$groups as Record<string, string>) : {};
  const recorded = { event, distinctId, properties, groups, timestamp, uuid };
  return Object.defineProperty(recorded, 'raw', { value: raw }) as RecordedEvent;
}
