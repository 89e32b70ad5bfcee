import { describe, expect, it } from '@jest/globals';
import { type CaptureContext } from '../../../lib/context/capture-context.js';
import { ContextStorage } from '../../../lib/context/context-storage.js';
import { doubling } from '../../support/hostile-values.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function recording(): { contexts: ContextStorage; warnings: string[] } {
  const warnings: string[] = [];
  return { contexts: new ContextStorage((warning) => warnings.push(warning)), warnings };
}

function thrower(): never {
  throw new Error('secret');
}

describe('ContextStorage.run', () => {
  it('is empty outside of any context', () => {
    const { contexts, warnings } = recording();
    expect(contexts.get()).toStrictEqual({});
    expect(contexts.current()).toStrictEqual({});
    expect(contexts.export()).toStrictEqual({});
    expect(warnings).toEqual([]);
  });

  it('returns the result of the function and lets its errors pass', async () => {
    const { contexts } = recording();
    expect(contexts.run({}, () => 5)).toBe(5);
    await expect(contexts.run({}, () => Promise.resolve(6))).resolves.toBe(6);
    expect(() => contexts.run({}, thrower)).toThrow('secret');
    expect(contexts.get()).toStrictEqual({});
  });

  it('adds to the outer context: single values replace, groups and properties merge', () => {
    const { contexts } = recording();
    const outer: CaptureContext = {
      distinctId: 'a',
      sessionId: 's',
      groups: { company: 'c1', team: 't1' },
      properties: { plan: 'free', app: 'shop' },
      optedOut: true,
    };
    const inner: CaptureContext = { distinctId: 7, groups: { team: 2 }, properties: { plan: 'pro' }, optedOut: false };
    contexts.run(outer, () => {
      contexts.run(inner, () => {
        expect(contexts.get()).toStrictEqual({
          distinctId: '7',
          sessionId: 's',
          groups: { company: 'c1', team: '2' },
          properties: { plan: 'pro', app: 'shop' },
          optedOut: false,
        });
      });
      expect(contexts.get()).toStrictEqual(outer);
    });
  });

  it('copies its input and its results', () => {
    const { contexts } = recording();
    const given = { properties: { plan: 'free' } as Record<string, unknown> };
    contexts.run(given, () => {
      given.properties.plan = 'changed';
      contexts.get().properties!.plan = 'changed';
      expect(contexts.get()).toStrictEqual({ properties: { plan: 'free' } });
    });
  });

  it('never mixes concurrent contexts', async () => {
    const { contexts } = recording();
    const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const act = (n: number): Promise<CaptureContext> =>
      contexts.run({ distinctId: n }, async () => {
        for (let step = 0; step < 5; step += 1) {
          await pause();
          contexts.set({ properties: { [`step${step}`]: n } });
        }
        return contexts.run({ sessionId: `s${n}` }, async () => {
          await pause();
          return contexts.get();
        });
      });
    const all = await Promise.all(Array.from({ length: 50 }, (_, n) => act(n)));
    all.forEach((context, n) => {
      const properties = Object.fromEntries([0, 1, 2, 3, 4].map((step) => [`step${step}`, n]));
      expect(context).toStrictEqual({ distinctId: String(n), sessionId: `s${n}`, properties });
    });
  });

  it('is shared by all instances of the process', () => {
    const { contexts } = recording();
    contexts.run({ distinctId: 'a' }, () => {
      expect(new ContextStorage().get()).toStrictEqual({ distinctId: 'a' });
    });
  });
});

describe('ContextStorage.set', () => {
  it('changes the current context and those inside it, not the outer one', async () => {
    const { contexts } = recording();
    await contexts.run({ distinctId: 'a', groups: { company: 'c' } }, async () => {
      await contexts.run({}, async () => {
        await Promise.resolve();
        expect(contexts.set({ distinctId: 'b', groups: { team: 't' } })).toBe(true);
        await Promise.resolve();
        const context = { distinctId: 'b', groups: { company: 'c', team: 't' } };
        expect(contexts.get()).toStrictEqual(context);
        contexts.run({}, () => expect(contexts.get()).toStrictEqual(context));
      });
      expect(contexts.get()).toStrictEqual({ distinctId: 'a', groups: { company: 'c' } });
    });
  });

  it('is visible in inner contexts opened before, unless they set the field themselves', async () => {
    const { contexts } = recording();
    await contexts.run({}, async () => {
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      const inner = contexts.run({ sessionId: 'inner' }, async () => {
        contexts.get();
        await held;
        return contexts.get();
      });
      contexts.set({ distinctId: 'late', sessionId: 'outer' });
      release();
      expect(await inner).toStrictEqual({ distinctId: 'late', sessionId: 'inner' });
    });
  });

  it('does nothing outside of any context', () => {
    const { contexts } = recording();
    expect(contexts.set({ distinctId: 'a' })).toBe(false);
    expect(contexts.get()).toStrictEqual({});
  });
});

describe('ContextStorage ignores invalid input', () => {
  const hostile = new Proxy({}, { get: thrower, ownKeys: thrower, getPrototypeOf: thrower });
  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();

  it.each<[string, unknown, CaptureContext, number]>([
    ['undefined', undefined, {}, 0],
    ['null', null, {}, 0],
    ['a string', 'garbage', {}, 1],
    ['an array', [], {}, 1],
    ['a proxy that throws', hostile, {}, 1],
    ['a revoked proxy', revoked, {}, 1],
    ['missing fields', { distinctId: undefined, groups: null, optedOut: undefined }, {}, 0],
    ['a blank distinct id', { distinctId: ' ', sessionId: 's' }, { sessionId: 's' }, 1],
    ['a distinct id of another type', { distinctId: {} }, {}, 1],
    ['a long distinct id', { distinctId: 'x'.repeat(201) }, {}, 1],
    ['an illegal distinct id', { distinctId: 'null' }, { distinctId: 'null' }, 1],
    ['an untrimmed session', { sessionId: ' s ' }, { sessionId: 's' }, 0],
    ['a blank session', { sessionId: '' }, {}, 1],
    ['a session of another type', { sessionId: 5 }, {}, 1],
    ['a long session', { sessionId: 'x'.repeat(1001) }, {}, 1],
    ['groups of another type', { groups: ['a'] }, {}, 1],
    ['one bad group', { groups: { company: 'c', team: null, club: ' ' } }, { groups: { company: 'c' } }, 2],
    ['properties of another type', { properties: new Map() }, {}, 1],
    ['an opt-out of another type', { optedOut: 'yes' }, {}, 1],
    ['another spelling', { distinct_id: 'a' }, {}, 1],
    ['a getter that throws', Object.defineProperty({ optedOut: true }, 'sessionId', { get: thrower }), {}, 1],
    [
      'a property that throws',
      { properties: Object.defineProperty({ a: 1 }, 'b', { get: thrower, enumerable: true }) },
      { properties: { a: 1, b: null } },
      0,
    ],
  ])('%s', (_, given, expected, warned) => {
    const { contexts, warnings } = recording();
    const context = contexts.run(given as CaptureContext, () => contexts.get());
    expect(context).toStrictEqual(expected);
    expect(warnings).toHaveLength(warned);
    expect(warnings.join()).not.toContain('secret');
  });

  it('does not set a prototype', () => {
    const { contexts } = recording();
    const given = JSON.parse(
      '{"properties":{"__proto__":{"polluted":1}},"groups":{"__proto__":"g"}}',
    ) as CaptureContext;
    contexts.run(given, () => {
      contexts.run({ properties: { a: 1 }, groups: { b: 'c' } }, () => {
        expect(JSON.stringify(contexts.get())).toBe(
          '{"groups":{"__proto__":"g","b":"c"},"properties":{"__proto__":{"polluted":1},"a":1}}',
        );
      });
    });
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});

describe('ContextStorage.export', () => {
  it('is plain JSON, which run restores', () => {
    const { contexts } = recording();
    const at = new Date(0);
    const given = { distinctId: 5, groups: { company: 1 }, properties: { at, gone: undefined, n: 1 }, optedOut: false };
    const exported = contexts.run(given, () => contexts.run({ sessionId: 's' }, () => contexts.export()));
    expect(exported).toStrictEqual({
      distinctId: '5',
      sessionId: 's',
      groups: { company: '1' },
      properties: { at: at.toJSON(), n: 1 },
      optedOut: false,
    });
    expect(JSON.parse(JSON.stringify(exported))).toStrictEqual(exported);
    expect(contexts.run(exported, () => contexts.export())).toStrictEqual(exported);
  });

  it('replaces values that JSON cannot represent, as in an event', () => {
    const { contexts, warnings } = recording();
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    const exported = contexts.run({ properties: { cycle, big: 1n, f: thrower, ok: 1 } }, () => contexts.export());
    expect(exported).toStrictEqual({ properties: { cycle: { self: '[Circular]' }, big: '1', ok: 1 } });
    expect(warnings).toEqual([]);
  });

  it('omits properties too large for any event, with a warning', () => {
    const { contexts, warnings } = recording();
    const properties = { endless: doubling(), ok: 1, secret: 'secret'.repeat(200_000), ['n'.repeat(1000)]: doubling() };
    const exported = contexts.run({ properties }, () => contexts.export());
    expect(exported).toStrictEqual({ properties: { ok: 1 } });
    expect(warnings).toHaveLength(3);
    expect(warnings.join()).not.toMatch(/secretsecret|n{100}/);
  });

  it('keeps a property of any name', () => {
    const { contexts } = recording();
    const properties = JSON.parse('{"__proto__":{"polluted":1}}') as Record<string, unknown>;
    const exported = contexts.run({ properties }, () => contexts.export());
    expect(JSON.stringify(exported)).toBe('{"properties":{"__proto__":{"polluted":1}}}');
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});

describe('work that restarts itself within its own context, as a timer or a queue may', () => {
  /** Nests contexts `levels` deep without nesting calls on the stack. */
  const within = (contexts: ContextStorage, levels: number, end: () => void): Promise<void> =>
    contexts.run({ properties: { [`p${levels % 3}`]: levels } }, async () => {
      await Promise.resolve();
      if (levels === 0) end();
      else await within(contexts, levels - 1, end);
    });

  it('neither overflows the stack nor loses the context', async () => {
    const { contexts } = recording();
    let personless = '';
    const told: unknown[] = [];
    await contexts.run({ groups: { g: '1' } }, () => {
      personless = contexts.personlessId();
      return within(contexts, 20_000, () => {
        contexts.set({ sessionId: 's' });
        told.push(contexts.get(), contexts.export(), contexts.personlessId());
      });
    });
    const context = { groups: { g: '1' }, sessionId: 's', properties: { p0: 0, p1: 1, p2: 2 } };
    expect(told).toEqual([context, context, personless]);
  });

  it('keeps the current user', async () => {
    const { contexts } = recording();
    const told: unknown[] = [];
    await contexts.run({ distinctId: 'a' }, () => within(contexts, 1000, () => told.push(contexts.get().distinctId)));
    expect(told).toEqual(['a']);
  });
});

it('names the first invalid groups and counts the rest', () => {
  const { contexts, warnings } = recording();
  const groups = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`g${index}`, index === 0 ? 'x' : '']));
  expect(contexts.run({ groups }, () => contexts.get())).toEqual({ groups: { g0: 'x' } });
  expect(warnings).toHaveLength(6);
  expect(warnings.at(-1)).toContain('994 more');
});

describe('ContextStorage.personlessId', () => {
  it('is a new id each time outside of any context', () => {
    const { contexts } = recording();
    const ids = [contexts.personlessId(), contexts.personlessId()];
    expect(ids[0]).toMatch(UUID);
    expect(ids[0]).not.toBe(ids[1]);
  });

  it('is one id per context, shared by inner contexts that set no distinct id', () => {
    const { contexts } = recording();
    const ids = contexts.run({}, () => [
      contexts.run({ sessionId: 's' }, () => contexts.personlessId()),
      contexts.personlessId(),
      contexts.run({ distinctId: 'a' }, () => contexts.personlessId()),
    ]);
    expect(ids[0]).toBe(ids[1]);
    expect(ids[2]).not.toBe(ids[1]);
    expect(contexts.run({}, () => contexts.personlessId())).not.toBe(ids[0]);
  });
});
