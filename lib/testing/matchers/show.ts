import { inspect } from 'node:util';
import { isObject } from '../../shared/untrusted-values.js';
import { type AsymmetricMatcher, isAsymmetricMatcher } from '../recording/expected-event.js';

const MAX_LENGTH = 1000;

/** Formats a value of an event, or an expected one, on one line and independently of the test runner. Truncated to 1000 characters. */
export function show(value: unknown): string {
  const text = format(value);
  return text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text;
}

function format(value: unknown): string {
  if (isAsymmetricMatcher(value)) return formatMatcher(value);
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(format).join(', ')}]`;
  if (isObject(value)) {
    const fields = Object.entries(value).map(([name, field]) => `${JSON.stringify(name)}: ${format(field)}`);
    return `{${fields.join(', ')}}`;
  }
  return inspect(value);
}

/** Some matchers describe themselves, e.g. as `Any<Number>`; others have a kind and a sample. */
function formatMatcher(matcher: AsymmetricMatcher & { toAsymmetricMatcher?: () => string; sample?: unknown }): string {
  if (matcher.toAsymmetricMatcher !== undefined) return matcher.toAsymmetricMatcher();
  return matcher.sample === undefined ? matcher.toString() : `${matcher.toString()} ${format(matcher.sample)}`;
}
