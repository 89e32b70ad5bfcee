import { describe, expect, it } from '@jest/globals';
import { type } from 'arktype';
import {
  Allow,
  IsArray,
  IsDate,
  IsEmail,
  IsEnum,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  ValidateNested,
} from 'class-validator';
import { defineEvent, Event, Pii } from 'nestjs-posthog-capture';
import * as v from 'valibot';
import { z } from 'zod';
import { type DefinedEvent, definedEventOf } from '../../../lib/events/defined-event.js';
import { describeEvent, type EventDescription } from '../../../lib/events/describe-event.js';
import { type StandardSchema } from '../../../lib/shared/standard-schema.js';

const described = (definition: object): EventDescription => describeEvent(definedEventOf(definition) as DefinedEvent);

/** `name?: type`, one for each property. */
const fieldsOf = (definition: object): string[] =>
  described(definition).properties.map(({ name, type: text, required }) => `${name}${required ? '' : '?'}: ${text}`);

const ofZod = (schema: z.ZodType): string[] => fieldsOf(defineEvent('an_event', schema));

describe('an event', () => {
  it('is described with its information, its properties and their schema', () => {
    const OrderPlaced = defineEvent(
      'order_placed',
      z.object({ total: z.number().describe('In cents'), email: z.email().optional() }),
      {
        description: 'An order was paid',
        owner: 'checkout',
        pii: ['email'],
        deprecated: 'use order_paid',
        version: 2,
        sampleRate: 0.5,
        limit: { perMinute: 60, once: undefined },
      },
    );
    expect(described(OrderPlaced)).toEqual({
      name: 'order_placed',
      description: 'An order was paid',
      owner: 'checkout',
      deprecated: 'use order_paid',
      version: 2,
      pii: ['email'],
      limits: { sampleRate: 0.5, perMinute: 60 },
      properties: [
        { name: 'total', type: 'number', required: true, description: 'In cents', pii: false },
        { name: 'email', type: 'string (email)', required: false, description: null, pii: true },
      ],
      jsonSchema: expect.objectContaining({
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        required: ['total'],
      }),
      note: null,
    });
  });

  it('is described once', () => {
    let conversions = 0;
    const definition = defineEvent('an_event', ofSchema({ input: () => ({ conversions: ++conversions }) }));
    expect(described(definition)).toBe(described(definition));
    expect(conversions).toBe(1);
  });
});

describe('the types of properties', () => {
  it.each<[string, z.ZodType, string]>([
    ['literals', z.enum(['EUR', 'USD']), '"EUR" | "USD"'],
    ['a literal', z.literal(3), '3'],
    ['a date as it is sent', z.date(), 'string (date-time)'],
    ['a bigint as it is sent', z.bigint(), 'string'],
    ['a format without its pattern', z.iso.datetime(), 'string (date-time)'],
    ['rules', z.string().min(2).regex(/^a/), 'string (minLength: 2, pattern: "^a")'],
    ['an integer without the bounds of all integers', z.int(), 'integer'],
    ['bounds', z.int().min(1), 'integer (minimum: 1)'],
    ['a union', z.union([z.string(), z.number()]), 'string | number'],
    ['null', z.string().nullable(), 'string | null'],
    ['a list of a union', z.array(z.union([z.string(), z.number()])), '(string | number)[]'],
    ['a tuple', z.tuple([z.string(), z.number()]), '[string, number] (minItems: 2, maxItems: 2)'],
    [
      'a nested object',
      z.array(z.object({ sku: z.string(), 'a b': z.number().optional() })),
      '{ sku: string; "a b"?: number }[]',
    ],
    ['an intersection', z.object({ a: z.string() }).and(z.object({ b: z.int() })), '{ a: string; b: integer }'],
    ['a record', z.record(z.string(), z.number()), '{ [name: string]: number }'],
    ['an object of anything', z.looseObject({}), 'object'],
    ['anything', z.unknown(), 'any'],
    ['what JSON has no type for', z.map(z.string(), z.string()), 'any'],
  ])('show %s', (_what, schema, text) => {
    expect(ofZod(z.object({ it: schema }))).toEqual([
      expect.stringMatching(new RegExp(`^it\\??: ${escaped(text)}$`)) as unknown as string,
    ]);
  });

  it('show a default, with which the property may be left out', () => {
    expect(ofZod(z.object({ currency: z.string().default('EUR') }))).toEqual(['currency?: string (default: "EUR")']);
  });

  it('of a union of objects are required where all alternatives require them', () => {
    const schema = z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('card'), last4: z.string() }),
      z.object({ kind: z.literal('invoice'), days: z.int() }),
    ]);
    expect(ofZod(schema)).toEqual(['kind: "card" | "invoice"', 'last4?: string', 'days?: integer']);
  });

  it('of an intersection of objects are those of both', () => {
    expect(ofZod(z.object({ a: z.string() }).and(z.object({ b: z.int().optional() })))).toEqual([
      'a: string',
      'b?: integer',
    ]);
  });

  it('end in a recursive schema', () => {
    const Folder = z.object({
      name: z.string(),
      get folders() {
        return z.array(Folder).optional();
      },
    });
    const [name, folders = ''] = ofZod(Folder);
    expect(name).toBe('name: string');
    expect(folders).toMatch(/^folders\?: \{ name: string; folders\?: \{ name: string; folders\?: .*any/);
  });

  it('end in a schema whose branches multiply', () => {
    const branch = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`p${at}`, { $ref: '#' }]));
    const definition = defineEvent(
      'an_event',
      ofSchema({ input: () => ({ type: 'object', properties: branch, anyOf: [{ $ref: '#' }, { $ref: '#' }] }) }),
    );
    expect(described(definition).properties).toHaveLength(40);
  });
});

describe('the library of a schema', () => {
  it('may be Valibot', () => {
    const schema = v.object({
      total: v.pipe(v.number(), v.description('In cents')),
      at: v.date(),
      currency: v.optional(v.picklist(['EUR', 'USD']), 'EUR'),
      length: v.pipe(
        v.string(),
        v.transform((text) => text.length),
      ),
    });
    expect(fieldsOf(defineEvent('an_event', schema))).toEqual([
      'total: number',
      'at: string (date-time)',
      'currency?: "EUR" | "USD" (default: "EUR")',
      expect.stringMatching(/^length: /),
    ]);
  });

  it('may be ArkType', () => {
    const schema = type({ total: 'number', 'currency?': "'EUR'|'USD'", at: 'Date', 'email?': 'string.email' });
    expect(fieldsOf(defineEvent('an_event', schema)).sort()).toEqual([
      'at: string (date-time)',
      'currency?: "EUR" | "USD"',
      expect.stringMatching(/^email\?: string \(email/),
      'total: number',
    ]);
  });

  it.each([
    ['an old Zod', { vendor: 'zod' }, 'its library (zod) provides no JSON Schema: use Zod 4.2 or later'],
    ['another', { vendor: 'other' }, 'its library (other) provides no JSON Schema'],
  ])('may be %s, which knows no JSON Schema', (_what, { vendor }, note) => {
    const definition = defineEvent('an_event', ofSchema(undefined, vendor), { description: 'It happened' });
    expect(described(definition)).toMatchObject({
      description: 'It happened',
      properties: [],
      jsonSchema: null,
      note: `its properties are unknown, because ${note}`,
    });
  });
});

enum Size {
  small,
  large,
}

class Item {
  @IsString() sku!: string;
}

@Event('class_event', { description: 'It happened' })
class ClassEvent {
  @IsInt() total!: number;
  @IsOptional() @IsEmail() @Pii() email?: string;
  @IsIn(['EUR', 'USD']) currency!: string;
  @IsDate() at!: Date;
  @IsEnum(Size) size!: Size;
  @ValidateNested() item!: Item;
  @IsArray() @ValidateNested() items!: Item[];
  @Allow() rest: unknown;
}

@Event('empty_event')
class EmptyEvent {}

describe('a class', () => {
  it('is described by the rules of class-validator', () => {
    expect(fieldsOf(ClassEvent)).toEqual([
      'total: integer',
      'email?: string (email)',
      'currency: "EUR" | "USD"',
      'at: string (date-time)',
      'size: 0 | 1',
      'item: { sku: string }',
      expect.stringMatching(/^items: .*\[\]$/),
      'rest: any',
    ]);
    expect(described(ClassEvent).properties[1]?.pii).toBe(true);
    expect(described(ClassEvent).jsonSchema).toMatchObject({ $defs: { Item: { properties: { sku: {} } } } });
  });

  it('may have no properties', () => {
    expect(described(EmptyEvent)).toMatchObject({ properties: [], note: null, jsonSchema: { type: 'object' } });
  });
});

describe('a hostile schema', () => {
  const cycle: Record<string, unknown> = { type: 'object' };
  cycle.properties = { it: cycle };
  it.each<[string, () => unknown, string | null]>([
    [
      'throws',
      () => {
        throw new Error('no\nsecond line');
      },
      'its JSON Schema cannot be generated: no',
    ],
    [
      'throws something else',
      () => {
        throw Object.assign(Object.create(null), { toString: null });
      },
      'its JSON Schema cannot be generated: it threw',
    ],
    ['returns no object', () => 3, 'its JSON Schema cannot be generated: it is not an object'],
    ['returns a promise', () => Promise.reject(new Error('no')), 'it is a promise'],
    ['returns a cycle', () => cycle, null],
    ['returns too much', () => ({ it: 'x'.repeat(2_000_000) }), 'its JSON Schema cannot be generated: it has'],
    ['has properties of no sense', () => ({ properties: [1], required: 'x', anyOf: 3, allOf: [null] }), null],
  ])('that %s does not throw', (_what, input, note) => {
    const definition = defineEvent('an_event', ofSchema({ input }));
    const { note: given } = described(definition);
    if (note === null) expect(given).toBeNull();
    else expect(given).toContain(note);
  });

  it('may have a getter that throws', () => {
    const schema = ofSchema(undefined);
    Object.defineProperty(schema['~standard'], 'jsonSchema', {
      get: () => {
        throw new Error('no');
      },
    });
    expect(described(defineEvent('an_event', schema)).note).toContain('provides no JSON Schema');
  });
});

function ofSchema(jsonSchema: object | undefined, vendor = 'test'): StandardSchema {
  const standard = { version: 1 as const, vendor, validate: (value: unknown) => ({ value }), jsonSchema };
  return { '~standard': standard };
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
