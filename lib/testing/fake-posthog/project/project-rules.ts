import { isJsonObject, isUuid, type JsonObject, quoted } from '../json-values.js';
import { type ViolationCollector } from '../validation.js';

/** Types of properties in a group. */
export const PROPERTY_TYPES = ['DateTime', 'String', 'Numeric', 'Boolean', 'Object'] as const;
export const ENFORCEMENT_MODES = ['allow', 'reject'] as const;

const MAX_NAME = 400;
const MAX_PROPERTY_NAME = 200;
const MAX_TAG = 255;

/** Returns a description of the problem, or null. */
type Rule = (value: unknown) => string | null;
type Rules = Readonly<Record<string, Rule>>;

const nameUpTo =
  (length: number): Rule =>
  (value) =>
    typeof value === 'string' && value.trim() !== '' && value.length <= length
      ? null
      : `must be a string of 1 to ${length} characters that is not blank, but is ${quoted(value)}`;

const text: Rule = (value) => (typeof value === 'string' ? null : `must be a string, but is ${quoted(value)}`);

const oneOf =
  (choices: readonly string[]): Rule =>
  (value) =>
    typeof value === 'string' && choices.includes(value) ? null : `${quoted(value)} is not a valid choice`;

const flag: Rule = (value) => (typeof value === 'boolean' ? null : `must be a boolean, but is ${quoted(value)}`);

const uuid: Rule = (value) =>
  typeof value === 'string' && isUuid(value) ? null : `must be a UUID, but is ${quoted(value)}`;

const tags: Rule = (value) =>
  Array.isArray(value) && value.every((tag) => nameUpTo(MAX_TAG)(tag) === null)
    ? null
    : `must be an array of strings of 1 to ${MAX_TAG} characters, but is ${quoted(value)}`;

const PROPERTY: Rules = {
  name: nameUpTo(MAX_PROPERTY_NAME),
  property_type: oneOf(PROPERTY_TYPES),
  is_required: flag,
  description: text,
};

const properties: Rule = (value) => {
  if (!Array.isArray(value)) return `must be an array, but is ${quoted(value)}`;
  for (const [at, property] of value.entries()) {
    const problem = isJsonObject(property)
      ? problemOf(property, PROPERTY, ['name', 'property_type'])
      : { field: '', detail: `must be an object, but is ${quoted(property)}` };
    if (problem !== null) return `[${at}] ${problem.field} ${problem.detail}`;
  }
  const names = value.filter(isJsonObject).map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  return twice === undefined ? null : `A property named ${quoted(twice)} already exists in this group`;
};

export const EVENT_DEFINITION: Rules = {
  name: nameUpTo(MAX_NAME),
  description: text,
  tags,
  enforcement_mode: oneOf(ENFORCEMENT_MODES),
};
export const PROPERTY_GROUP: Rules = { name: nameUpTo(MAX_NAME), description: text, properties };
export const EVENT_SCHEMA: Rules = { event_definition: uuid, property_group_id: uuid };

/** Refuses a body with unknown, missing or invalid fields. PostHog ignores unknown ones. */
export function checkFields(
  body: JsonObject,
  rules: Rules,
  required: readonly string[],
  violations: ViolationCollector,
): void {
  const problem = problemOf(body, rules, required);
  if (problem !== null) violations.refuse(400, `rest_${problem.field}`, `${problem.field}: ${problem.detail}`);
}

function problemOf(
  body: JsonObject,
  rules: Rules,
  required: readonly string[],
): { readonly field: string; readonly detail: string } | null {
  for (const field of required) if (body[field] === undefined) return { field, detail: 'This field is required' };
  for (const [field, value] of Object.entries(body)) {
    const rule = Object.hasOwn(rules, field) ? rules[field] : undefined;
    const detail = rule === undefined ? 'This field is unknown' : rule(value);
    if (detail !== null) return { field, detail };
  }
  return null;
}
