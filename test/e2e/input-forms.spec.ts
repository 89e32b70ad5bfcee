import { afterEach, describe, expect, it } from '@jest/globals';
import { CaptureEventDto, type CaptureEvent, type CaptureService } from 'nestjs-posthog-capture';
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
      capture.identify({ distinctId: 'u', properties: user });
      capture.setPersonProperties({ distinctId: 'u', properties: { $set: user, $set_once: user } });
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
