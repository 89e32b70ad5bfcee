/** Longest text that is quoted. Project keys are longer, and so is anything that was pasted by mistake. */
const QUOTED_LENGTH = 20;
const QUOTED_URL_LENGTH = 80;

/** The shape of PostHog's keys: `phc_…` of a project, `phx_…` of a person. */
const KEY = /(^|[^a-z])ph[a-z]_/i;

/**
 * Shows a value in a message. Short texts, numbers and booleans are quoted; everything else is only named, and a text
 * that has the look of a key or holds `apiKey` is never quoted, whatever option it was given for.
 *
 * @param apiKey the key that was given, if any
 */
export function describeValue(value: unknown, apiKey: unknown): string {
  if (value === undefined || value === '') return 'nothing';
  if (typeof value === 'string') return describeText(value, apiKey, QUOTED_LENGTH);
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** Shows what was given for a key: its type and length, never a part of it. */
export function describeKey(value: unknown): string {
  return typeof value === 'number' ? 'a number' : describeValue(value, value);
}

/** Shows a URL without its credentials, query and fragment. Text without any punctuation of a URL may be a key, and is shown like any value. */
export function describeUrl(value: unknown, apiKey: unknown): string {
  if (typeof value !== 'string' || !/[.:/]/.test(value)) return describeValue(value, apiKey);
  const harmless = value.replace(/^([a-z][a-z\d+.-]*:\/\/)?.*@/is, '$1***@').replace(/([?#]).*$/s, '$1***');
  return describeText(harmless, apiKey, QUOTED_URL_LENGTH, value.length);
}

/** Shows the name of an option that does not exist. */
export function describeName(name: string, apiKey: unknown): string {
  return isSecret(name, apiKey) || name.length > QUOTED_URL_LENGTH ? `a name of ${name.length} characters` : name;
}

function describeText(text: string, apiKey: unknown, quoted: number, length = text.length): string {
  return text.length > quoted || isSecret(text, apiKey) ? `a string of ${length} characters` : JSON.stringify(text);
}

function isSecret(text: string, apiKey: unknown): boolean {
  return KEY.test(text) || (typeof apiKey === 'string' && apiKey !== '' && text.includes(apiKey));
}
