import { isEventName, MAX_EVENT_NAME_BYTES } from '../context/event-name.js';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { didYouMean } from '../shared/did-you-mean.js';
import { DEFINITION_LIMITS } from './event-limit.js';
import { fieldOf, isMissing, isObject, isNonBlank } from '../shared/untrusted-values.js';

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

/**
 * @param where the call or decorator, for the message
 * @param schema for `defineEvent`
 * @throws PostHogConfigurationError with all problems: a mistake in a definition must stop the boot
 */
export function checkDefinition(where: string, name: unknown, info: unknown, ...schema: unknown[]): void {
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
  if (!isMissing(info) && !isObject(info)) problems.push(`${where}: the third argument must be an object`);
  for (const [field, value] of Object.entries(isObject(info) ? info : {})) {
    const rule = Object.hasOwn(INFO, field) ? INFO[field] : undefined;
    if (rule === undefined) {
      const meant = didYouMean(field, Object.keys(INFO));
      problems.push(`${where}: there is no field ${field}${meant === undefined ? '' : `; did you mean ${meant}?`}`);
    } else if (!rule[0](value)) problems.push(`${where}: ${field} must be ${rule[1]}`);
  }
  if (problems.length > 0) throw new PostHogConfigurationError(problems);
}
