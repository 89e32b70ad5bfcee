import { storable } from '../json/storable-text.js';
import { fitsBytes, numberText } from '../shared/untrusted-values.js';

/** PostHog drops an event whose distinct id has more bytes of UTF-8 than this. */
export const MAX_DISTINCT_ID_BYTES = 200;

/** The nil uuid, and words that come from a bug or name nobody; without capitals. */
const ILLEGAL: ReadonlySet<string> = new Set([
  '0',
  'anonymous',
  'anonymous-user',
  'backend',
  'distinct_id',
  'distinctid',
  'email',
  'false',
  'guest',
  'id',
  'nan',
  'none',
  'not_authenticated',
  'null',
  'system',
  'true',
  'undefined',
  'user',
  '[object object]',
  '00000000-0000-0000-0000-000000000000',
]);
const LONGEST_ILLEGAL = Math.max(...[...ILLEGAL].map((id) => id.length));

/**
 * The distinct id that a value stands for: a trimmed text, not blank and at most 200 bytes, as PostHog stores it, or the text of a
 * finite number or a bigint. null when it stands for none.
 */
export function distinctIdOf(value: unknown): string | null {
  const text = typeof value === 'string' ? value.trim() : numberText(value);
  if (text === null || text === '' || text.length > MAX_DISTINCT_ID_BYTES) return null;
  const id = storable(text);
  return fitsBytes(id, MAX_DISTINCT_ID_BYTES) ? id : null;
}

/**
 * Whether PostHog takes a distinct id for a bug rather than a person (`null`, `anonymous`, `[object Object]`, …): it
 * keeps such events without a person, and refuses to merge the id.
 */
export function isIllegalDistinctId(id: string): boolean {
  return id.length <= LONGEST_ILLEGAL && ILLEGAL.has(id.toLowerCase());
}

/** The warning about an illegal distinct id; undefined for a good one. */
export function illegalDistinctIdWarning(field: string, id: string): string | undefined {
  return isIllegalDistinctId(id)
    ? `${field} is "${id}", which PostHog takes for nobody: no person is created, and a merge with it is refused`
    : undefined;
}
