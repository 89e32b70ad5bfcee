import { createHmac } from 'node:crypto';
import { toJson } from '../json/safe-json.js';
import { isMissing } from '../shared/untrusted-values.js';

/** Handling of properties that identify a person. */
export type PiiMode = 'keep' | 'hash' | 'drop';

export const PII_MODES: readonly PiiMode[] = ['keep', 'hash', 'drop'];

const HASH_LENGTH = 32;
const MAX_BYTES = 64 * 1024;

/** A copy of the properties in which those with these names are hashed or missing. */
export function protect(
  properties: Readonly<Record<string, unknown>>,
  names: readonly string[],
  mode: Exclude<PiiMode, 'keep'>,
  secret: string,
): Record<string, unknown> {
  const copy: Record<string, unknown> = { ...properties };
  for (const name of names) {
    if (!Object.hasOwn(copy, name) || isMissing(copy[name])) continue;
    const text = mode === 'hash' ? textOf(copy[name]) : null;
    if (text === null) Reflect.deleteProperty(copy, name);
    else copy[name] = createHmac('sha256', secret).update(text).digest('hex').slice(0, HASH_LENGTH);
  }
  return copy;
}

/** null for a value that is too large to be an id. */
function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  const written = toJson(value, MAX_BYTES);
  return written === 'too_large' ? null : written.text;
}
