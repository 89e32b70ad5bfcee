/** Longer strings are not quoted. Project keys are longer, and so are most strings that are pasted by mistake. */
const QUOTED_LENGTH = 20;
const QUOTED_URL_LENGTH = 80;

/** PostHog's keys: `phc_…` of a project, `phx_…` of a person. */
const KEY = /(^|[^a-z])ph[a-z]_/i;

/**
 * Describes a value for a message. Short strings, numbers and booleans are quoted; other values are described by type and
 * size. A string that looks like a key or contains `apiKey` is never quoted, whichever option it was given for.
 *
 * @param apiKey the value of option `apiKey`
 */
export function describeValue(value: unknown, apiKey: unknown): string {
  if (value === undefined || value === '') return 'nothing';
  if (typeof value === 'string') return describeText(value, apiKey, QUOTED_LENGTH);
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** Describes the value of a key by type and length, and never quotes it. */
export function describeKey(value: unknown): string {
  return typeof value === 'number' ? 'a number' : describeValue(value, value);
}

/** Quotes a URL without credentials, query and fragment. A string without `.`, `:` and `/` may be a key and is described like any value. */
export function describeUrl(value: unknown, apiKey: unknown): string {
  if (typeof value !== 'string' || !/[.:/]/.test(value)) return describeValue(value, apiKey);
  const harmless = value.replace(/^([a-z][a-z\d+.-]*:\/\/)?.*@/is, '$1***@').replace(/([?#]).*$/s, '$1***');
  return describeText(harmless, apiKey, QUOTED_URL_LENGTH, value.length);
}

/** Quotes the name of an unknown option, unless it looks like a key. */
export function describeName(name: string, apiKey: unknown): string {
  return isSecret(name, apiKey) || name.length > QUOTED_URL_LENGTH ? `a name of ${name.length} characters` : name;
}

function describeText(text: string, apiKey: unknown, quoted: number, length = text.length): string {
  return text.length > quoted || isSecret(text, apiKey) ? `a string of ${length} characters` : JSON.stringify(text);
}

function isSecret(text: string, apiKey: unknown): boolean {
  return KEY.test(text) || (typeof apiKey === 'string' && apiKey !== '' && text.includes(apiKey));
}
