import { types } from 'node:util';
import { toJson } from '../json/safe-json.js';
import { requirePackage } from '../shared/require.js';
import { type StandardSchema } from '../shared/standard-schema.js';
import { fieldOf, isObject } from '../shared/untrusted-values.js';
import { schemaOfClass } from './class-schema.js';
import { type DefinedEvent } from './defined-event.js';

/** A schema in JSON Schema, draft 2020-12: plain JSON. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** The schema of an event's properties, or the reason why there is none. */
export type SchemaOrNote = { readonly schema: JsonSchema } | { readonly note: string };

/** `input`: the properties that callers give. `output`: those that are sent. */
export type SchemaSide = 'input' | 'output';

const TARGET = 'draft-2020-12';
const MAX_BYTES = 1024 * 1024;

/** Never throws. */
export function jsonSchemaOf({ source }: DefinedEvent, side: SchemaSide): SchemaOrNote {
  try {
    const found = 'type' in source ? schemaOfClass(source.type) : schemaOfLibrary(source.schema, side);
    return 'note' in found ? found : { schema: plain(found.schema) };
  } catch (error) {
    return { note: `its JSON Schema cannot be generated: ${reasonOf(error)}` };
  }
}

function schemaOfLibrary(schema: StandardSchema, side: SchemaSide): { schema: unknown } | { note: string } {
  const vendor = vendorOf(schema);
  const convert = fieldOf(fieldOf(schema['~standard'], 'jsonSchema'), side) ?? converterOfValibot(schema, vendor, side);
  if (typeof convert !== 'function') return { note: missing(vendor) };
  const write = (libraryOptions: object | undefined): unknown =>
    Reflect.apply(convert, undefined, [{ target: TARGET, ...(libraryOptions && { libraryOptions }) }]);
  const options = LIBRARY_OPTIONS[vendor];
  if (options === undefined) return { schema: write(undefined) };
  try {
    return { schema: write(options) };
  } catch {
    // Another version may have other options.
    return { schema: write(undefined) };
  }
}

const vendorOf = (schema: StandardSchema): string => {
  const vendor = fieldOf(schema['~standard'], 'vendor');
  return typeof vendor === 'string' ? vendor : 'unknown';
};

const VALIBOT_CONVERTER = '@valibot/to-json-schema';

function converterOfValibot(schema: StandardSchema, vendor: string, side: SchemaSide): unknown {
  if (vendor !== 'valibot') return undefined;
  let library: unknown;
  try {
    library = requirePackage(VALIBOT_CONVERTER);
  } catch {
    return undefined;
  }
  const toStandard = fieldOf(library, 'toStandardJsonSchema');
  if (typeof toStandard !== 'function') return undefined;
  const converted: unknown = Reflect.apply(toStandard, undefined, [schema]);
  return fieldOf(fieldOf(fieldOf(converted, '~standard'), 'jsonSchema'), side);
}

function missing(vendor: string): string {
  const remedies: Readonly<Record<string, string>> = {
    valibot: `npm install ${VALIBOT_CONVERTER} (1.5 or later)`,
    zod: 'use Zod 4.2 or later',
    arktype: 'use ArkType 2.2 or later',
  };
  const remedy = Object.hasOwn(remedies, vendor) ? remedies[vendor] : undefined;
  return `its properties are unknown, because its library (${vendor.slice(0, 40)}) provides no JSON Schema${remedy === undefined ? '' : `: ${remedy}`}`;
}

const DATE_TIME = { type: 'string', format: 'date-time' };
const ANYTHING = { not: {} };

/**
 * Without these, one type that JSON lacks fails the whole schema. A Date is sent in ISO 8601 and a bigint as a string. Results of
 * conversions are unknown.
 */
const LIBRARY_OPTIONS: Readonly<Record<string, object>> = {
  zod: {
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }: { zodSchema: unknown; jsonSchema: object }): void => {
      const type = fieldOf(fieldOf(fieldOf(zodSchema, '_zod'), 'def'), 'type');
      if (type === 'date') Object.assign(jsonSchema, DATE_TIME);
      else if (type === 'bigint') Object.assign(jsonSchema, { type: 'string' });
    },
  },
  arktype: {
    fallback: {
      date: ({ base }: { base: object }) => ({ ...base, ...DATE_TIME }),
      default: ({ base }: { base: object }) => base,
    },
  },
  valibot: {
    errorMode: 'ignore',
    overrideSchema: ({ valibotSchema }: { valibotSchema: unknown }): object | undefined => {
      const type = fieldOf(valibotSchema, 'type');
      if (type === 'date') return DATE_TIME;
      return type === 'bigint' ? { type: 'string' } : undefined;
    },
    overrideAction: ({ valibotAction }: { valibotAction: unknown }): object | undefined =>
      fieldOf(valibotAction, 'type') === 'transform' ? ANYTHING : undefined,
  },
};

/** A copy without what JSON cannot hold: the schemas of a library are objects of the application. */
function plain(schema: unknown): JsonSchema {
  if (types.isPromise(schema)) {
    schema.catch(() => undefined);
    throw new Error('it is a promise');
  }
  const json = toJson(schema, MAX_BYTES);
  if (json === 'too_large') throw new Error(`it has more than ${MAX_BYTES} bytes`);
  const copy: unknown = JSON.parse(json.text);
  if (!isObject(copy)) throw new Error('it is not an object');
  return copy;
}

const MAX_REASON = 120;

function reasonOf(error: unknown): string {
  const message = fieldOf(error, 'message');
  const [line = ''] = typeof message === 'string' ? message.split('\n', 1) : [];
  return line.trim() === '' ? 'it threw' : line.slice(0, MAX_REASON);
}
