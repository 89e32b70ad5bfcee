/**
 * A complete event in PostHog's spelling, as `beforeSend` sees it. With both values of `captureMode`, `properties` contains the ingestion
 * options under their v0 names (`$process_person_profile`, `$cookieless_mode`, …).
 */
export interface PostHogEvent {
  /** In lower case, with hyphens. */
  uuid: string;
  /** Name of the event. Not blank; up to 200 bytes of UTF-8. */
  event: string;
  /** Trimmed, not blank; up to 200 bytes of UTF-8. */
  distinct_id: string;
  /** RFC 3339 in UTC, ending in `Z`. */
  timestamp: string;
  properties: Record<string, unknown>;
}
