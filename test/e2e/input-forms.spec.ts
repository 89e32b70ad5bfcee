import { afterEach, describe, expect, it } from '@jest/globals';
import {
  CaptureEventDto,
  type CaptureEvent,
  captureEventOf,
  type CaptureResult,
  type CaptureService,
} from 'nestjs-posthog-capture';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { closeAll, expectBalanced, start } from '../support/harness.js';

afterEach(closeAll);

type Sent = FakePostHog['events'][number];

/** The events that PostHog received, and the log, after some calls. */
async function sentBy(act: (capture: CaptureService) => unknown): Promise<{ events: Sent[]; lines: string[] }> {
  const { capture, posthog, lines } = await start();
  await act(capture);
  await capture.flush();
  expectBalanced(capture);
  return { events: [...posthog.events], lines };
}

/** An event of any shape, as plain JavaScript would pass it. */
const loose = (event: Record<string, unknown>): CaptureEvent => event as unknown as CaptureEvent;
const thrower = (): never => {
  throw new Error('secret');
};

const HEX = '507f1f77bcf86cd799439011';
/** As the driver of MongoDB has it. */
class ObjectId {
  readonly #hex = HEX;
  toHexString(): string {
    return this.#hex;
  }
  toJSON(): string {
    return this.#hex;
  }
}
class Hex {
  toHexString(): string {
    return HEX;
  }
}
class UserNumber {
  toJSON(): number {
    return 42;
  }
}

const IDS: [string, unknown, string][] = [
  ['an ObjectId', new ObjectId(), HEX],
  ['an object with toHexString', new Hex(), HEX],
  ['a String object', Object('user_1'), 'user_1'],
  [
    'a String object whose methods throw',
    Object.assign(Object('x') as object, { toString: thrower, toJSON: thrower }),
    'x',
  ],
  ['a Number object', Object(7), '7'],
  ['a bigint object', Object(7n), '7'],
  ['an object whose JSON is a number', new UserNumber(), '42'],
  ['a plain object with toJSON', { toJSON: () => ' user_1 ' }, 'user_1'],
];

describe('an id may be an object with a single value', () => {
  it.each(IDS)('%s', async (_, id, expected) => {
    const { events, lines } = await sentBy((capture) => {
      capture.capture(loose({ event: 'code', distinctId: id, groups: { company: id } }));
      capture.capture(loose({ event: 'reserved', distinctId: 'a', properties: { $groups: { company: id } } }));
      capture.capture(Object.assign(new CaptureEventDto(), { event: 'dto', distinct_id: id, groups: { company: id } }));
      capture.alias({ distinctId: id, alias: 'b' } as never);
      capture.alias({ distinctId: 'b', alias: id } as never);
      capture.identify({ distinctId: 'b', anonDistinctId: id } as never);
      capture.groupIdentify({ groupType: 'company', groupKey: id } as never);
      capture.withContext({ distinctId: id, groups: { company: id } } as never, () =>
        capture.capture({ event: 'context' }),
      );
    });
    const trimmed = expected;
    const byName = Object.fromEntries(events.map((event) => [event.event, event]));
    for (const name of ['code', 'dto', 'context']) expect(byName[name]?.distinct_id).toBe(trimmed);
    for (const name of ['code', 'reserved', 'dto', 'context'])
      expect(String((byName[name]?.properties.$groups as Record<string, string>).company).trim()).toBe(expected);
    expect(events.filter(({ event }) => event === '$create_alias')).toMatchObject([
      { distinct_id: expected, properties: { distinct_id: expected, alias: 'b' } },
      { distinct_id: 'b', properties: { distinct_id: 'b', alias: expected } },
    ]);
    expect(byName.$identify?.properties.$anon_distinct_id).toBe(expected);
    expect(String(byName.$groupidentify?.properties.$group_key).trim()).toBe(expected);
    expect(lines).toEqual([]);
  });

  it.each<[string, unknown]>([
    ['an object with an object as JSON', { toJSON: () => ({ id: 1 }) }],
    ['toJSON that throws', { toJSON: thrower }],
    ['toHexString that throws', { toHexString: thrower }],
    ['toJSON that rejects', { toJSON: () => Promise.reject(new Error('secret')) }],
    ['a proxy that throws', new Proxy({}, { get: thrower })],
    ['a Boolean object', Object(true)],
    ['a plain object', { id: 'user_1' }],
    ['an array', ['user_1']],
  ])('but %s drops this event alone', async (_, id) => {
    const { events } = await sentBy((capture) => {
      expect(capture.capture(loose({ event: 'odd', distinctId: id }))).toBeNull();
      capture.withContext({ distinctId: id, properties: { kept: true } } as never, () =>
        capture.capture({ event: 'context' }),
      );
      capture.capture({ event: 'next', distinctId: 'a' });
    });
    expect(events.map(({ event }) => event)).toEqual(['context', 'next']);
    expect(events[0]?.properties).toMatchObject({ kept: true, $process_person_profile: false });
  });
});

describe('groups', () => {
  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['an empty string', ''],
    ['a blank string', ' '],
    ['NaN', NaN],
    ['an object', { id: 1 }],
    ['a key that throws', { toJSON: thrower }],
  ])('leave out a group whose key is %s, with a warning', async (_, key) => {
    const groups = { company: key, team: 'a' };
    const { events, lines } = await sentBy((capture) => {
      capture.capture(loose({ event: 'field', distinctId: 'u', groups }));
      capture.capture({ event: 'reserved', distinctId: 'u', properties: { $groups: groups } });
      capture.capture(Object.assign(new CaptureEventDto(), { event: 'dto', distinct_id: 'u', groups }));
    });
    expect(events.map(({ event, properties }) => [event, properties.$groups])).toEqual([
      ['field', { team: 'a' }],
      ['reserved', { team: 'a' }],
      ['dto', { team: 'a' }],
    ]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/group "company" was left out: .*key must be/);
  });

  it('are absent if no group is left', async () => {
    const { events } = await sentBy((capture) => {
      capture.capture(loose({ event: 'field', distinctId: 'u', groups: { company: undefined } }));
      capture.capture({ event: 'reserved', distinctId: 'u', properties: { $groups: { company: '' } } });
    });
    expect(events.map(({ properties }) => properties.$groups ?? {})).toEqual([{}, {}]);
  });
});

/** Like a document of Mongoose or Sequelize: values behind accessors of the prototype, and internals in its own fields. */
class User {
  readonly $__ = { session: 'own state' };
  readonly dataValues = { plan: 'pro', passwordHash: 'hash' };
  toJSON(): object {
    return { plan: this.dataValues.plan };
  }
}
class Broken extends User {
  override toJSON(): object {
    throw new Error('secret');
  }
}
class Text extends User {
  override toJSON(): never {
    return 'secret' as never;
  }
}

describe('a document is what its toJSON returns', () => {
  it('in properties and in set', async () => {
    const user = new User() as unknown as Record<string, unknown>;
    const { events } = await sentBy((capture) => {
      capture.capture({ event: 'e', distinctId: 'u', properties: user });
      capture.capture(Object.assign(new CaptureEventDto(), { event: 'e', distinct_id: 'u', properties: user }));
      capture.withContext({ properties: user }, () => capture.capture({ event: 'e', distinctId: 'u' }));
      capture.captureException(new Error('x'), { distinctId: 'u', properties: user });
      capture.identify({ distinctId: 'u', set: user, setOnce: user });
      capture.identify({ distinctId: 'u', ...({ properties: user } as object) });
      capture.setPersonProperties({ distinctId: 'u', ...({ properties: { $set: user, $set_once: user } } as object) });
      capture.groupIdentify({ groupType: 'company', groupKey: 'acme', set: user });
    });
    expect(events).toHaveLength(8);
    expect(JSON.stringify(events)).not.toMatch(/passwordHash|own state/);
    for (const { properties } of events.slice(0, 4)) expect(properties.plan).toBe('pro');
    expect(events[4]?.properties).toMatchObject({ $set: { plan: 'pro' }, $set_once: { plan: 'pro' } });
    expect(events[5]?.properties).toMatchObject({ $set: { plan: 'pro' } });
    expect(events[6]?.properties).toMatchObject({ $set: { plan: 'pro' }, $set_once: { plan: 'pro' } });
    expect(events[7]?.properties).toMatchObject({ $group_set: { plan: 'pro' } });
  });

  it.each<[string, User]>([
    ['throws', new Broken()],
    ['returns a string', new Text()],
  ])('and if that %s, the event is dropped: its internals are never sent', async (_, user) => {
    const properties = user as unknown as Record<string, unknown>;
    const { events } = await sentBy((capture) => {
      expect(capture.capture({ event: 'e', distinctId: 'u', properties })).toBeNull();
      expect(capture.identify({ distinctId: 'u', set: properties })).toBeNull();
      capture.withContext({ properties }, () => capture.capture({ event: 'context', distinctId: 'u' }));
      capture.capture({ event: 'next', distinctId: 'u' });
    });
    expect(events.map(({ event }) => event)).toEqual(['context', 'next']);
    expect(JSON.stringify(events)).not.toMatch(/passwordHash|own state/);
  });
});

const UUID = '0190b5c7-6a2e-7cc3-9f5e-4d2a1b3c5d6e';

describe('$set, $set_once and $unset at the root of an event', () => {
  const root = { $set: { plan: 'pro', seats: 5 }, $set_once: { first: 'root' }, $unset: ['trial'] };
  const properties = {
    kept: 1,
    $set: { plan: 'free', name: 'Ann' },
    $set_once: { first: 'property', source: 'web' },
    $unset: ['old', 'trial'],
  };
  const merged = {
    $set: { plan: 'pro', seats: 5, name: 'Ann' },
    $set_once: { first: 'root', source: 'web' },
    $unset: ['old', 'trial'],
  };

  it('are taken, and take precedence over the properties', async () => {
    const { events, lines } = await sentBy(async (capture) => {
      capture.capture({ event: 'code', distinctId: 'u', ...root });
      capture.capture({ event: 'both', distinctId: 'u', properties, ...root });
      capture.capture(Object.assign(new CaptureEventDto(), { event: 'dto', distinct_id: 'u', properties, ...root }));
      capture.capture(captureEventOf({ event: 'plain', distinct_id: 'u', properties, ...root }));
      await capture.captureNow({ event: 'now', distinctId: 'u', properties, ...root });
    });
    const byName = Object.fromEntries(events.map(({ event, properties: sent }) => [event, sent]));
    expect(byName.code).toMatchObject(root);
    for (const name of ['both', 'dto', 'plain', 'now']) expect(byName[name]).toMatchObject({ kept: 1, ...merged });
    expect(lines).toEqual([]);
    expect(properties.$set).toEqual({ plan: 'free', name: 'Ann' });
  });

  it.each<[string, unknown]>([
    ['a string', 'secret'],
    ['an array of numbers', [1]],
    ['a proxy that throws', new Proxy({}, { get: thrower, ownKeys: thrower, getPrototypeOf: thrower })],
  ])('are left out with a warning if they are %s', async (_, value) => {
    const { events, lines } = await sentBy((capture) =>
      capture.capture(loose({ event: 'e', distinctId: 'u', properties: { kept: 1 }, $set: value, $unset: value })),
    );
    expect(events[0]?.properties).toMatchObject({ kept: 1 });
    expect(events[0]?.properties).not.toHaveProperty('$set');
    expect(events[0]?.properties).not.toHaveProperty('$unset');
    expect(lines.join()).toContain('$set');
  });

  it('null is not given', async () => {
    const { events, lines } = await sentBy((capture) =>
      capture.capture(loose({ event: 'e', distinctId: 'u', properties, $set: null, $set_once: null, $unset: null })),
    );
    expect(events[0]?.properties).toMatchObject(properties);
    expect(lines).toEqual([]);
  });
});

describe('captureException', () => {
  it('takes the arguments of posthog-node', async () => {
    const { events, lines } = await sentBy((capture) => {
      expect(capture.captureException(new Error('x'), 'user_1', { order: 5 }, UUID)).toBe(UUID);
      capture.captureException(new Error('x'), undefined, { order: 6 });
      capture.captureException(new Error('x'), { distinctId: 'user_2', properties: { a: 1, order: 1 } }, { order: 7 });
      capture.captureException(new Error('x'), new ObjectId() as never);
    });
    expect(events).toMatchObject([
      { uuid: UUID, distinct_id: 'user_1', properties: { order: 5, $exception_message: 'x' } },
      { properties: { order: 6, $process_person_profile: false } },
      { distinct_id: 'user_2', properties: { a: 1, order: 7 } },
      { distinct_id: HEX },
    ]);
    expect(lines).toEqual([]);
  });

  it('replaces an invalid uuid, and says so', async () => {
    const { events, lines } = await sentBy((capture) => capture.captureException(new Error('x'), 'u', undefined, 'no'));
    expect(events).toMatchObject([{ uuid: expect.stringMatching(/^[\da-f-]{36}$/), distinct_id: 'u' }]);
    expect(lines).toEqual([expect.stringContaining('uuid is not a uuid')]);
  });
});

describe('calls for persons, groups and errors', () => {
  const details = { timestamp: new Date('2026-01-31T12:00:00Z'), disableGeoip: false };
  const CALLS: [string, (capture: CaptureService, more: object) => unknown][] = [
    ['identify', (capture, more) => capture.identify({ distinctId: 'u', set: { a: 1 }, ...more })],
    ['alias', (capture, more) => capture.alias({ distinctId: 'u', alias: 'v', ...more })],
    ['groupIdentify', (capture, more) => capture.groupIdentify({ groupType: 'company', groupKey: 'acme', ...more })],
    [
      'setPersonProperties',
      (capture, more) => capture.setPersonProperties({ distinctId: 'u', set: { a: 1 }, ...more }),
    ],
    [
      'unsetPersonProperties',
      (capture, more) => capture.unsetPersonProperties({ distinctId: 'u', unset: ['a'], ...more }),
    ],
    ['captureException', (capture, more) => capture.captureException(new Error('x'), { distinctId: 'u', ...more })],
  ];

  it.each(CALLS)('%s takes timestamp, uuid and disableGeoip', async (_, call) => {
    const { events, lines } = await sentBy((capture) => {
      expect(call(capture, { ...details, uuid: UUID })).toBe(UUID);
    });
    expect(events).toMatchObject([{ uuid: UUID, timestamp: '2026-01-31T12:00:00.000Z' }]);
    expect(events[0]?.properties).not.toHaveProperty('$geoip_disable');
    expect(lines).toEqual([]);
  });

  it('setPersonProperties takes propertiesOnce', async () => {
    const { events, lines } = await sentBy((capture) => {
      const propertiesOnce = { first: 1, source: 'a' };
      capture.setPersonProperties({ distinctId: 'u', setOnce: { first: 2 }, ...({ propertiesOnce } as object) });
    });
    expect(events).toMatchObject([{ event: '$set', properties: { $set_once: { first: 2, source: 'a' } } }]);
    expect(lines).toEqual([]);
  });

  const NOW: [string, string, (capture: CaptureService) => Promise<CaptureResult>, string][] = [
    ['identifyNow', '$identify', (capture) => capture.identifyNow({ distinctId: 'u', set: { a: 1 } }), 'u'],
    ['aliasNow', '$create_alias', (capture) => capture.aliasNow({ distinctId: 'u', alias: 'v' }), 'u'],
    [
      'groupIdentifyNow',
      '$groupidentify',
      (capture) => capture.groupIdentifyNow({ groupType: 'company', groupKey: 'acme' }),
      '$company_acme',
    ],
    [
      'setPersonPropertiesNow',
      '$set',
      (capture) => capture.setPersonPropertiesNow({ distinctId: 'u', set: { a: 1 } }),
      'u',
    ],
    [
      'unsetPersonPropertiesNow',
      '$set',
      (capture) => capture.unsetPersonPropertiesNow({ distinctId: 'u', unset: ['a'] }),
      'u',
    ],
    [
      'captureExceptionNow',
      '$exception',
      (capture) => capture.captureExceptionNow(new Error('x'), { distinctId: 'u' }),
      'u',
    ],
  ];

  it.each(NOW)('%s resolves with the fate of its event', async (_, event, call, distinctId) => {
    const { capture, posthog } = await start();
    expect(await call(capture)).toMatchObject({ success: true, event, distinctId, error: null });
    expect(posthog.events).toMatchObject([{ event, distinct_id: distinctId }]);
    posthog.fail([{ status: 401 }]);
    expect(await call(capture)).toMatchObject({ success: false, event, error: 'PostHog API error: HTTP 401' });
    expectBalanced(capture);
  });

  it('identifyNow has the timeout and the signal of captureNow, and never rejects', async () => {
    const { capture } = await start();
    const signal = AbortSignal.abort();
    expect(await capture.identifyNow({ distinctId: 'u' }, { signal })).toMatchObject({ success: false });
    expect(await capture.identifyNow({ distinctId: '' })).toMatchObject({
      success: false,
      event: '$identify',
      error: expect.stringMatching(/^Invalid event: distinctId must be/),
    });
    expectBalanced(capture);
  });
});

describe('timestamps', () => {
  it.each<[string, unknown, string]>([
    ['a time in UTC as databases write it', '2026-01-02 03:04:05 UTC', '2026-01-02T03:04:05.000Z'],
    ['an offset without a colon', '2026-01-02T03:04:05+0000', '2026-01-02T03:04:05.000Z'],
    ['epoch seconds', 1767323045, '2026-01-02T03:04:05.000Z'],
    ['epoch milliseconds', 1767323045000, '2026-01-02T03:04:05.000Z'],
    ['a DateTime of Luxon', { toJSDate: () => new Date(1767323045000) }, '2026-01-02T03:04:05.000Z'],
    ['a Moment', { toDate: () => new Date(1767323045000) }, '2026-01-02T03:04:05.000Z'],
  ])('%s', async (_, timestamp, expected) => {
    const { events, lines } = await sentBy((capture) => {
      capture.capture(loose({ event: 'e', distinctId: 'u', timestamp }));
      capture.capture(Object.assign(new CaptureEventDto(), { event: 'e', distinct_id: 'u', timestamp }));
      capture.identify({ distinctId: 'u', timestamp: timestamp as string });
    });
    expect(events.map((event) => event.timestamp)).toEqual([expected, expected, expected]);
    expect(lines).toEqual([]);
  });
});

describe('an object with 300 000 properties, more than are accepted', () => {
  const many: Record<string, unknown> = {};
  for (let index = 0; index < 300_000; index += 1) many[`name${index}`] = index;
  // The time that a single listing of the names takes on this machine: V8 has no faster way to see that there are too many.
  const before = process.cpuUsage().user;
  Object.keys(many);
  const listing = process.cpuUsage().user - before;

  it.each<[string, (capture: CaptureService) => unknown]>([
    ['properties', (capture) => capture.capture({ event: 'e', distinctId: 'u', properties: many })],
    ['set', (capture) => capture.identify({ distinctId: 'u', set: many })],
    ['groups', (capture) => capture.capture(loose({ event: 'e', distinctId: 'u', groups: many }))],
    ['$set', (capture) => capture.capture({ event: 'e', distinctId: 'u', $set: many })],
    ['details', (capture) => capture.captureException(new Error('x'), { distinctId: 'u', properties: many })],
  ])('as %s is refused before it is copied', async (_, call) => {
    const { capture, posthog, drops } = await start();
    const began = process.cpuUsage().user;
    const uuid = call(capture);
    const took = process.cpuUsage().user - began;
    expect(took).toBeLessThan(4 * listing + 100_000);
    expect(drops).toHaveLength(uuid === null ? 1 : 0);
    await capture.flush();
    expect(posthog.events).toHaveLength(uuid === null ? 0 : 1);
    expectBalanced(capture);
  });

  it('in a context is ignored with a warning, and costs the events nothing', async () => {
    const { events, lines } = await sentBy((capture) =>
      capture.withContext({ properties: many, groups: { a: 'b' } }, () => {
        const before = process.cpuUsage().user;
        for (let index = 0; index < 20; index += 1) capture.capture({ event: 'e', distinctId: 'u' });
        expect(process.cpuUsage().user - before).toBeLessThan(listing);
      }),
    );
    expect(events).toHaveLength(20);
    expect(events[0]?.properties).toMatchObject({ $groups: { a: 'b' } });
    expect(lines.join()).toContain('properties of a context must be an object of at most 200000 properties');
  });

  it('as superProperties stops the boot, naming the option', async () => {
    await expect(start({ superProperties: many })).rejects.toThrow(
      'superProperties: got an object; expected an object whose JSON is smaller than maxEventBytes',
    );
  });

  it('of unknown fields costs one listing', async () => {
    const { events, lines } = await sentBy((capture) => {
      const event = Object.assign(many, { event: 'e', distinctId: 'u' });
      const before = process.cpuUsage().user;
      capture.capture(event);
      expect(process.cpuUsage().user - before).toBeLessThan(4 * listing + 100_000);
    });
    expect(events).toHaveLength(1);
    expect(lines.join()).toContain('more than 995 more unknown fields');
  });
});

it('superProperties that are a document are what its toJSON returns', async () => {
  const { capture, posthog } = await start({ superProperties: new User() as unknown as Record<string, unknown> });
  capture.capture({ event: 'e', distinctId: 'u' });
  await capture.flush();
  expect(posthog.events[0]?.properties.plan).toBe('pro');
  expect(JSON.stringify(posthog.events)).not.toMatch(/passwordHash|own state/);
});
