import { createHmac } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { type } from 'arktype';
import { IsArray, IsEmail, IsIn, IsNumber, IsOptional, ValidateNested } from 'class-validator';
import {
  CaptureService,
  defineEvent,
  Event,
  type EventInfo,
  type EventsOptions,
  Pii,
  type Props,
  TrackEvent,
} from 'nestjs-posthog-capture';
import { captureMatchers, PostHogCaptureTestingModule, recorderOf } from 'nestjs-posthog-capture/testing';
import * as v from 'valibot';
import { z } from 'zod';
import { type StandardSchema } from '../../lib/shared/standard-schema.js';
import { boot, closeAll, expectBalanced, type Harness, start } from '../support/harness.js';

afterEach(closeAll);

const OrderPlaced = defineEvent(
  'order_placed',
  z.object({
    total: z.number(),
    currency: z.enum(['EUR', 'USD']).default('EUR'),
    items: z.array(z.object({ sku: z.string() })).optional(),
    email: z.string().optional(),
  }),
  { description: 'An order was paid', owner: 'checkout', pii: ['email'] },
);

class Item {
  @IsNumber() price!: number;
}

@Event('invoice_sent', { description: 'An invoice left' })
class InvoiceSent {
  @IsNumber() total!: number;
  @IsIn(['EUR', 'USD']) currency!: 'EUR' | 'USD';
  @IsOptional() @IsEmail() @Pii() email?: string;
  @IsOptional() @IsArray() @ValidateNested() items?: Item[];
  constructor(properties: Props<InvoiceSent>) {
    Object.assign(this, properties);
  }
}

interface Sent {
  readonly event: string;
  readonly distinct_id: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

async function sentBy(
  act: (capture: CaptureService) => unknown,
  events: EventsOptions = {},
): Promise<Harness & { readonly sent: readonly Sent[] }> {
  const harness = await start({ events });
  await act(harness.capture);
  await harness.capture.flush();
  expectBalanced(harness.capture);
  expect(harness.posthog.violations).toEqual([]);
  return { ...harness, sent: harness.posthog.events as unknown as Sent[] };
}

/** Captures one event that the test must see refused; `captureNow` must say so, too. */
async function refusedBy(event: object, events: EventsOptions = {}): Promise<string> {
  const { sent, drops, capture } = await sentBy((service) => {
    expect(service.capture(event as ReturnType<typeof OrderPlaced>)).toBeNull();
  }, events);
  expect(sent).toEqual([]);
  expect(capture.stats()).toMatchObject({ captured: 1, dropped: 1, droppedByReason: { schema: 1 } });
  expect(drops).toMatchObject([{ reason: 'schema', detail: expect.any(String) }]);
  expect(await capture.captureNow(event as ReturnType<typeof OrderPlaced>)).toMatchObject({
    success: false,
    error: 'Event dropped: schema',
  });
  return drops[0]!.detail;
}

describe('a valid event', () => {
  it('is sent as the output of its schema, with its envelope', async () => {
    const at = new Date('2026-01-02T03:04:05Z');
    const { sent } = await sentBy((capture) => {
      capture.capture(
        OrderPlaced({ total: 3, $current_url: '/' }, { distinctId: 'a', groups: { company: 7 }, timestamp: at }),
      );
    });
    expect(sent).toMatchObject([
      {
        event: 'order_placed',
        distinct_id: 'a',
        timestamp: '2026-01-02T03:04:05.000Z',
        properties: { total: 3, currency: 'EUR', $current_url: '/', $groups: { company: '7' } },
      },
    ]);
  });

  it('of Valibot, ArkType and of a class', async () => {
    const OfValibot = defineEvent('of_valibot', v.object({ a: v.pipe(v.string(), v.trim()) }));
    const OfArkType = defineEvent('of_arktype', type({ a: 'string.numeric.parse' }));
    const { sent } = await sentBy((capture) => {
      capture.capture(OfValibot({ a: ' x ' }));
      capture.capture(OfArkType({ a: '3' }));
      capture.capture(new InvoiceSent({ total: 3, currency: 'USD', items: [] }), { distinctId: 'b' });
    });
    expect(sent).toMatchObject([
      { event: 'of_valibot', properties: { a: 'x' } },
      { event: 'of_arktype', properties: { a: 3 } },
      { event: 'invoice_sent', distinct_id: 'b', properties: { total: 3, currency: 'USD', items: [] } },
    ]);
  });

  it('goes through captureNow', async () => {
    const { capture, posthog } = await start();
    expect(await capture.captureNow(OrderPlaced({ total: 3 }, { distinctId: 'a' }))).toMatchObject({ success: true });
    const instance = new InvoiceSent({ total: 3, currency: 'EUR' });
    expect(await capture.captureNow(instance, { distinctId: 'b', timeoutMs: 60_000 })).toMatchObject({ success: true });
    expect(posthog.events).toMatchObject([{ distinct_id: 'a' }, { event: 'invoice_sent', distinct_id: 'b' }]);
  });

  it('is what it was when it was captured', async () => {
    const { sent } = await sentBy((capture) => {
      const items = [{ sku: 'a' }];
      const event = OrderPlaced({ total: 3, items });
      capture.capture(event);
      event.properties.total = 4;
      items[0]!.sku = 'b';
    });
    expect(sent).toMatchObject([{ properties: { total: 3, items: [{ sku: 'a' }] } }]);
  });
});

describe('an event that breaks its definition', () => {
  it('is refused in tests, with the paths and no values', async () => {
    const event = { total: 'secret', items: [{ sku: 1 }, { sku: 'b' }] } as unknown as { total: number };
    expect(await refusedBy(OrderPlaced(event))).toBe('its properties break its definition: total, items[0].sku');
  });

  it('of a class', async () => {
    const event = new InvoiceSent({
      total: 3,
      currency: 'GBP' as 'EUR',
      items: [Object.assign(new Item(), { price: 'x' })],
    });
    expect(await refusedBy(event)).toBe('its properties break its definition: currency, items[0].price');
  });

  it('of Valibot and ArkType', async () => {
    const properties = { total: 'x', items: [{ sku: 1 }] } as never;
    const ofValibot = v.object({ total: v.number(), items: v.array(v.object({ sku: v.string() })) });
    const ofArkType = type({ total: 'number', items: type({ sku: 'string' }).array() });
    for (const schema of [ofValibot, ofArkType] as StandardSchema[]) {
      const Broken = defineEvent('broken', schema);
      expect(await refusedBy(Broken(properties))).toMatch(/: (total, items\[0\]\.sku|items\[0\]\.sku, total)$/);
    }
  });

  it.each(['__proto__', 'constructor'])('of a class, whatever its properties have as %s', async (name) => {
    const properties = JSON.parse(`{"total":"3","${name}":{}}`) as Record<string, unknown>;
    const problem = await refusedBy({ event: 'invoice_sent', properties }, { catalog: [InvoiceSent] });
    expect(problem).toMatch(/: total, currency$/);
  });

  it('whatever its envelope has', async () => {
    const envelope = JSON.parse('{"__proto__":{}}') as object;
    expect(await refusedBy(OrderPlaced({ total: 'x' as unknown as number }, envelope))).toMatch(/: total$/);
  });

  it('is found by its name, too', async () => {
    const events = { catalog: [OrderPlaced, InvoiceSent] };
    expect(await refusedBy({ event: 'order_placed', properties: { total: 'x' } }, events)).toMatch(/: total$/);
    expect(await refusedBy({ event: 'invoice_sent' }, events)).toMatch(/: total, currency$/);
  });

  it('is sent as it is with invalid: warn', async () => {
    const { sent, lines } = await sentBy(
      (capture) => capture.capture(OrderPlaced({ total: 'a' as unknown as number, extra: 1 } as { total: number })),
      { invalid: 'warn' },
    );
    expect(sent).toMatchObject([{ properties: { total: 'a', extra: 1 } }]);
    expect(lines).toEqual(['Event "order_placed": its properties break its definition: total.']);
  });
});

const schemaOf = (validate: StandardSchema['~standard']['validate']): StandardSchema => ({
  '~standard': { version: 1, vendor: 'test', validate },
});

describe('a schema that', () => {
  it.each<[string, StandardSchema, string]>([
    ['throws', schemaOf(() => JSON.parse('secret') as never), 'the schema threw'],
    ['is asynchronous', schemaOf(() => Promise.reject(new Error('secret'))), 'the schema returned a promise'],
    ['returns a thenable', schemaOf((value) => ({ then: () => value }) as never), 'the schema returned a promise'],
    ['throws in a check of Zod', z.object({}).refine(() => JSON.parse('secret') as never), 'or a check that throws'],
    ['returns no issues', schemaOf(() => ({ issues: [] })), 'the value as a whole'],
    ['returns nothing', schemaOf(() => undefined as never), 'the schema returned no result'],
    ['returns no object', schemaOf(() => ({ value: 3 })), 'the schema must return an object'],
    ['returns issues that throw', schemaOf(() => ({ issues: [null as never] })), 'unreadable'],
    [
      'returns thousands of issues',
      schemaOf(() => ({ issues: Array.from({ length: 5000 }, (_, index) => ({ message: 'secret', path: [index] })) })),
      '[0], [1], [2], [3], [4] and 4995 more',
    ],
    [
      'names a long path',
      schemaOf(() => ({ issues: [{ message: '', path: ['x'.repeat(500)] }] })),
      `${'x'.repeat(60)}…`,
    ],
  ])('%s: the event is refused, and nothing else happens', async (_, schema, problem) => {
    expect(await refusedBy(defineEvent('hostile', schema)({}))).toContain(problem);
  });

  it('returns an object whose getter throws: the event goes without its value', async () => {
    const value = Object.defineProperty({ a: 1 }, 'b', { enumerable: true, get: () => JSON.parse('secret') as never });
    const { sent } = await sentBy((capture) =>
      capture.capture(
        defineEvent(
          'odd',
          schemaOf(() => ({ value })),
        )({}),
      ),
    );
    expect(sent).toMatchObject([{ properties: { a: 1, b: null } }]);
  });
});

describe('events without a definition', () => {
  const untyped = { event: 'unheard_of', distinctId: 'a' };

  it('are allowed without a catalog', async () => {
    expect((await sentBy((capture) => capture.capture(untyped))).sent).toHaveLength(1);
  });

  it('are refused in tests with one, and those of PostHog and of the package are not', async () => {
    const events = { catalog: [OrderPlaced] };
    expect(await refusedBy(untyped, events)).toBe('it is not in the catalog (option events.catalog)');
    const { sent } = await sentBy((capture) => {
      capture.capture({ event: '$pageview' });
      capture.capture({ event: 'http_request' });
      capture.identify({ distinctId: 'a', set: { plan: 'pro' } });
      capture.capture(new InvoiceSent({ total: 3, currency: 'EUR' }), {});
    }, events);
    expect(sent.map(({ event }) => event)).toEqual(['$pageview', 'http_request', '$identify', 'invoice_sent']);
  });

  it('are warned of with unknown: warn', async () => {
    const events = { catalog: [OrderPlaced], unknown: 'warn' } as const;
    const { sent, lines } = await sentBy((capture) => capture.capture(untyped), events);
    expect(sent).toHaveLength(1);
    expect(lines).toEqual(['Event "unheard_of": it is not in the catalog (option events.catalog).']);
  });
});

it('in production, what breaks a definition is sent, with a warning', async () => {
  const { NODE_ENV, CI } = process.env;
  process.env.NODE_ENV = 'production';
  delete process.env.CI;
  try {
    const { sent, lines } = await sentBy(
      (capture) => {
        capture.capture({ event: 'unheard_of' });
        capture.capture(OrderPlaced({} as { total: number }));
      },
      { catalog: [OrderPlaced] },
    );
    expect(sent).toHaveLength(2);
    expect(lines).toHaveLength(2);
  } finally {
    process.env.NODE_ENV = NODE_ENV;
    if (CI !== undefined) process.env.CI = CI;
  }
});

it('each event has lines of its own in the log', async () => {
  const [One, Two] = ['one', 'two'].map((name) =>
    defineEvent(name, z.object({ a: z.string() }), { deprecated: 'use three' }),
  );
  const act = (capture: CaptureService): void => {
    for (const define of [One!, Two!, One!, Two!]) capture.capture(define({} as { a: string }));
    for (const event of ['unheard', 'of', 'unheard']) capture.capture({ event });
  };
  const { lines } = await sentBy(act, { catalog: [One!, Two!], unknown: 'warn', invalid: 'warn' });
  expect(lines).toEqual([
    'Event "one": the event is deprecated: use three.',
    'Event "one": its properties break its definition: a.',
    'Event "two": the event is deprecated: use three.',
    'Event "two": its properties break its definition: a.',
    'Event "unheard": it is not in the catalog (option events.catalog).',
    'Event "of": it is not in the catalog (option events.catalog).',
  ]);
  const refused = await sentBy(act, { catalog: [One!, Two!], unknown: 'refuse', invalid: 'refuse' });
  expect(refused.lines.filter((line) => line.includes('dropped')).map((line) => line.slice(0, 36))).toEqual([
    'Event "one" dropped (schema): its pr',
    'Event "two" dropped (schema): its pr',
    'Event "unheard" dropped (schema): it',
    'Event "of" dropped (schema): it is n',
  ]);
});

it('null in a definition is the same as a field that is not given', async () => {
  const info = {
    pii: null,
    deprecated: null,
    sampleRate: null,
    limit: { perMinute: null, once: null, perPersonPerHour: 5 },
  };
  const Nulls = defineEvent('nulls', z.object({}), info as never);
  const { sent, lines } = await sentBy(
    (capture) => {
      for (let index = 0; index < 3; index += 1) capture.capture(Nulls({}, { distinctId: 'a' }));
    },
    { pii: 'drop' },
  );
  expect(sent).toHaveLength(3);
  expect(lines).toEqual([]);
  expect(Nulls.info).toEqual({ limit: { perPersonPerHour: 5 } });
});

it('a deprecated event warns once', async () => {
  const Old = defineEvent('old', z.object({}), { deprecated: 'use order_paid' });
  const { sent, lines } = await sentBy((capture) => {
    capture.capture(Old());
    capture.capture(Old());
  });
  expect(sent).toHaveLength(2);
  expect(lines).toEqual(['Event "old": the event is deprecated: use order_paid.']);
});

describe('properties that identify a person', () => {
  const act = (capture: CaptureService): void => {
    capture.capture(OrderPlaced({ total: 3, email: 'a@example.com' }));
    capture.capture(new InvoiceSent({ total: 3, currency: 'EUR', email: 'a@example.com' }), {});
    capture.capture({ event: 'order_placed', properties: { total: 3, email: 'a@example.com' } });
  };
  const catalog = [OrderPlaced, InvoiceSent];
  const emails = (sent: readonly Sent[]): unknown[] => sent.map(({ properties }) => properties.email);

  it('are kept by default', async () => {
    expect(emails((await sentBy(act, { catalog })).sent)).toEqual(Array(3).fill('a@example.com'));
  });

  it('are hashed', async () => {
    const { sent } = await sentBy(act, { catalog, pii: 'hash', piiSecret: 'pepper' });
    const hash = createHmac('sha256', 'pepper').update('a@example.com').digest('hex').slice(0, 32);
    expect(emails(sent)).toEqual([hash, hash, hash]);
  });

  it('are dropped, before beforeSend', async () => {
    const seen: unknown[] = [];
    const { capture } = await boot({
      host: 'http://127.0.0.1:1',
      events: { pii: 'drop' },
      beforeSend: (event) => {
        seen.push(event.properties);
        return event;
      },
    });
    capture.capture(OrderPlaced({ total: 3, email: 'a@example.com' }));
    expect(seen).toMatchObject([{ total: 3 }]);
    expect(seen[0]).not.toHaveProperty('email');
  });

  it('are dropped under the name before the conversions of the schema as well', async () => {
    const schema = z
      .object({ mail: z.string(), total: z.number() })
      .transform(({ mail, total }) => ({ email: mail, total }));
    const Renamed = defineEvent('renamed', schema, { pii: ['mail', 'email'] });
    const invalid = { mail: 'a@example.com', total: '3' } as unknown as { mail: string; total: number };
    const { sent } = await sentBy(
      (capture) => {
        capture.capture(Renamed({ mail: 'a@example.com', total: 3 }));
        capture.capture(Renamed(invalid));
      },
      { pii: 'drop', invalid: 'warn' },
    );
    expect(sent.map(({ properties }) => [properties.total, properties.mail, properties.email])).toEqual([
      [3, undefined, undefined],
      ['3', undefined, undefined],
    ]);
  });
});

describe('mistakes stop the boot', () => {
  it.each<[() => unknown, string]>([
    [() => defineEvent('$pageview', z.object({})), "PostHog's own events"],
    [() => defineEvent('', z.object({})), 'the name must be a non-blank string'],
    [() => defineEvent('a', {} as StandardSchema), 'expected a schema that implements Standard Schema'],
    [() => defineEvent('a', z.object({}), { descripton: 'x' } as EventInfo<never>), 'did you mean description?'],
    [() => defineEvent('a', z.object({}), { version: 1.5 }), 'version must be a whole number'],
    [() => defineEvent(3n as never, z.object({})), 'defineEvent(a bigint): the name must be a non-blank string'],
    [() => defineEvent('x'.repeat(500), z.object({})), `defineEvent("${'x'.repeat(60)}…"): the name must be`],
    [
      () => defineEvent('a', z.object({}), { perMinute: 5 } as never),
      'there is no field perMinute; the fields are desc',
    ],
    [() => Event('a', null as never)({} as never), '@Event("a"): decorate a class'],
    [
      () =>
        TrackEvent(
          class Plain {
            total = 3;
          } as never,
        )({}, 'run', { value: () => undefined }),
      '@TrackEvent("Plain") on run(): the class has no decorator @Event',
    ],
  ])('%#', (define, problem) => {
    expect(define).toThrow(problem);
  });

  it('of a class, when it is loaded', () => {
    expect(() => {
      @Event('$order_placed')
      class Wrong {
        total = 3;
      }
      return Wrong;
    }).toThrow('@Event("$order_placed") on Wrong');
  });

  it.each<[EventsOptions, string]>([
    [{ catalog: [OrderPlaced, OrderPlaced] }, 'catalog to have one definition of "order_placed", but it has several'],
    [{ catalog: [z.object({}) as never] }, 'catalog to be an array of results of defineEvent()'],
    [{ pii: 'hash' }, 'piiSecret to be set, because pii is hash'],
    [{ unknwon: 'warn' } as EventsOptions, 'unknown in place of unknwon'],
    [{ invalid: 'drop' as 'warn' }, 'invalid to be one of warn, refuse'],
  ])('%#', async (events, problem) => {
    await expect(boot({ host: 'http://127.0.0.1:1', events })).rejects.toThrow(problem);
  });

  it('and a definition in place of an event is explained', async () => {
    const { drops } = await sentBy((capture) => capture.capture(OrderPlaced as never));
    expect(drops).toMatchObject([
      { reason: 'invalid', detail: expect.stringContaining('call the definition of "order_placed"') },
    ]);
  });
});

it('an object that throws for symbols is captured', async () => {
  const fields = { event: 'strict', distinctId: 'a' };
  const strict = new Proxy(fields, {
    get: (target, name) => {
      if (typeof name === 'symbol') throw new Error('secret');
      return Reflect.get(target, name) as unknown;
    },
  });
  expect((await sentBy((capture) => capture.capture(strict))).sent).toMatchObject([{ event: 'strict' }]);
});

it.each([
  ['an instance of a class', () => new InvoiceSent({ total: 3, currency: 'EUR' })],
  ['an object', () => ({ event: 'plain' })],
])('a string as the second argument is warned of: %s', async (_, made) => {
  const { sent, lines } = await sentBy((service) => service.capture(made() as never, 'bob' as never));
  expect(sent).toHaveLength(1);
  expect(lines).toEqual([
    expect.stringMatching(
      /: the second argument was ignored, because it is a string: pass an object .* \{ distinctId \}\.$/,
    ),
  ]);
});

it('a second argument is only for classes: fields that are not used are warned of', async () => {
  const { sent, lines, capture } = await sentBy((service) => service.capture({ event: 'plain' }, { distinctId: 'a' }));
  expect(sent).toMatchObject([{ event: 'plain' }]);
  expect(lines).toEqual([
    'Event "plain": the second argument was ignored, because the event is no instance of a class with @Event: put distinctId and the other fields into the event.',
  ]);
  await capture.captureNow({ event: 'other' }, { timeoutMs: 60_000 });
  expect(lines).toHaveLength(1);
});

describe('@TrackEvent', () => {
  @Injectable()
  class Orders {
    @TrackEvent(OrderPlaced, { properties: ({ result }) => ({ total: (result as { total: number }).total }) })
    place(total: number): { total: number } {
      return { total };
    }

    @TrackEvent(InvoiceSent, { properties: { total: 3, currency: 'EUR' }, distinctId: 'b' })
    send(): void {}
  }

  @Controller()
  class OrdersController {
    @Get() @TrackEvent(OrderPlaced, { properties: { total: 5 } }) order(): string {
      return 'ok';
    }
  }

  it('takes definitions, and the matchers do', async () => {
    expect.extend(captureMatchers);
    const module = await Test.createTestingModule({
      imports: [PostHogCaptureTestingModule.forRoot()],
      controllers: [OrdersController],
      providers: [Orders],
    }).compile();
    const app = await module.createNestApplication().init();
    const orders = app.get(Orders);
    orders.place(3);
    orders.place('x' as unknown as number);
    orders.send();
    const recorder = recorderOf(app);
    expect(recorder).toHaveCaptured(OrderPlaced, { properties: { total: 3, currency: 'EUR', $outcome: 'success' } });
    expect(recorder).toHaveCapturedTimes(OrderPlaced, 1);
    expect(recorder).toHaveCaptured(InvoiceSent, { distinctId: 'b', properties: { currency: 'EUR' } });
    expect(recorder).not.toHaveCaptured(defineEvent('other', z.object({})));
    expect(app.get(CaptureService).stats().droppedByReason).toEqual({ schema: 1 });
    await app.close();
  });
});
