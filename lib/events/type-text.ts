import { isObject } from '../shared/untrusted-values.js';
import { type JsonSchema } from './json-schema.js';
import { listOf, propertiesOf, schemaOr, type SchemaWalk } from './schema-properties.js';

const MAX_LEVELS = 6;
const UNKNOWN = 'any';
/** Keywords that are shown otherwise, or that say nothing about the values. */
const NOT_RULES = new Set([
  ...['type', 'format', 'enum', 'const', 'properties', 'required', 'items', 'prefixItems', 'anyOf', 'oneOf', 'allOf'],
  ...[
    '$ref',
    '$schema',
    '$id',
    '$defs',
    '$comment',
    'definitions',
    'title',
    'description',
    'examples',
    'propertyNames',
  ],
  ...['additionalProperties', 'deprecated', 'readOnly', 'writeOnly'],
]);

/** The type of a value in TypeScript's notation, with the other rules in parentheses: `string (email, maxLength: 80)`. */
export function typeText(schemas: readonly JsonSchema[], walk: SchemaWalk, level = 0): string {
  return union(schemas.map((schema) => textOf(schema, walk, level)));
}

function textOf(schema: JsonSchema, walk: SchemaWalk, level: number): string {
  if (level > MAX_LEVELS) return UNKNOWN;
  const at = walk.resolve(schema);
  const rules = rulesOf(at);
  const text = shapeOf(at, walk, level);
  return rules === '' ? text : `${text} (${rules})`;
}

function shapeOf(schema: JsonSchema, walk: SchemaWalk, level: number): string {
  if ('const' in schema) return JSON.stringify(schema.const);
  if (Array.isArray(schema.enum)) return union(schema.enum.map((value) => JSON.stringify(value)));
  const alternatives = listOf(schema.anyOf ?? schema.oneOf);
  if (alternatives.length > 0) return typeText(alternatives, walk, level + 1);
  const parts = listOf(schema.allOf);
  if (parts.length > 0 && !isObject(schema.properties) && !parts.every((part) => isObjectSchema(part, walk))) {
    return parts.map((part) => textOf(part, walk, level + 1)).join(' & ');
  }
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  return union(types.map((type) => singleType(type, schema, walk, level)));
}

const isObjectSchema = (schema: JsonSchema, walk: SchemaWalk): boolean => walk.resolve(schema).type === 'object';

function singleType(type: unknown, schema: JsonSchema, walk: SchemaWalk, level: number): string {
  if (type === 'array') return arrayText(schema, walk, level);
  const isMixed = type === undefined && (isObject(schema.properties) || listOf(schema.allOf).length > 0);
  if (type === 'object' || isMixed) return objectText(schema, walk, level);
  return typeof type === 'string' ? type : UNKNOWN;
}

function arrayText(schema: JsonSchema, walk: SchemaWalk, level: number): string {
  const places = listOf(schema.prefixItems);
  if (places.length > 0) return `[${places.map((place) => textOf(place, walk, level + 1)).join(', ')}]`;
  const item = textOf(schemaOr(schema.items), walk, level + 1);
  return `${/[ &|]/.test(item) && !item.startsWith('{') ? `(${item})` : item}[]`;
}

function objectText(schema: JsonSchema, walk: SchemaWalk, level: number): string {
  const properties = propertiesOf(schema, walk);
  const fields = properties.map(
    ({ name, schemas, required }) => `${nameText(name)}${required ? '' : '?'}: ${typeText(schemas, walk, level + 1)}`,
  );
  const { additionalProperties } = schema;
  if (isObject(additionalProperties) && Object.keys(additionalProperties).length > 0) {
    fields.push(`[name: string]: ${textOf(additionalProperties, walk, level + 1)}`);
  }
  return fields.length === 0 ? 'object' : `{ ${fields.join('; ')} }`;
}

const nameText = (name: string): string => (/^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(name) ? name : JSON.stringify(name));

function rulesOf(schema: JsonSchema): string {
  const { format, type } = schema;
  const rules = Object.entries(schema).filter(([name, value]) => {
    if (NOT_RULES.has(name)) return false;
    // Patterns of formats are long, and those bounds of all integers.
    if (name === 'pattern') return format === undefined;
    return !(type === 'integer' && (value === Number.MAX_SAFE_INTEGER || value === Number.MIN_SAFE_INTEGER));
  });
  const texts = rules.map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  return [...(typeof format === 'string' ? [format] : []), ...texts].join(', ');
}

function union(texts: readonly string[]): string {
  const distinct = [...new Set(texts)];
  if (distinct.length === 0 || distinct.includes(UNKNOWN)) return UNKNOWN;
  return distinct.join(' | ');
}
