import { storable } from '../json/storable-text.js';
import { fitsBytes, isNonBlank } from '../shared/untrusted-values.js';

/** PostHog drops an event whose name has more bytes of UTF-8 than this. */
export const MAX_EVENT_NAME_BYTES = 200;

/** A string that is not blank and, as PostHog stores it, not too long. */
export function isEventName(value: unknown): value is string {
  if (!isNonBlank(value) || value.length > MAX_EVENT_NAME_BYTES) return false;
  return fitsBytes(storable(value), MAX_EVENT_NAME_BYTES);
}
