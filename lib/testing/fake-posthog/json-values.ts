/** A JSON object. */
export type JsonObject = Record<string, unknown>;

/** Whether a parsed JSON value is an object: neither an array nor null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value as a violation quotes it: JSON, cut to a readable length. */
export function quoted(value: unknown): string {
  const text = value === undefined ? 'missing' : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}… (${text.length} characters)` : text;
}

/** Length in UTF-8. */
export function utf8Bytes(text: string): number {
  return Buffer.byteLength(text);
}

/** Whether a text is a hyphenated uuid of any version, in any case. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text);
}

/** Whether a text names an instant in RFC 3339, at any offset. */
export function isRfc3339(text: string): boolean {
  const match = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null || Number.isNaN(Date.parse(text))) return false;
  // Date.parse may roll the 30th of February over into March.
  const midnight = new Date(`${match[1] ?? ''}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(match[1] ?? '');
}

/** Whether a text is RFC 3339 in UTC, written with `Z`: the one spelling that no server has to guess at. */
export function isRfc3339Utc(text: string): boolean {
  return text.endsWith('Z') && isRfc3339(text);
}
