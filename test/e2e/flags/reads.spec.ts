import { type FakeFlag } from 'nestjs-posthog-capture/testing';
import { attachContext, withJobContext } from 'nestjs-posthog-capture';
import { closeAll } from '../../support/harness.js';
import { type FlagsApp, startFlags } from '../../support/flags.js';

let app: FlagsApp;

beforeAll(async () => {
  app = await startFlags({ keys: ['declared', 'declared-missing'] });
});
afterAll(closeAll);
beforeEach(() => {
  app.posthog.clear();
  setFlags({
    declared: true,
    off: false,
    blue: { variant: 'blue', payload: { hex: '#00f' } },
    on: { payload: 'text' },
  });
});

function setFlags(flags: Record<string, FakeFlag>): void {
  app.posthog.flags.clear();
  app.posthog.flags.set(flags);
}

const as = <T>(distinctId: string, fn: () => T): T => app.capture.withContext({ distinctId }, fn);

describe('a read', () => {
  it('returns the value, as a boolean, and with the default of a flag without a value', async () => {
    const { flags } = app;
    const read = await as('ann', () =>
      Promise.all([
        flags.value('blue'),
        flags.value('on'),
        flags.value('off'),
        flags.value('missing'),
        flags.isEnabled('blue'),
        flags.isEnabled('off', { defaultValue: true }),
        flags.isEnabled('missing'),
        flags.isEnabled('missing', { defaultValue: true }),
      ]),
    );
    expect(read).toEqual(['blue', true, false, undefined, true, false, false, true]);
  });

  it.each(['constructor', 'toString', '__proto__'])(
    'has no value for the name of a property of objects: %s',
    async (key) => {
      const { flags, capture } = app;
      await as('ann', async () => {
        expect(await flags.value(key)).toBeUndefined();
        expect(await flags.isEnabled(key, { defaultValue: true })).toBe(true);
        expect(await flags.payload(key)).toBeUndefined();
        expect((await flags.evaluate([key])).keys).toEqual([]);
        expect(capture.context.get().properties ?? {}).not.toHaveProperty([`$feature/${key}`]);
      });
      const exposed = (await app.events()).map(({ properties }) => properties.$feature_flag);
      expect(exposed).not.toContain(key);
    },
  );

  it('makes one request for all reads of a turn and all declared flags', async () => {
    const { flags } = app;
    await as('ann', async () => {
      await Promise.all([flags.value('blue'), flags.value('on'), flags.payload('blue')]);
      await flags.value('declared');
      await flags.value('declared-missing');
      await flags.value('blue');
    });
    expect(app.asked()).toMatchObject([
      { distinct_id: 'ann', flag_keys_to_evaluate: ['blue', 'on', 'declared', 'declared-missing'] },
    ]);
  });

  it('shares the request that a declared flag is already part of', async () => {
    const { flags } = app;
    await as('ann', async () => {
      const first = flags.value('blue');
      await new Promise(setImmediate);
      await Promise.all([first, flags.value('declared'), flags.value('blue')]);
    });
    expect(app.asked()).toHaveLength(1);
  });

  it('makes one more request for a flag that was not declared', async () => {
    await as('ann', async () => {
      await app.flags.value('blue');
      await app.flags.value('on');
    });
    expect(app.asked().map((body) => body.flag_keys_to_evaluate)).toEqual([
      ['blue', 'declared', 'declared-missing'],
      ['on'],
    ]);
  });

  it('has one value within a call, whatever PostHog says meanwhile', async () => {
    const { flags, capture } = app;
    const read = await as('ann', async () => {
      const values = [await flags.value('blue')];
      setFlags({ blue: 'green' });
      values.push(await flags.value('blue'));
      values.push(await capture.withContext({ properties: { step: 2 } }, () => flags.value('blue')));
      values.push(await capture.withContext({ distinctId: 'bob' }, () => flags.value('blue')));
      values.push(await flags.value('blue', { distinctId: 'bob' }));
      values.push(await capture.withContext({ groups: { company: 'acme' } }, () => flags.value('blue')));
      values.push(await flags.value('blue', { personProperties: { plan: 'pro' } }));
      values.push(await flags.value('blue'));
      return values;
    });
    expect(read).toEqual(['blue', 'blue', 'blue', 'green', 'green', 'green', 'green', 'blue']);
    expect(app.asked()).toHaveLength(4);
  });

  it('is evaluated anew in another call, and each time outside of a context', async () => {
    const { flags } = app;
    await as('ann', () => flags.value('blue'));
    await as('ann', () => flags.value('blue'));
    await flags.value('blue', { distinctId: 'ann' });
    await flags.value('blue', { distinctId: 'ann' });
    expect(app.asked()).toHaveLength(4);
  });

  it('sends what the context and the options say', async () => {
    await app.capture.withContext({ distinctId: 7, groups: { company: 'acme' } }, () =>
      app.flags.value('blue', {
        groups: { team: 3 },
        personProperties: { plan: 'pro', since: new Date(0), big: 1n },
        groupProperties: { company: { seats: 5 } },
        disableGeoip: false,
      }),
    );
    expect(app.asked()).toMatchObject([
      {
        distinct_id: '7',
        groups: { company: 'acme', team: '3' },
        person_properties: { plan: 'pro', since: '1970-01-01T00:00:00.000Z', big: '1' },
        group_properties: { company: { $group_key: 'acme', seats: 5 }, team: { $group_key: '3' } },
        geoip_disable: false,
        evaluation_runtime: 'server',
      },
    ]);
  });

  it('is not sent without a person, and then has no value', async () => {
    const { flags, capture } = app;
    const before = app.lines.length;
    const evaluated = await flags.evaluate(['blue']);
    expect([await flags.value('blue'), evaluated.degraded]).toEqual([undefined, 'no_identity']);
    expect(await capture.withContext({}, () => flags.isEnabled('on', { defaultValue: true }))).toBe(true);
    expect(await as('ann', () => flags.value('on', { distinctId: ' ' }))).toBeUndefined();
    expect(app.asked()).toEqual([]);
    expect(app.lines.slice(before)).toEqual([
      expect.stringMatching(/no person was known.*logged once/),
      expect.stringMatching(/distinctId must be a non-blank string.*but it is blank/),
    ]);
  });
});

describe('evaluate', () => {
  it('evaluates several flags with one request, and reads them synchronously', async () => {
    const evaluated = await as('ann', () => app.flags.evaluate(['blue', 'off', 'missing']));
    expect(evaluated.keys).toEqual(['blue', 'off']);
    expect(evaluated.degraded).toBeUndefined();
    expect([evaluated.value('blue'), evaluated.isEnabled('blue'), evaluated.payload('blue')]).toEqual([
      'blue',
      true,
      { hex: '#00f' },
    ]);
    expect([evaluated.isEnabled('off', { defaultValue: true }), evaluated.isEnabled('missing')]).toEqual([
      false,
      false,
    ]);
    expect([evaluated.isEnabled('missing', { defaultValue: true }), evaluated.value('declared')]).toEqual([
      true,
      undefined,
    ]);
    expect(app.asked()).toHaveLength(1);
  });
});

describe('a job', () => {
  it('has the values that its request has read, and evaluates only the others', async () => {
    const { flags, capture } = app;
    const data = await as('ann', async () => {
      await flags.value('blue');
      await flags.isEnabled('missing', { defaultValue: true });
      await flags.payload('on');
      return JSON.parse(JSON.stringify(attachContext(capture, {}))) as object;
    });
    setFlags({ blue: 'green', missing: true, on: false, off: true });
    app.posthog.clear();
    const second = await withJobContext(capture, { data }, async () => {
      expect([await flags.value('blue'), await flags.value('missing'), await flags.value('on')]).toEqual([
        'blue',
        undefined,
        true,
      ]);
      expect(await flags.payload('on')).toBe('text');
      expect(app.asked()).toEqual([]);
      expect(await flags.value('off')).toBe(true);
      // The payload of another value would contradict the value.
      expect(await flags.payload('blue')).toBeUndefined();
      expect(await flags.value('blue', { distinctId: 'bob' })).toBe('green');
      return JSON.parse(JSON.stringify(attachContext(capture, {}))) as object;
    });
    setFlags({});
    await withJobContext(capture, { data: second }, async () => {
      expect([await flags.value('blue'), await flags.value('off'), await flags.value('missing')]).toEqual([
        'blue',
        true,
        undefined,
      ]);
    });
  });

  it('has the values of its own person only', async () => {
    const data = await as('ann', async () => {
      await app.flags.value('blue');
      return app.capture.context.export();
    });
    setFlags({ blue: 'green' });
    expect(await app.capture.withContext({ ...data, distinctId: 'bob' }, () => app.flags.value('blue'))).toBe('green');
    expect(JSON.stringify(data.flags)).not.toContain('ann');
  });

  it('is given no context of a size that a job cannot have', async () => {
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`flag-${n}`, { payload: 'x'.repeat(2000) }]));
    setFlags(many);
    const exported = await as('ann', async () => {
      const evaluated = await app.flags.evaluate(Object.keys(many));
      for (const key of evaluated.keys) evaluated.payload(key);
      return app.capture.context.export();
    });
    expect(JSON.stringify(exported).length).toBeLessThan(20_000);
  });
});

describe('a payload', () => {
  it('is a copy', async () => {
    await as('ann', async () => {
      const payload = await app.flags.payload<{ hex: string }>('blue');
      if (payload) payload.hex = 'changed';
      expect(await app.flags.payload('blue')).toEqual({ hex: '#00f' });
    });
  });

  it('of a flag that has none is undefined', async () => {
    expect(
      await as('ann', () => Promise.all(['off', 'declared', 'missing'].map((key) => app.flags.payload(key)))),
    ).toEqual([undefined, undefined, undefined]);
  });
});

it.each<[string, unknown, unknown]>([
  ['a key that is no string', 7, undefined],
  ['a blank key', ' ', undefined],
  ['options that are no object', 'on', 'yes'],
  [
    'a getter that throws',
    'on',
    Object.defineProperty({}, 'distinctId', {
      get: () => {
        throw new Error('no');
      },
      enumerable: true,
    }),
  ],
  [
    'groups that throw',
    'on',
    {
      get groups() {
        throw new Error('no');
      },
    },
  ],
  ['a revoked proxy', 'on', revoked()],
  ['circular properties', 'on', circular()],
  ['groups that are no object', 'on', { groups: 3 }],
  ['an unknown option', 'on', { sendEvent: false }],
])('never throws: %s', async (_what, key, options) => {
  const { flags } = app;
  const read = (method: 'value' | 'isEnabled' | 'payload'): Promise<unknown> =>
    as('ann', () => Promise.resolve(Reflect.apply(flags[method], flags, [key, options])));
  await expect(Promise.all([read('value'), read('isEnabled'), read('payload')])).resolves.toHaveLength(3);
  await expect(as('ann', () => flags.evaluate([key as string], options as object))).resolves.toBeDefined();
  await expect(flags.evaluate(7 as never)).resolves.toBeDefined();
});

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function circular(): unknown {
  const self: Record<string, unknown> = {};
  self.self = self;
  return { personProperties: self };
}
