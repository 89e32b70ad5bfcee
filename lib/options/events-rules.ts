import { definedEventOf } from '../events/defined-event.js';
import { PII_MODES } from '../events/personal-data.js';
import { isNonBlank, isObject, quoteName } from '../shared/untrusted-values.js';
import { type FieldRules, nestedProblem, oneOf } from '../shared/field-rules.js';

/** The fields of option `events`. */
const FIELDS: FieldRules = {
  catalog: {
    isValid: (value) => Array.isArray(value) && value.every((entry) => nameOf(entry) !== undefined),
    text: 'an array of results of defineEvent() and of classes with @Event',
  },
  unknown: oneOf('allow', 'warn', 'refuse'),
  invalid: oneOf('warn', 'refuse'),
  pii: oneOf(...PII_MODES),
  piiSecret: { isValid: isNonBlank, text: 'a string that is not blank' },
};

const EXPECTED = `an object with ${Object.keys(FIELDS).join(', ')}`;
const NO_SECRET = 'piiSecret to be set, because pii is hash';

/** Completes "expected …" for an invalid value of option `events`; null for a valid one. */
export function eventsProblem(value: unknown): string | null {
  const problem = nestedProblem(FIELDS, EXPECTED, value);
  if (problem !== null || !isObject(value)) return problem;
  const twice = repeatedIn(value.catalog);
  if (twice !== undefined) return `catalog to have one definition of ${quoteName(twice)}, but it has several`;
  return value.pii === 'hash' && !isNonBlank(value.piiSecret) ? NO_SECRET : null;
}

/** undefined if the value is not a definition. */
function nameOf(entry: unknown): string | undefined {
  return typeof entry === 'function' ? definedEventOf(entry)?.event : undefined;
}

/** A second definition of the same event is a mistake of the catalog. */
function repeatedIn(catalog: unknown): string | undefined {
  const names = Array.isArray(catalog) ? catalog.map(nameOf) : [];
  return names.find((name, index) => names.indexOf(name) < index);
}
