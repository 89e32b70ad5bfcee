import { storable } from '../json/storable-text.js';
import { fitsBytes, idText } from '../shared/untrusted-values.js';

/** PostHog drops an event whose distinct id has more bytes of UTF-8 than this. */
export const MAX_DISTINCT_ID_BYTES = 200;

/** Completes "a distinct id must be …". */
export const DISTINCT_ID_RULE = `a non-blank string or a finite number, at most ${MAX_DISTINCT_ID_BYTES} bytes long`;

/** PostHog's list: the nil uuid, and lower-case words that come from a bug or identify nobody. */
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
 * The distinct id as PostHog stores it: the trimmed string of an id (see `idText`). null for anything else, for a blank
 * string, and for one of more than 200 bytes. Never throws.
 */
export function distinctIdOf(value: unknown): string | null {
  const text = idText(value)?.trim();
  if (text === undefined || text === '' || text.length > MAX_DISTINCT_ID_BYTES) return null;
  const id = storable(text);
  return fitsBytes(id, MAX_DISTINCT_ID_BYTES) ? id : null;
}

/**
 * The start of an id that is too long: PostHog keeps 200 characters of it in v0, and in v1 it accepts 200 bytes. null for a blank one.
 */
export function cutDistinctId(text: string): string | null {
  let id = '';
  let bytes = 0;
  // By code point, so that no surrogate pair is cut.
  for (const character of storable(text)) {
    bytes += Buffer.byteLength(character);
    if (bytes > MAX_DISTINCT_ID_BYTES) break;
    id += character;
  }
  return distinctIdOf(id);
}

/**
 * True for an id that PostHog takes for a bug (`null`, `anonymous`, `[object Object]`, …): it creates no person for its events, and
 * refuses to merge it.
 */
export function isIllegalDistinctId(id: string): boolean {
  return id.length <= LONGEST_ILLEGAL && ILLEGAL.has(id.toLowerCase());
}

/** undefined for a legal id. */
export function illegalDistinctIdWarning(field: string, id: string): string | undefined {
  return isIllegalDistinctId(id)
    ? `${field} is "${id}", which PostHog ignores as an id: it creates no person and refuses to merge it`
    : undefined;
}
