/**
 * Reads Retry-After (RFC 9110, section 10.2.3) from the headers of an answer: seconds or an HTTP date. A date counts from
 * the `Date` of the same answer, as our clock may be another; without one, from `now`.
 *
 * @param headers names in lower case
 * @returns milliseconds to wait, 0 for a time gone by, undefined when missing or unreadable
 */
export function retryAfterMs(headers: Readonly<Record<string, unknown>>, now: number): number | undefined {
  const { 'retry-after': header, date } = headers;
  if (typeof header !== 'string' && typeof header !== 'number') return undefined;
  const text = String(header).trim();
  if (/^\d+(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1000);
  const at = parseDate(text);
  return at === undefined ? undefined : Math.max(0, at - (parseDate(date) ?? now));
}

function parseDate(text: unknown): number | undefined {
  // A date has letters; Date.parse alone would take "-5" for a year.
  if (typeof text !== 'string' || !/[a-z]/i.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}
