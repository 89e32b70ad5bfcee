import { requirePackage } from '../shared/require.js';
import { fieldOf, isObject } from '../shared/untrusted-values.js';
import { type EventClass } from './defined-event.js';

const CONVERTER = 'class-validator-jsonschema';
const DEFINITIONS = '#/$defs/';

interface Converter {
  targetConstructorToSchema(type: unknown, options: object): unknown;
  validationMetadatasToSchemas(options: object): Record<string, unknown>;
}

/** The package's own converters for these take a Date for a union, and numbers of an enumeration for strings. */
const OPTIONS = {
  refPointerPrefix: DEFINITIONS,
  additionalConverters: {
    isDate: { type: 'string', format: 'date-time' },
    isDateString: { type: 'string', format: 'date-time' },
    isEnum: ({ constraints }: { constraints?: unknown }) => ({ enum: membersOf(fieldOf(constraints, '0')) }),
  },
};

/** The rules of class-validator as a JSON Schema, if class-validator-jsonschema is installed. */
export function schemaOfClass(type: EventClass): { schema: unknown } | { note: string } {
  let converter: Converter;
  try {
    converter = requirePackage(CONVERTER) as Converter;
  } catch {
    return {
      note: `its properties are unknown, because a package for the rules of classes is missing: npm install ${CONVERTER}`,
    };
  }
  const root = converter.targetConstructorToSchema(type, OPTIONS);
  // A class without rules.
  if (!isObject(root) || Object.keys(root).length === 0) return { schema: { type: 'object' } };
  return { schema: new Nested(() => converter.validationMetadatasToSchemas(OPTIONS)).embed(root) };
}

/** The values of an enumeration, without the names that TypeScript adds for numbers. */
function membersOf(enumeration: unknown): unknown[] {
  if (!isObject(enumeration)) return Array.isArray(enumeration) ? enumeration : [];
  return Object.entries(enumeration)
    .filter(([name]) => Number.isNaN(Number(name)))
    .map(([, value]) => value);
}

/** Adds the schemas of nested classes. */
class Nested {
  readonly #load: () => Record<string, unknown>;
  readonly #definitions: Record<string, unknown> = {};
  #all: Record<string, unknown> | undefined;

  constructor(load: () => Record<string, unknown>) {
    this.#load = load;
  }

  embed(root: Record<string, unknown>): Record<string, unknown> {
    const schema = this.#resolved(root) as Record<string, unknown>;
    return Object.keys(this.#definitions).length === 0 ? schema : { ...schema, $defs: this.#definitions };
  }

  #resolved(schema: unknown): unknown {
    if (Array.isArray(schema)) return schema.map((item) => this.#resolved(item));
    if (!isObject(schema)) return schema;
    const { $ref, ...rest } = schema;
    const copy = Object.fromEntries(Object.entries(rest).map(([name, part]) => [name, this.#resolved(part)]));
    if (typeof $ref !== 'string' || !$ref.startsWith(DEFINITIONS)) return copy;
    if (this.#define($ref.slice(DEFINITIONS.length))) return { ...copy, $ref };
    // No class with rules: it is known that the value is an object, but not which.
    return 'type' in copy ? copy : { ...copy, type: 'object' };
  }

  #define(name: string): boolean {
    if (Object.hasOwn(this.#definitions, name)) return true;
    this.#all ??= this.#load();
    if (!Object.hasOwn(this.#all, name)) return false;
    this.#definitions[name] = true;
    this.#definitions[name] = this.#resolved(this.#all[name]);
    return true;
  }
}
