export type JsonObject = Record<string, unknown>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** JSON for the detail of a violation, truncated to 80 characters; `missing` for undefined. */
export function quoted(value: unknown): string {
  const text = value === undefined ? 'missing' : JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}… (${text.length} characters)` : text;
}

export function utf8Bytes(text: string): number {
  return Buffer.byteLength(text);
}

/** True for a hyphenated UUID of any version, in upper or lower case. */
export function isUuid(text: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text);
}

/** True for an RFC 3339 timestamp with any offset. */
export function isRfc3339(text: string): boolean {
  const match = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (match === null || Number.isNaN(Date.parse(text))) return false;
  // Date.parse accepts the 30th of February as the 1st of March.
  const midnight = new Date(`${match[1] ?? ''}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(match[1] ?? '');
}

/** True for an RFC 3339 timestamp with the suffix `Z`. */
export function isRfc3339Utc(text: string): boolean {
  return text.endsWith('Z') && isRfc3339(text);
}
