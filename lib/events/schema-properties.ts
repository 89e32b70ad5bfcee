import { isObject } from '../shared/untrusted-values.js';
import { type JsonSchema } from './json-schema.js';

/** A property in a JSON Schema of an object. */
export interface SchemaProperty {
  readonly name: string;
  /** One, unless alternatives of the object differ. */
  readonly schemas: readonly JsonSchema[];
  readonly required: boolean;
}

const MAX_LEVELS = 8;
const MAX_SCHEMAS = 5000;

/** A walk through a schema. Bounded, as schemas may be recursive. */
export class SchemaWalk {
  readonly root: JsonSchema;
  #left = MAX_SCHEMAS;

  constructor(root: JsonSchema) {
    this.root = root;
  }

  /** The schema that a local reference points to. A schema with another reference is returned as it is. */
  resolve(schema: JsonSchema): JsonSchema {
    if (this.#left-- <= 0) return {};
    let at = schema;
    for (let step = 0; step < MAX_LEVELS && typeof at.$ref === 'string'; step++) {
      const { $ref, ...rest } = at;
      const target = typeof $ref === 'string' ? followed($ref, this.root) : undefined;
      if (target === undefined) return at;
      at = { ...target, ...rest };
    }
    return at;
  }
}

/**
 * The properties of an object, also of one that is a union or an intersection of objects: those of a union are required where all
 * alternatives require them.
 */
export function propertiesOf(schema: JsonSchema, walk: SchemaWalk, level = 0): SchemaProperty[] {
  if (level > MAX_LEVELS) return [];
  const at = walk.resolve(schema);
  const required = new Set(Array.isArray(at.required) ? at.required : []);
  const own = Object.entries(isObject(at.properties) ? at.properties : {}).map(([name, property]) => ({
    name,
    schemas: [schemaOr(property)],
    required: required.has(name),
  }));
  const parts = listOf(at.allOf).map((part) => propertiesOf(part, walk, level + 1));
  const alternatives = listOf(at.anyOf ?? at.oneOf).map((part) => propertiesOf(part, walk, level + 1));
  return merged([own, ...parts, merged(alternatives, true)], false);
}

function merged(lists: readonly (readonly SchemaProperty[])[], isUnion: boolean): SchemaProperty[] {
  const names = new Set(lists.flatMap((list) => list.map(({ name }) => name)));
  return [...names].map((name) => {
    const found = lists.flatMap((list) => list.filter((property) => property.name === name));
    const isRequired = ({ required }: SchemaProperty): boolean => required;
    return {
      name,
      schemas: found.flatMap(({ schemas }) => schemas),
      required: isUnion ? found.length === lists.length && found.every(isRequired) : found.some(isRequired),
    };
  });
}

function followed(reference: string, root: JsonSchema): JsonSchema | undefined {
  if (!reference.startsWith('#')) return undefined;
  let at: unknown = root;
  for (const part of reference.slice(1).split('/').slice(1)) {
    const name = decoded(part).replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as Record<string, unknown>)[name];
  }
  return isObject(at) ? at : undefined;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** `true` and what is no schema allow anything. */
export const schemaOr = (value: unknown): JsonSchema => (isObject(value) ? value : {});

export const listOf = (value: unknown): JsonSchema[] => (Array.isArray(value) ? value.map(schemaOr) : []);
