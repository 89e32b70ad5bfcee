import { isEventName, MAX_EVENT_NAME_BYTES } from '../context/event-name.js';
import { LIMIT_FIELDS } from '../events/event-limit.js';
import { isObject, quoteName } from '../shared/untrusted-values.js';
import { nestedProblem } from '../shared/field-rules.js';

const FIELDS = Object.keys(LIMIT_FIELDS).join(', ');

export const EXPECTED_LIMITS = `an object with an object for each name of an event or pattern, such as { "page_*": { "sampleRate": 0.1 } }`;

/** Completes "expected …" for an invalid value of option `limits`; null for a valid one. */
export function limitsProblem(value: unknown): string | null {
  // A variable that is not valid JSON is a string.
  if (typeof value === 'string') return `${EXPECTED_LIMITS}, as JSON`;
  if (!isObject(value)) return EXPECTED_LIMITS;
  const problems = Object.entries(value).flatMap(([name, limit]) => {
    if (limit === undefined) return [];
    if (!isEventName(name))
      return [`${quoteName(name)} to be a name that is not blank and has at most ${MAX_EVENT_NAME_BYTES} bytes`];
    const problem = nestedProblem(LIMIT_FIELDS, `an object with ${FIELDS}`, limit);
    return problem === null ? [] : [`for ${quoteName(name)} ${problem}`];
  });
  return problems.length === 0 ? null : problems.join('; ');
}
