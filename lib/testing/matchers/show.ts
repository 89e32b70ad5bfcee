import { inspect } from 'node:util';
import { isObject } from '../../shared/untrusted-values.js';
import { type AsymmetricMatcher, isAsymmetricMatcher } from '../recording/expected-event.js';

/** A longer text is cut: an event may hold a megabyte. */
const MAX_LENGTH = 1000;

/** A value of an event, or what is expected of one, on one line, the same in every test runner. */
export function show(value: unknown): string {
  const text = write(value);
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text;
}

function write(value: unknown): string {
  if (isAsymmetricMatcher(value)) return writeMatcher(value);
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(write).join(', ')}]`;
  if (isObject(value)) {
    const fields = Object.entries(value).map(([name, field]) => `${JSON.stringify(name)}: ${write(field)}`);
    return `{${fields.join(', ')}}`;
  }
  return inspect(value);
}

/** Some matchers say what they are, as `Any<Number>`; of others it is their kind and their sample. */
function writeMatcher(matcher: AsymmetricMatcher & { toAsymmetricMatcher?: () => string; sample?: unknown }): string {
  if (matcher.toAsymmetricMatcher !== undefined) return matcher.toAsymmetricMatcher();
  return matcher.sample === undefined ? matcher.toString() : `${matcher.toString()} ${write(matcher.sample)}`;
}
