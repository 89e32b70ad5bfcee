import { isJsonObject, type JsonObject } from './json-values.js';
import { type CaptureFormat } from './recorded.js';

/**
 * What PostHog does with an event that breaks a rule: it refuses the whole batch with 400; drops the event (and only
 * v1 says so); says that it took the event and loses it later; or keeps it, but not as it was sent.
 */
export type Consequence = 'refused' | 'dropped' | 'lost' | 'altered';

/** One rule about one event. */
export interface EventRule {
  readonly rule: string;
  /** null: v0 has no such rule. */
  readonly v0: Consequence | null;
  /** null: v1 has no such rule. */
  readonly v1: Consequence | null;
  /** A sentence that says what is wrong, or null. */
  readonly broken: (event: JsonObject, format: CaptureFormat) => string | null;
}

/** The properties of an event; empty where they are no object, for which there is a rule of its own. */
export function propertiesOf(event: JsonObject): JsonObject {
  return isJsonObject(event.properties) ? event.properties : {};
}

/** The v0 name of what v1 calls an option, the option, and its type. */
export const OPTIONS = [
  { sentinel: '$cookieless_mode', option: 'cookieless_mode', type: 'boolean' },
  { sentinel: '$ignore_sent_at', option: 'disable_skew_correction', type: 'boolean' },
  { sentinel: '$process_person_profile', option: 'process_person_profile', type: 'boolean' },
  { sentinel: '$product_tour_id', option: 'product_tour_id', type: 'string' },
] as const;

/** The value of an option of an event, wherever its format puts it. */
export function optionOf(event: JsonObject, entry: (typeof OPTIONS)[number], format: CaptureFormat): unknown {
  if (format === 'v0') return propertiesOf(event)[entry.sentinel];
  return isJsonObject(event.options) ? event.options[entry.option] : undefined;
}
