import { types } from 'node:util';

/** Bounds the work. Longer than any timestamp. */
const MAX_LENGTH = 60;
/** Nanoseconds: readers of RFC 3339 need not accept more. */
const MAX_FRACTION_DIGITS = 9;

/** The extended form of ISO 8601; everything after the date is optional. */
const ISO_8601 =
  /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d)(?:(:\d\d)(?:[.,](\d+))?)?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?)?$/;

/**
 * A valid Date, or a string in the extended form of ISO 8601 (date alone, seconds, fraction and offset optional), as RFC 3339 in UTC. A
 * string without an offset is UTC; the fraction keeps at most nine digits.
 *
 * @returns null for anything else, and outside of the years 0000 to 9999, which RFC 3339 cannot write
 */
export function timestampOf(value: unknown): string | null {
  if (types.isDate(value)) return writeUtc(Date.prototype.getTime.call(value));
  if (typeof value !== 'string' || value.length > MAX_LENGTH) return null;
  const match = ISO_8601.exec(value.trim());
  if (match === null) return null;
  const [text, date = '', time = '00:00', seconds = ':00', digits, sign, hours = '00', minutes = '00'] = match;
  const fraction = digits?.slice(0, MAX_FRACTION_DIGITS);

  const local = `${date}T${time}${seconds}`;
  const epochMs = Date.parse(`${local}Z`);
  // Date.parse takes the 30th of February for a day of March.
  if (Number.isNaN(epochMs) || !new Date(epochMs).toISOString().startsWith(local)) return null;
  if (text === (fraction === undefined ? `${local}Z` : `${local}.${fraction}Z`)) return text;

  if (Number(hours) > 23 || Number(minutes) > 59) return null;
  const offsetMs = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1);
  const utc = writeUtc(epochMs - offsetMs);
  // An offset is whole minutes, so it does not change the fraction.
  return utc === null || fraction === undefined ? utc : `${utc.slice(0, -5)}.${fraction}Z`;
}

function writeUtc(epochMs: number): string | null {
  if (Number.isNaN(epochMs)) return null;
  const text = new Date(epochMs).toISOString();
  // Years of more than four digits have a sign.
  return text.length === 24 ? text : null;
}
