import { idText } from '../../shared/untrusted-values.js';

const MAX_DEDUPE_KEY_LENGTH = 1000;

/** Completes "dedupeKey must be …". */
export const DEDUPE_KEY_RULE = `a non-blank string or a finite number, at most ${MAX_DEDUPE_KEY_LENGTH} characters long`;

/** The trimmed string of an id; null for anything else. Never throws. */
export function dedupeKeyOf(value: unknown): string | null {
  const key = idText(value)?.trim();
  return key === undefined || key === '' || key.length > MAX_DEDUPE_KEY_LENGTH ? null : key;
}
