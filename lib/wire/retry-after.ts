/**
 * Reads a Retry-After header (RFC 9110, section 10.2.3): seconds or an HTTP date.
 *
 * @returns milliseconds from now, 0 for a time gone by, undefined when missing or unreadable
 */
export function retryAfterMs(header: unknown, now: number): number | undefined {
  if (typeof header !== 'string' && typeof header !== 'number') return undefined;
  const text = String(header).trim();
  if (/^\d+(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1000);
  // A date has letters; Date.parse alone would take "-5" for a year.
  if (!/[a-z]/i.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
