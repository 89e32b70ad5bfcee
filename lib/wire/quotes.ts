/** Shorter values are words that may stand in any sentence. */
const MIN_LENGTH = 8;
/** Of a longer value a part of this length gives it away. */
const PART_LENGTH = 12;

/**
 * Whether a text quotes what stands in events: a value of a property, or a part of a long one. What a server or a store says goes into
 * the log, and may be about the very event it was given.
 *
 * @param payloads events as JSON
 */
export function quotes(text: string, payloads: Iterable<string>): boolean {
  const parts: string[] = [];
  for (let at = 0; at + PART_LENGTH <= text.length; at += PART_LENGTH / 2) parts.push(text.slice(at, at + PART_LENGTH));
  const isQuoted = (value: string): boolean =>
    value.length >= MIN_LENGTH && (text.includes(value) || parts.some((part) => value.includes(part)));
  for (const payload of payloads) if (valuesOf(payload).some(isQuoted)) return true;
  return false;
}

/** Every text and number in an event but its name, which is no secret. */
function valuesOf(payload: string): string[] {
  const values: string[] = [];
  try {
    JSON.parse(payload, (name, value: unknown) => {
      if (name !== 'event' && (typeof value === 'string' || typeof value === 'number')) values.push(String(value));
      return value;
    });
  } catch {
    // Not JSON, so not ours: all of it may be a secret.
    values.push(payload);
  }
  return values;
}
