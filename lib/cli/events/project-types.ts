import { type JsonSchema } from '../../events/json-schema.js';
import { listOf, propertiesOf, type SchemaProperty, SchemaWalk } from '../../events/schema-properties.js';

/** The types of properties that PostHog's schemas know. */
export type ProjectType = 'DateTime' | 'String' | 'Numeric' | 'Boolean' | 'Object';

type Kind = ProjectType | 'Null' | 'Unknown';

/** A property as PostHog's schemas have it. */
export interface TypedProperty {
  readonly name: string;
  /** null: none of PostHog's types fits. */
  readonly type: ProjectType | null;
  readonly required: boolean;
  readonly description: string;
}

const MAX_LEVELS = 6;

export function typedProperties(schema: JsonSchema): readonly TypedProperty[] {
  const walk = new SchemaWalk(schema);
  return propertiesOf(schema, walk).map((property) => typedProperty(property, walk));
}

function typedProperty({ name, schemas, required }: SchemaProperty, walk: SchemaWalk): TypedProperty {
  const kinds = new Set(schemas.flatMap((schema) => kindsOf(schema, walk, 0)));
  const descriptions = schemas.map((schema) => walk.resolve(schema).description);
  const description = descriptions.find((text) => typeof text === 'string') ?? '';
  return {
    name,
    type: typeOf(kinds),
    // PostHog takes null for a missing property.
    required: required && !kinds.has('Null') && !kinds.has('Unknown'),
    description: description.trim(),
  };
}

function typeOf(kinds: ReadonlySet<Kind>): ProjectType | null {
  const types = [...kinds].filter((kind) => kind !== 'Null');
  const [first] = types;
  if (first === undefined || types.includes('Unknown')) return null;
  if (types.length === 1) return first === 'Unknown' ? null : first;
  return types.every((type) => type === 'String' || type === 'DateTime') ? 'String' : null;
}

function kindsOf(schema: JsonSchema, walk: SchemaWalk, level: number): Kind[] {
  if (level > MAX_LEVELS) return ['Unknown'];
  const at = walk.resolve(schema);
  if ('const' in at) return [kindOfValue(at.const)];
  if (Array.isArray(at.enum)) return at.enum.map(kindOfValue);
  const alternatives = listOf(at.anyOf ?? at.oneOf);
  if (alternatives.length > 0) return alternatives.flatMap((part) => kindsOf(part, walk, level + 1));
  if (at.type === undefined) {
    const parts = listOf(at.allOf).map((part) => kindsOf(part, walk, level + 1));
    return parts.find((kinds) => !kinds.includes('Unknown')) ?? ['Unknown'];
  }
  const types: readonly unknown[] = Array.isArray(at.type) ? at.type : [at.type];
  return types.map((type) => kindOfType(type, at.format));
}

function kindOfType(type: unknown, format: unknown): Kind {
  switch (type) {
    case 'string':
      return format === 'date-time' ? 'DateTime' : 'String';
    case 'number':
    case 'integer':
      return 'Numeric';
    case 'boolean':
      return 'Boolean';
    case 'array':
    case 'object':
      return 'Object';
    case 'null':
      return 'Null';
    default:
      return 'Unknown';
  }
}

function kindOfValue(value: unknown): Kind {
  if (value === null) return 'Null';
  return kindOfType(typeof value, undefined);
}
