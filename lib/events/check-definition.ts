import { isEventName, MAX_EVENT_NAME_BYTES } from '../context/event-name.js';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { didYouMean } from '../shared/did-you-mean.js';
import { expectedBy, type FieldRule, fieldRuleOf, type FieldRules, nestedProblem } from '../shared/field-rules.js';
import { describe, fieldOf, isMissing, isNonBlank, isObject, quoteName } from '../shared/untrusted-values.js';
import { type EventInfo } from './defined-event.js';
import { LIMIT_FIELDS } from './event-limit.js';

const TEXT: FieldRule = { isValid: isNonBlank, text: 'a string that is not blank' };
const { sampleRate, ...LIMITS } = LIMIT_FIELDS;

const OBJECT_OF_LIMITS = `an object with ${Object.entries(LIMITS)
  .map(([name, rule]) => `${name} (${expectedBy(rule, undefined)})`)
  .join(', ')}`;

/** Null in a field counts as not given. */
const INFO: FieldRules = {
  description: TEXT,
  owner: TEXT,
  deprecated: TEXT,
  version: { isValid: Number.isInteger, text: 'a whole number' },
  pii: {
    isValid: (value) => Array.isArray(value) && value.every((name) => typeof name === 'string'),
    text: 'an array of names of properties',
  },
  sampleRate,
  limit: {
    isValid: (value) => isObject(value) && nestedProblem(LIMITS, '', givenOf(value)) === null,
    text: (value) => {
      const problem = isObject(value) ? nestedProblem(LIMITS, '', givenOf(value)) : null;
      return problem ? `${OBJECT_OF_LIMITS}; expected ${problem}` : OBJECT_OF_LIMITS;
    },
  },
} satisfies Readonly<Record<keyof EventInfo, FieldRule>>;

/** The name of an event in a message about its definition. */
export const shownName = (name: unknown): string => (typeof name === 'string' ? quoteName(name) : describe(name));

/**
 * @param where the call or decorator, for the message
 * @param schema for `defineEvent`
 * @returns a copy of `info` without the fields that are null or undefined
 * @throws PostHogConfigurationError with all problems: a mistake in a definition must stop the boot
 */
export function checkDefinition(where: string, name: unknown, info: unknown, ...schema: unknown[]): EventInfo {
  const problems: string[] = [];
  if (!isEventName(name)) {
    problems.push(`${where}: the name must be a non-blank string of at most ${MAX_EVENT_NAME_BYTES} bytes`);
  } else if (name.startsWith('$')) {
    problems.push(`${where}: names that begin with $ are PostHog's own events, which have their own calls and rules`);
  }
  if (schema.length > 0 && typeof fieldOf(fieldOf(schema[0], '~standard'), 'validate') !== 'function') {
    problems.push(
      `${where}: expected a schema that implements Standard Schema, such as z.object({ … }) of Zod 3.24 or later`,
    );
  }
  if (!isMissing(info) && !isObject(info))
    problems.push(`${where}: the last argument must be an object, such as { description: '…' }`);
  for (const [field, value] of Object.entries(isObject(info) ? info : {})) {
    const rule = fieldRuleOf(INFO, field);
    if (rule === undefined) {
      const meant = didYouMean(field, Object.keys(INFO));
      const remedy = meant === undefined ? `the fields are ${Object.keys(INFO).join(', ')}` : `did you mean ${meant}?`;
      problems.push(`${where}: there is no field ${field}; ${remedy}`);
    } else if (!isMissing(value) && !rule.isValid(value)) {
      problems.push(`${where}: ${field} must be ${expectedBy(rule, value)}`);
    }
  }
  if (problems.length > 0) throw new PostHogConfigurationError(problems);
  return isObject(info) ? givenOf(info) : {};
}

function givenOf(fields: object): Readonly<Record<string, unknown>> {
  const given = Object.entries(fields).filter(([, value]) => !isMissing(value));
  const copies = given.map(([name, value]): [string, unknown] => {
    if (Array.isArray(value)) return [name, [...(value as unknown[])]];
    return [name, isObject(value) ? givenOf(value) : value];
  });
  return Object.freeze(Object.fromEntries(copies));
}
