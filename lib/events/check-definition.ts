import { isEventName, MAX_EVENT_NAME_BYTES } from '../context/event-name.js';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { didYouMean } from '../shared/did-you-mean.js';
import { type EventInfo } from './defined-event.js';
import { DEFINITION_LIMITS } from './event-limit.js';
import { describe, fieldOf, isMissing, isNonBlank, isObject, quoteName } from '../shared/untrusted-values.js';

const isText = (value: unknown): boolean => isMissing(value) || isNonBlank(value);

const INFO: Readonly<Record<string, readonly [isValid: (value: unknown) => boolean, text: string]>> = {
  description: [isText, 'a string that is not blank'],
  owner: [isText, 'a string that is not blank'],
  deprecated: [isText, 'a string that is not blank'],
  version: [(value) => isMissing(value) || Number.isInteger(value), 'a whole number'],
  pii: [
    (value) => isMissing(value) || (Array.isArray(value) && value.every((name) => typeof name === 'string')),
    'an array of names of properties',
  ],
  ...Object.fromEntries(
    Object.entries(DEFINITION_LIMITS).map(([field, { isValid, text }]) => [
      field,
      [(value: unknown) => isMissing(value) || isValid(value), text] as const,
    ]),
  ),
};

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
    const rule = Object.hasOwn(INFO, field) ? INFO[field] : undefined;
    if (rule === undefined) {
      const meant = didYouMean(field, Object.keys(INFO));
      const remedy = meant === undefined ? `the fields are ${Object.keys(INFO).join(', ')}` : `did you mean ${meant}?`;
      problems.push(`${where}: there is no field ${field}; ${remedy}`);
    } else if (!rule[0](value)) problems.push(`${where}: ${field} must be ${rule[1]}`);
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
