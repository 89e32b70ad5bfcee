import { ClassSerializerInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import * as classTransformer from 'class-transformer';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  CaptureEventDto,
  type CaptureEvent,
  type PostHogCaptureModuleOptions,
  type PostHogEvent,
} from 'nestjs-posthog-capture';
import { captureMany, closeAll, expectBalanced, KEY, start } from '../support/harness.js';
import { doubling, revoked, spiteful } from '../support/hostile-values.js';

afterEach(closeAll);

describe('context', () => {
  it('provides the person for everything it starts, and concurrent contexts never mix', async () => {
    const { capture, posthog } = await start();
    await Promise.all(
      ['a', 'b', 'c'].map((person) =>
        capture.withContext({ distinctId: person, sessionId: `s-${person}`, properties: { person } }, async () => {
          await Promise.resolve();
          capture.context.set({ groups: { team: person } });
          capture.capture({ event: 'step' });
        }),
      ),
    );
    await capture.flush();
    for (const person of ['a', 'b', 'c']) {
      expect(posthog.events.find(({ distinct_id }) => distinct_id === person)?.properties).toMatchObject({
        person,
        $session_id: `s-${person}`,
        $groups: { team: person },
      });
    }
  });

  it('the event takes precedence over the context, and the context over super properties', async () => {
    const { capture, posthog } = await start({ superProperties: { from: 'super', base: 1 } });
    capture.withContext({ distinctId: 'ctx', properties: { from: 'context', mid: 2 } }, () => {
      capture.capture({ event: 'one', distinctId: 'own', properties: { from: 'event' } });
      capture.capture({ event: 'two' });
    });
    await capture.flush();
    expect(posthog.events).toMatchObject([
      { distinct_id: 'own', properties: { from: 'event', base: 1, mid: 2 } },
      { distinct_id: 'ctx', properties: { from: 'context', base: 1, mid: 2 } },
    ]);
  });

  it('gives the personless events of one context the same id, and of each other context another', async () => {
    const { capture, posthog } = await start();
    capture.withContext({}, () => {
      capture.capture({ event: 'one' });
      capture.capture({ event: 'two' });
    });
    capture.capture({ event: 'three' });
    await capture.flush();
    const ids = posthog.events.map(({ distinct_id }) => distinct_id);
    expect(ids[0]).toBe(ids[1]);
    expect(ids[2]).not.toBe(ids[0]);
    expect(posthog.events.every(({ properties }) => properties.$process_person_profile === false)).toBe(true);
  });

  it('captures nothing for a person who opted out, and counts the drop', async () => {
    const { capture, posthog } = await start();
    capture.withContext({ distinctId: 'a', optedOut: true }, () => {
      expect(capture.capture({ event: 'secret' })).toBeNull();
    });
    await capture.flush();
    expect(posthog.events).toHaveLength(0);
    expect(capture.stats()).toMatchObject({ captured: 1, droppedByReason: { opted_out: 1 } });
  });

  it('survives a round trip through JSON', async () => {
    const { capture } = await start();
    const exported = capture.withContext({ distinctId: 7, groups: { team: 'x' } }, () =>
      JSON.stringify(capture.context.export()),
    );
    expect(exported).toBe('{"distinctId":"7","groups":{"team":"x"}}');
    const restored = JSON.parse(exported) as object;
    expect(capture.withContext(restored, () => capture.context.get())).toEqual({
      distinctId: '7',
      groups: { team: 'x' },
    });
    expect(capture.withContext(undefined, () => 'runs')).toBe('runs');
  });
});

describe('beforeSend', () => {
  it('several filters run in order, and their result is sent', async () => {
    const { capture, posthog } = await start({
      beforeSend: [
        (event) => ({ ...event, properties: { ...event.properties, seen: ['one'] } }),
        (event) => ({
          ...event,
          properties: { ...event.properties, seen: [...(event.properties.seen as string[]), 'two'] },
        }),
      ],
    });
    capture.capture({ event: 'a', distinctId: 'a' });
    await capture.flush();
    expect(posthog.events[0]?.properties.seen).toEqual(['one', 'two']);
  });

  it('cannot change the objects of the caller', async () => {
    const { capture } = await start({
      beforeSend: (event) => {
        (event.properties.user as Record<string, unknown>).email = 'hidden';
        return event;
      },
    });
    const properties = { user: { email: 'a@example.com' } };
    capture.capture({ event: 'a', distinctId: 'a', properties });
    expect(properties.user.email).toBe('a@example.com');
  });

  it.each<[string, unknown, string]>([
    ['null', () => null, 'before_send'],
    [
      'an exception',
      () => {
        throw new Error('no');
      },
      'before_send',
    ],
    ['a promise', (event: PostHogEvent) => Promise.resolve(event), 'before_send'],
    ['a number', () => 5, 'before_send'],
    ['an event without a name', (event: PostHogEvent) => ({ ...event, event: '' }), 'invalid'],
  ])('%s drops the event', async (_, beforeSend, reason) => {
    const { capture, posthog, drops } = await start({
      beforeSend: beforeSend as (event: PostHogEvent) => PostHogEvent,
    });
    expect(capture.capture({ event: 'a', distinctId: 'a' })).toBeNull();
    expect(drops).toEqual([expect.objectContaining({ reason, event: 'a' })]);
    expect((await capture.captureNow({ event: 'a', distinctId: 'a' })).error).toMatch(
      reason === 'before_send' ? /^Event dropped: before_send$/ : /^Invalid event: /,
    );
    await capture.flush();
    expect(posthog.requests).toHaveLength(0);
    expectBalanced(capture);
  });
});

it('an event does not change after it was captured', async () => {
  const { capture, posthog } = await start();
  const properties = { nested: { value: 1 } };
  capture.capture({ event: 'a', distinctId: 'a', properties });
  properties.nested.value = 2;
  await capture.flush();
  expect(posthog.events[0]?.properties.nested).toEqual({ value: 1 });
});

it('hostile input never throws, and the good events around it arrive', async () => {
  const { capture, posthog } = await start();
  const cycle: Record<string, unknown> = { name: 'cycle' };
  cycle.self = cycle;
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  const throws = {
    get bad(): never {
      throw new Error('getter');
    },
    good: 1,
  };
  const values: unknown[] = [
    cycle,
    10n,
    NaN,
    '\ud800 lone',
    'nul \0',
    revoked.proxy,
    throws,
    {
      toJSON: () => {
        throw new Error('x');
      },
    },
    Symbol('s'),
    () => 1,
    new Map([['a', 1]]),
    new Error('e'),
    JSON.parse('{"__proto__":{"polluted":1}}'),
  ];
  for (const value of values) {
    expect(capture.capture({ event: 'odd', distinctId: 'a', properties: { value, kept: true } })).not.toBeNull();
  }
  const inputs: unknown[] = [
    null,
    undefined,
    5,
    'text',
    [],
    revoked.proxy,
    { event: 5 },
    { event: 'a', properties: 'x' },
    { event: 'a', distinctId: {} },
    { event: 'a', groups: [] },
    { event: 'a', options: { processPersonProfile: 'yes' } },
  ];
  for (const input of inputs) expect(capture.capture(input as CaptureEvent)).toBeNull();
  for (const call of ['identify', 'alias', 'groupIdentify', 'setPersonProperties', 'unsetPersonProperties'] as const) {
    for (const input of inputs) expect((capture[call] as (input: unknown) => unknown).call(capture, input)).toBeNull();
  }
  capture.captureException(revoked.proxy);
  captureMany(capture, 3);
  const report = await capture.flush();
  expect(report).toMatchObject({ pending: 0, dropped: {} });
  expect(posthog.violations).toEqual([]);
  expect(
    posthog.events.filter(({ event }) => event === 'odd').every(({ properties }) => properties.kept === true),
  ).toBe(true);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  expectBalanced(capture);
});

it('warns of unknown fields, suggests the right name, and still sends the event', async () => {
  const { capture, posthog, lines } = await start();
  for (let index = 0; index < 3; index += 1)
    capture.capture({ event: 'a', distinctId: 'a', porperties: {} } as CaptureEvent);
  capture.capture({ event: 'b', distinct_id: 'from_json' });
  await capture.flush();
  expect(lines.filter((line) => line.includes('porperties'))).toEqual([expect.stringContaining('"properties"')]);
  expect(posthog.events.map(({ distinct_id }) => distinct_id)).toEqual(['a', 'a', 'a', 'from_json']);
});

it.each<[string, PostHogCaptureModuleOptions, unknown, RegExp]>([
  ['with its size', {}, 'x'.repeat(1000), /"huge".*too_large.*: 1[23]\d\d bytes, and maxEventBytes is 1000 bytes/],
  ['in bytes, not characters', {}, '漢'.repeat(400), /"huge".*too_large.*: 1[45]\d\d bytes, and maxEventBytes/],
  ['without end', {}, doubling(), /"huge".*too_large.*: more than 2000 bytes, and maxEventBytes is 1000 bytes/],
  [
    'that beforeSend made so',
    {
      beforeSend: (event) => {
        event.properties.more = 'x'.repeat(1000);
        return event;
      },
    },
    '',
    /"huge".*too_large.*: 1[23]\d\d bytes/,
  ],
  [
    'without end, before beforeSend',
    { beforeSend: (event) => event },
    doubling(),
    /"huge".*too_large.*: more than \d{7} bytes/,
  ],
])(
  'drops an event over maxEventBytes by name and size, never with its content: %s',
  async (_, options, value, line) => {
    const { capture, posthog, lines, drops } = await start({ maxEventBytes: 1000, ...options });
    expect(capture.capture({ event: 'huge', distinctId: 'a', properties: { value } })).toBeNull();
    expect(await capture.captureNow({ event: 'huge', distinctId: 'a', properties: { value } })).toMatchObject({
      success: false,
      error: 'Event dropped: too_large',
    });
    expect(lines).toEqual([expect.stringMatching(line)]);
    expect(drops.map(({ reason }) => reason)).toEqual(['too_large', 'too_large']);
    expect(lines.join()).not.toMatch(/xxxx|漢/);
    expect(posthog.requests).toHaveLength(0);
    expectBalanced(capture);
  },
);

it('beforeSend may make an event small enough', async () => {
  const beforeSend = (event: PostHogEvent): PostHogEvent => ({ ...event, properties: { small: true } });
  const { capture, posthog } = await start({ maxEventBytes: 1000, beforeSend });
  expect(capture.capture({ event: 'a', distinctId: 'a', properties: { large: 'x'.repeat(100_000) } })).not.toBeNull();
  await capture.flush();
  expect(posthog.events[0]?.properties).toEqual({ small: true });
});

it('warns of omitted or replaced values, and still sends the event', async () => {
  const { capture, posthog, lines } = await start({
    beforeSend: (event) => ({ ...event, uuid: 'none' }),
  });
  capture.capture({ event: 'a', distinctId: 'a', properties: { $set: 'secret', $cookieless_mode: 'secret' } });
  await capture.flush();
  expect(posthog.violations).toEqual([]);
  expect(posthog.events[0]?.properties).not.toHaveProperty('$set');
  expect(lines).toEqual([
    expect.stringMatching(/"a": property "\$set" must be an object/),
    expect.stringMatching(/"a": property "\$cookieless_mode" must be true or false/),
    expect.stringMatching(/"a": uuid is not valid after beforeSend/),
  ]);
  expect(lines.join()).not.toContain('secret');
});

it('drops a special event that PostHog would accept and ignore', async () => {
  const { capture, posthog, drops } = await start();
  for (const event of ['$identify', '$create_alias', '$groupidentify', '$exception'])
    expect(capture.capture({ event })).toBeNull();
  const options = { processPersonProfile: false };
  expect(capture.capture({ event: '$identify', distinctId: 'a', options })).toBeNull();
  capture.capture({ event: '$create_alias', distinctId: 'a', properties: { alias: 'b' } });
  await capture.flush();
  expect(posthog.violations).toEqual([]);
  expect(posthog.events.map(({ event, properties }) => [event, properties.alias, properties.distinct_id])).toEqual([
    ['$create_alias', 'b', 'a'],
  ]);
  expect(drops.map(({ reason }) => reason)).toEqual(Array(5).fill('invalid'));
});

it('withContext without a function does nothing but log a warning', async () => {
  const { capture, lines } = await start();
  expect(capture.withContext({ distinctId: 'a' }, undefined as never)).toBeUndefined();
  expect(lines).toEqual([expect.stringContaining('withContext()')]);
});

it.each<[string, (config: { data?: unknown; headers?: unknown }) => unknown]>([
  ['a spiteful proxy', () => spiteful()],
  ['a revoked proxy', () => revoked()],
  ['nothing', () => undefined],
  [
    'an error that is its own cause',
    () => {
      const error = new Error('');
      error.cause = error;
      return error;
    },
  ],
  ['an answer without headers', () => Object.assign(new Error(''), { isAxiosError: true, response: { status: 500 } })],
  [
    'an answer that throws',
    () => ({
      isAxiosError: true,
      get response() {
        throw new Error('no');
      },
    }),
  ],
  ['the request', ({ data, headers }) => new Error(`refused: ${String(data)} ${JSON.stringify(headers)}`)],
])('an HttpService may throw %s: the events stay, and nothing is told of them', async (_, thrown) => {
  const { capture, lines, drops } = await start({
    captureMode: 'v1',
    compression: 'none',
    maxRetries: 0,
    shutdownTimeoutMs: 0,
    http: {
      adapter: (config) => {
        throw thrown(config);
      },
    },
  });
  capture.capture({ event: 'a', distinctId: 'a' });
  expect(await capture.flush()).toMatchObject({
    pending: 1,
    error: expect.stringMatching(/^PostHog (connection|API) error/),
  });
  expect((await capture.captureNow({ event: 'a', distinctId: 'a' })).success).toBe(false);
  expect(JSON.stringify([lines, drops])).not.toContain('refused:');
  expectBalanced(capture);
});

it('disable() and enable() switch the instance, which counts nothing while disabled', async () => {
  const { capture, posthog } = await start();
  capture.disable();
  expect(capture.disabled).toBe(true);
  expect(capture.capture({ event: 'a', distinctId: 'a' })).toBeNull();
  capture.enable();
  capture.capture({ event: 'b', distinctId: 'a' });
  await capture.flush();
  expect(posthog.events.map(({ event }) => event)).toEqual(['b']);
  expect(capture.stats().captured).toBe(1);
});

it('onDelivery is called with the delivered events, and may throw', async () => {
  const delivered: string[] = [];
  const { capture, lines } = await start({
    onDelivery: ({ uuids }) => {
      delivered.push(...uuids);
      throw new Error('mine');
    },
  });
  const uuids = captureMany(capture, 3);
  expect(await capture.flush()).toMatchObject({ delivered: 3 });
  expect(delivered).toEqual(uuids);
  expect(lines).toEqual([expect.stringContaining('onDelivery')]);
});

it('a CaptureResult is the same under JSON.stringify and Nest’s serializer', async () => {
  const { capture } = await start();
  const expected = '{"success":true,"event":"page_view","distinct_id":"user_123","error":null}';
  const result = await capture.captureNow({ event: 'page_view', distinctId: 'user_123' });
  const serializer = new ClassSerializerInterceptor(new Reflector(), { transformerPackage: classTransformer });
  expect(JSON.stringify(result)).toBe(expected);
  expect(JSON.stringify(classTransformer.instanceToPlain(result))).toBe(expected);
  expect(JSON.stringify(serializer.serialize(result, {}))).toBe(expected);
  expect(JSON.stringify(serializer.serialize(result, { strategy: 'excludeAll' }))).toBe(expected);
  expect(result.uuid).toMatch(/^[0-9a-f-]{36}$/);
});

it('accepts a CaptureEventDto', async () => {
  const { capture, posthog } = await start();
  const dto = Object.assign(new CaptureEventDto(), {
    event: 'a',
    distinct_id: 'u',
    timestamp: '2026-01-31T12:00:00.123456Z',
  });
  expect(await capture.captureNow(dto)).toMatchObject({ success: true, distinctId: 'u' });
  expect(posthog.events[0]?.timestamp).toBe('2026-01-31T12:00:00.123456Z');
});

it('no log line contains the key or a payload, whatever goes wrong', async () => {
  const { capture, posthog, lines, drops } = await start({ coolDownMs: 1, maxRetries: 0 });
  posthog.fail([
    { status: 401 },
    { status: 500, body: `${KEY} payload-secret` },
    { reset: 'before' },
    { status: 400, body: 'payload-secret' },
  ]);
  for (let round = 0; round < 6; round += 1) {
    capture.capture({ event: 'a', distinctId: 'a', properties: { card: 'payload-secret' } });
    await capture.flush();
  }
  capture.capture({ event: 'a', distinctId: 'a', properties: 'payload-secret' } as unknown as CaptureEvent);
  expect(lines.length).toBeGreaterThan(2);
  expect(JSON.stringify([lines, drops])).not.toMatch(/payload-secret|phc_test/);
});
