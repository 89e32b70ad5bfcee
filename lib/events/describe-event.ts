import { isMissing } from '../shared/untrusted-values.js';
import { type DefinedEvent } from './defined-event.js';
import { type JsonSchema, jsonSchemaOf } from './json-schema.js';
import { propertiesOf, SchemaWalk } from './schema-properties.js';
import { typeText } from './type-text.js';

/** A property of a defined event. */
export interface PropertyDescription {
  readonly name: string;
  /** In TypeScript's notation, with further rules in parentheses. */
  readonly type: string;
  readonly required: boolean;
  readonly description: string | null;
  /** It identifies a person. */
  readonly pii: boolean;
}

/** A defined event for people. Plain data. */
export interface EventDescription {
  readonly name: string;
  readonly description: string | null;
  readonly owner: string | null;
  /** What to use instead. */
  readonly deprecated: string | null;
  readonly version: number | null;
  readonly pii: readonly string[];
  /** `sampleRate` and the fields of `limit`. null if the definition has none. */
  readonly limits: Readonly<Record<string, string | number>> | null;
  readonly properties: readonly PropertyDescription[];
  /** Of the properties that callers give. null if the library of the schema provides none. */
  readonly jsonSchema: JsonSchema | null;
  /** The reason why the properties are unknown, and the remedy. */
  readonly note: string | null;
}

const descriptions = new WeakMap<DefinedEvent, EventDescription>();

/** Describes a defined event. Generated on the first call, and kept. Never throws: a schema that does has a `note`. */
export function describeEvent(defined: DefinedEvent): EventDescription {
  const known = descriptions.get(defined);
  if (known !== undefined) return known;
  const description = describe(defined);
  descriptions.set(defined, description);
  return description;
}

function describe(defined: DefinedEvent): EventDescription {
  const { event: name, info } = defined;
  const { description = null, owner = null, deprecated = null, version = null, pii = [] } = info;
  const found = jsonSchemaOf(defined, 'input');
  const schema = 'schema' in found ? found.schema : null;
  return {
    ...{ name, description, owner, deprecated, version, pii },
    limits: limitsOf(info),
    properties: schema === null ? [] : describeProperties(schema, pii),
    jsonSchema: schema,
    note: 'note' in found ? found.note : null,
  };
}

function limitsOf({ sampleRate, limit }: DefinedEvent['info']): EventDescription['limits'] {
  const limits = Object.entries({ sampleRate, ...limit }).filter(([, value]) => !isMissing(value));
  return limits.length === 0 ? null : (Object.fromEntries(limits) as EventDescription['limits']);
}

function describeProperties(schema: JsonSchema, pii: readonly string[]): PropertyDescription[] {
  const walk = new SchemaWalk(schema);
  return propertiesOf(schema, walk).map(({ name, schemas, required }) => ({
    name,
    type: typeText(schemas, walk),
    required,
    description: descriptionOf(schemas.map((one) => walk.resolve(one))),
    pii: pii.includes(name),
  }));
}

function descriptionOf(schemas: readonly JsonSchema[]): string | null {
  const texts = schemas.map(({ description }) => description).filter((text) => typeof text === 'string');
  return texts.find((text) => text.trim() !== '') ?? null;
}
