import { type DefinedEvent } from '../../events/defined-event.js';
import { describeEvent } from '../../events/describe-event.js';
import { jsonSchemaOf } from '../../events/json-schema.js';
import { type ProjectType, typedProperties } from './project-types.js';

/** A property as it should be in the project. */
export interface WantedProperty {
  readonly name: string;
  readonly property_type: ProjectType;
  readonly is_required: boolean;
  readonly description: string;
}

/** A defined event as it should be in the project. */
export interface WantedEvent {
  readonly name: string;
  /** Name of the group with its properties. */
  readonly group: string;
  /** Empty if the definition has none. */
  readonly description: string;
  readonly tags: readonly string[];
  /** null if they are unknown. */
  readonly properties: readonly WantedProperty[] | null;
  /** Properties that PostHog's schemas have no type for, or whose name they do not allow. */
  readonly untyped: readonly string[];
}

const MAX_PROPERTY_NAME = 200;
const MAX_TAG = 255;

const groupNameOf = (event: string): string => `code: ${event}`;

const OWNER_TAG = 'code-owner:';
const DEPRECATED_TAG = 'code-deprecated';

/** True for the tags that are set from definitions. Others belong to the people of the project. */
export const isOwnTag = (tag: string): boolean => tag.startsWith(OWNER_TAG) || tag === DEPRECATED_TAG;

export function wantedEvent(defined: DefinedEvent): WantedEvent {
  const { name, description, owner, deprecated, jsonSchema, pii } = describeEvent(defined);
  const properties = jsonSchema === null ? null : sentProperties(defined, jsonSchema, pii);
  return {
    name,
    group: groupNameOf(name),
    description: (description ?? '').trim(),
    tags: [
      ...(deprecated === null ? [] : [DEPRECATED_TAG]),
      // PostHog's tags are in lower case.
      ...(owner === null ? [] : [`${OWNER_TAG}${owner.trim().toLowerCase()}`.slice(0, MAX_TAG)]),
    ],
    properties:
      properties?.flatMap(({ name: property, type, required, text }) =>
        type === null ? [] : [{ name: property, property_type: type, is_required: required, description: text }],
      ) ?? null,
    untyped: properties?.filter(({ type }) => type === null).map(({ name: property }) => property) ?? [],
  };
}

interface SentProperty {
  readonly name: string;
  readonly type: ProjectType | null;
  readonly required: boolean;
  readonly text: string;
}

/**
 * PostHog gets the output of the schema, so its types count. A property is required if neither callers nor the schema may leave it out.
 * Personal properties may be hashed or dropped: only strings keep their type, and none is required.
 */
function sentProperties(
  defined: DefinedEvent,
  input: Readonly<Record<string, unknown>>,
  pii: readonly string[],
): SentProperty[] {
  const found = jsonSchemaOf(defined, 'output');
  const output = new Map('schema' in found ? typedProperties(found.schema).map((one) => [one.name, one]) : []);
  return typedProperties(input).map(({ name, type, required, description }) => {
    const sent = output.get(name);
    const isPersonal = pii.includes(name);
    const sentType = sent === undefined ? type : sent.type;
    const fits = name.trim() === name && name !== '' && name.length <= MAX_PROPERTY_NAME;
    return {
      name,
      type: !fits || (isPersonal && sentType !== 'String') ? null : sentType,
      required: required && (sent?.required ?? true) && !isPersonal,
      text: description,
    };
  });
}
