/**
 * An event in PostHog's own spelling, complete: everything that makes it one row (uuid, timestamp, distinct id)
 * is fixed. It is what `beforeSend` sees and what a wire format encodes. What the v1 API calls options stands
 * in `properties` under its v0 name (`$process_person_profile`, `$cookieless_mode`, …) in both formats.
 */
export interface PostHogEvent {
  /** Lower-case, hyphenated. */
  uuid: string;
  /** Not blank; at most 200 bytes. */
  event: string;
  /** Trimmed, not blank; at most 200 bytes. */
  distinct_id: string;
  /** RFC 3339 in UTC, ending in `Z`. */
  timestamp: string;
  properties: Record<string, unknown>;
}
