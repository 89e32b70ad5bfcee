import { types } from 'node:util';
import { callMethod } from '../../shared/untrusted-values.js';

/** Completes "timestamp must be …". */
export const TIMESTAMP_RULE =
  'a valid Date, an ISO 8601 string such as 2026-01-31T12:00:00Z, or epoch seconds or milliseconds';

/** Bounds the work. Longer than any timestamp. */
const MAX_LENGTH = 60;
/** Nanoseconds: readers of RFC 3339 need not accept more. */
const MAX_FRACTION_DIGITS = 9;

/** The extended form of ISO 8601; everything after the date is optional. As databases and Ruby write it, a blank may be before the offset. */
const ISO_8601 =
  /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?:(:\d\d)(?:[.,](\d+))?)? ?(?:Z|UTC|GMT|([+-])(\d\d)(?::?(\d\d))?)?)?$/i;

/**
 * A number below is in seconds, and from here on in milliseconds: both begin with March 1973. A smaller number of seconds could as well be
 * something else, a date like 20260131 for instance.
 */
const FIRST_SECOND = 1e8;
const FIRST_MILLISECOND = 1e11;
const END_OF_MILLISECONDS = 1e14;

/**
 * A time as RFC 3339 in UTC. Takes a Date, an object of a date library (Luxon, Moment, Day.js, Temporal), epoch seconds or milliseconds, and
 * a string in the extended form of ISO 8601 (date alone, seconds, fraction and offset optional). A string without an offset is UTC; the
 * fraction keeps at most nine digits.
 *
 * @returns null for anything else, for what may mean several times, and outside of the years 0000 to 9999, which RFC 3339 cannot write. May
 * throw for a hostile value
 */
export function timestampOf(value: unknown): string | null {
  if (typeof value === 'string') return readText(value);
  if (typeof value === 'number' || typeof value === 'bigint') return writeEpoch(Number(value));
  if (types.isDate(value)) return writeUtc(Date.prototype.getTime.call(value));
  return typeof value === 'object' && value !== null ? readObject(value) : null;
}

function writeEpoch(epoch: number): string | null {
  const size = Math.abs(epoch);
  if (size >= FIRST_MILLISECOND) return size < END_OF_MILLISECONDS ? writeUtc(Math.round(epoch)) : null;
  return size >= FIRST_SECOND ? writeUtc(Math.round(epoch * 1000)) : null;
}

/** The names of Temporal's types that are moments: a PlainDateTime has no time zone. */
const TEMPORAL_MOMENTS = ['[object Temporal.Instant]', '[object Temporal.ZonedDateTime]'];

function readObject(value: object): string | null {
  if (TEMPORAL_MOMENTS.includes(Object.prototype.toString.call(value))) {
    // A ZonedDateTime adds the name of its zone, in brackets.
    const text = callMethod(value, 'toString');
    return typeof text === 'string' ? readText(text.replace(/\[.*$/s, '')) : null;
  }
  for (const name of ['toJSDate', 'toDate']) {
    const date = callMethod(value, name);
    if (types.isDate(date)) return writeUtc(Date.prototype.getTime.call(date));
  }
  const text = callMethod(value, 'toISOString');
  return typeof text === 'string' ? readText(text) : null;
}

function readText(value: string): string | null {
  if (value.length > MAX_LENGTH) return null;
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
