import { describe, expect, it } from '@jest/globals';
import { MAX_LEVELS, toJson } from '../../../lib/json/safe-json.js';
import { matches, NOTHING, ODDITIES } from '../../support/hostile-values.js';

const PLENTY = 1_000_000;

function write(value: unknown): unknown {
  const json = toJson(value, PLENTY);
  if (json === 'too_large') return json;
  expect(json.bytes).toBe(Buffer.byteLength(json.text));
  return JSON.parse(json.text);
}

function thrower(): never {
  throw new Error('not for you');
}

function revoked(target: object): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** Objects within objects: `{ in: { in: … } }`, so many in all. */
function nested(levels: number): unknown {
  let value: Record<string, unknown> = { end: true };
  for (let level = 1; level < levels; level += 1) value = { in: value };
  return value;
}

class Order {
  id = 7;
  #secret = 'x';
  get total(): string {
    return this.#secret;
  }
}

describe('toJson writes plain values like JSON.stringify', () => {
  it.each<[string, unknown]>([
    ['an empty object', {}],
    ['an empty array', []],
    ['a string', 'a "quoted" \\ line\nbreak \u2028 and \u0001'],
    ['a string in other scripts', 'Füße 漢字 🦔'],
    ['a string that only looks like an escape', 'C:\\users\\ud800 \\u0000'],
    ['numbers', [0, -0, 1.5, -1e21, 1e-7, Number.MAX_SAFE_INTEGER]],
    ['not a number', [NaN, Infinity, -Infinity]],
    ['missing values', { a: undefined, b: null, c: [undefined, null] }],
    ['symbols', { a: Symbol('s'), [Symbol('k')]: 1, c: [Symbol('s')] }],
    ['integer-like names', { b: 1, 10: 2, 2: 3, a: 4 }],
    ['a sparse array', Object.assign([], { 3: 'x' })],
    ['dates', { at: new Date(0), never: new Date(NaN) }],
    ['no prototype', Object.assign(Object.create(null) as object, { a: { b: 1 } })],
    ['a class with fields', new Order()],
    ['toJSON', { price: { toJSON: () => ({ cents: 5 }) }, gone: { toJSON: () => undefined } }],
    ['toJSON with its property name', { a: { toJSON: (name: string) => name } }],
    ['toJSON that returns itself', { a: { n: 1, toJSON: returnThis } }],
    ['a function', { a: thrower, b: [thrower] }],
    ['boxed values', [Object(5), Object('s'), Object(false), Object(Symbol('s'))]],
    ['what inherits nothing but has a hidden toJSON', Object.defineProperty({ a: 1 }, 'toJSON', { value: () => 'b' })],
    ['an array with toJSON', Object.assign([1], { toJSON: () => 'b' })],
    ['a Date with toJSON', Object.assign(new Date(0), { toJSON: () => 'b' })],
    ['a Date with toISOString', Object.assign(new Date(0), { toISOString: () => 'b' })],
    ['a named __proto__', JSON.parse('{"__proto__":{"a":1},"constructor":{"prototype":2}}') as unknown],
    ['shared values', [nested(3), nested(3)]],
    ['depth at the limit', nested(MAX_LEVELS)],
  ])('%s', (_, value) => {
    const json = toJson(value, PLENTY);
    expect(json).toEqual({ text: JSON.stringify(value), bytes: Buffer.byteLength(JSON.stringify(value)) });
  });

  it('gives the same result without the fast path', () => {
    const value = { b: 1, 10: [1.5, null, 'é'], at: new Date(0), 2: { x: 'y' } };
    const json = toJson({ value, big: 1n }, PLENTY);
    expect(json).toMatchObject({ text: `{"value":${JSON.stringify(value)},"big":"1"}` });
  });
});

function returnThis(this: unknown): unknown {
  return this;
}

describe('toJson converts values that JSON has no form for', () => {
  const shared = { n: 1n };
  const cycle: Record<string, unknown> = { name: 'a' };
  cycle.self = cycle;
  const ring: unknown[] = [];
  ring.push({ ring });
  const rejoin: Record<string, unknown> = { toJSON: () => ({ again: rejoin }) };

  it.each<[string, unknown, unknown]>([
    ['a bigint', { a: 10n ** 20n }, { a: '100000000000000000000' }],
    ['a boxed bigint', { a: Object(5n) as unknown }, { a: '5' }],
    ['a cycle', { cycle }, { cycle: { name: 'a', self: '[Circular]' } }],
    ['a cycle through an array', ring, [{ ring: '[Circular]' }]],
    ['a cycle through toJSON', { rejoin }, { rejoin: { again: '[Circular]' } }],
    ['what is shared but no cycle', [shared, shared], [{ n: '1' }, { n: '1' }]],
    ['a lone surrogate', { a: 'x\ud800y', b: '\udfff' }, { a: 'x\ufffdy', b: '\ufffd' }],
    ['a lone surrogate in a name', { '\ud800': 1 }, { '\ufffd': 1 }],
    ['NUL', { 'a\0': 'b\0c' }, { 'a\ufffd': 'b\ufffdc' }],
    ['a pair beside a lone surrogate', '🦔\ud83e', '🦔\ufffd'],
    [
      'a Map',
      new Map<unknown, unknown>([
        ['a', 1],
        [2, new Map([['b', 3]])],
      ]),
      { a: 1, 2: { b: 3 } },
    ],
    [
      'a Map with __proto__',
      { m: new Map([['__proto__', { polluted: true }]]) },
      { m: JSON.parse('{"__proto__":{"polluted":true}}') as unknown },
    ],
    ['a Set', new Set([1, 'b', undefined]), [1, 'b', null]],
    [
      'typed arrays',
      [Uint8Array.of(1, 2), Float32Array.of(NaN, 0.5), BigInt64Array.of(3n)],
      [[1, 2], [null, 0.5], ['3']],
    ],
    ['a Buffer', { body: Buffer.from([1, 255]) }, { body: [1, 255] }],
    [
      'a throwing getter',
      {
        get a() {
          return thrower();
        },
        b: 1,
      },
      { a: null, b: 1 },
    ],
    ['a throwing getter of an array', Object.defineProperty([1, 2], 0, { get: thrower }), [null, 2]],
    ['a throwing toJSON', { a: { toJSON: thrower }, b: 1 }, { a: null, b: 1 }],
    ['an impossible Date', { a: Object.create(Date.prototype) as unknown, b: 1 }, { a: null, b: 1 }],
    ['a revoked proxy', { a: revoked({}), b: revoked([]), c: 1 }, { a: null, b: null, c: 1 }],
    ['a proxy whose traps throw', { a: new Proxy({}, { ownKeys: thrower }), b: 1 }, { a: null, b: 1 }],
    ['an ordinary proxy', { a: new Proxy({ x: 1n }, {}) }, { a: { x: '1' } }],
    ['nothing at all', undefined, null],
    ['a function alone', thrower, null],
  ])('%s', (_, value, expected) => {
    expect(write(value)).toEqual(expected);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  it('writes name, message and stack of an Error, and nothing else', () => {
    class HttpError extends Error {
      override name = 'HttpError';
      config = { headers: { authorization: 'Bearer secret' } };
      toJSON(): unknown {
        return this.config;
      }
    }
    const error = new HttpError('refused', { cause: new Error('inner') });
    expect(write({ deep: [error] })).toEqual({
      deep: [{ name: 'HttpError', message: 'refused', stack: error.stack }],
    });
  });

  it('writes an Error whose fields throw', () => {
    const error = Object.defineProperty(new Error('x'), 'stack', { get: thrower });
    expect(write({ error })).toEqual({ error: { name: 'Error', message: 'x', stack: null } });
  });

  it('truncates only values that are nested too deep', () => {
    const text = JSON.stringify(write(nested(MAX_LEVELS + 1)));
    expect(text).toBe(`${'{"in":'.repeat(MAX_LEVELS)}"[Truncated]"${'}'.repeat(MAX_LEVELS)}`);
  });

  it('keeps a Date at the deepest level', () => {
    let value: unknown = new Date(0);
    for (let level = 0; level < MAX_LEVELS; level += 1) value = [value];
    expect(write({ flat: 1n, value: 1 })).toEqual({ flat: '1', value: 1 });
    expect(toJson(value, PLENTY)).toMatchObject({ text: JSON.stringify(value) });
  });
});

it.each([0, 2])('does not write properties of Object.prototype (%d levels of its own)', (ownLevels) => {
  const value = { a: 1, in: { b: [{ c: 'd' }] } };
  const expected = JSON.stringify(value);
  Object.defineProperty(Object.prototype, 'everywhere', { value: { x: 1 }, enumerable: true, configurable: true });
  let json;
  try {
    json = toJson(value, PLENTY, ownLevels);
  } finally {
    Reflect.deleteProperty(Object.prototype, 'everywhere');
  }
  expect(json).toMatchObject({ text: expected });
});

describe('toJson writes as PROTOCOL.md says', () => {
  it.each(Object.entries(ODDITIES))('%s', (_, { make, written }) => {
    const within = { list: [make(), 'after'], value: make(), after: true };
    const expected = { list: [written === NOTHING ? null : written, 'after'], after: true };
    const json = write(within);
    expect(matches(json, written === NOTHING ? expected : { ...expected, value: written })).toBe(true);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});

describe('toJson respects the size limit', () => {
  it.each<[string, unknown]>([
    ['ASCII', { a: 'abc' }],
    ['other characters', { a: 'é漢🦔' }],
    ['the careful way', { a: 12n }],
  ])('exactly, with %s', (_, value) => {
    const { bytes } = toJson(value, PLENTY) as { bytes: number };
    expect(toJson(value, bytes)).toMatchObject({ bytes });
    expect(toJson(value, bytes - 1)).toBe('too_large');
  });

  const doubling = (leaf: unknown): unknown => {
    let value = leaf;
    for (let level = 0; level < 60; level += 1) value = [value, value];
    return value;
  };
  const list = (item: unknown): unknown => new Proxy([], { get: (_, name) => (name === 'length' ? Infinity : item) });
  /** Answers 1 when it is looked at first, and a value without end after that. */
  const changing = (): unknown => {
    let reads = 0;
    return {
      get value() {
        reads += 1;
        return reads === 1 ? 1 : doubling([]);
      },
    };
  };
  const endless: object = new Proxy(
    {},
    { ownKeys: () => ['a', 'b'], getOwnPropertyDescriptor: describeAny, get: () => endless },
  );
  const fresh = (): object =>
    new Proxy({}, { ownKeys: () => ['a', 'b'], getOwnPropertyDescriptor: describeAny, get: () => fresh() });

  it.each<[string, unknown]>([
    ['a long string', 'x'.repeat(PLENTY)],
    ['a sparse array', new Array(2 ** 32 - 1)],
    ['a sparse array beside a bigint', [1n, new Array(2 ** 32 - 1)]],
    ['a large typed array', new Uint8Array(PLENTY + 1)],
    ['values shared again and again', doubling(['x'])],
    ['empty arrays shared again and again', doubling([])],
    ['empty objects shared again and again', doubling({})],
    ['empty Maps shared again and again', doubling(new Map())],
    ['an endless proxy', fresh()],
    ['an array of infinite length', list(1)],
    ['an endless array of nulls', list(null)],
    ['an endless array of empty strings', list('')],
    ['an endless array of empty objects', list({})],
    ['an endless array of Dates', list(new Date(0))],
    ['a million names', Object.fromEntries(Array.from({ length: 1_000_000 }, (_, index) => [`name${index}`, index]))],
    ['a bigint of many digits', 2n ** 40_000_000n],
    ['nothing but lone surrogates', '\ud800'.repeat(PLENTY / 2)],
    [
      'an endless Set',
      Object.assign(new Set([1]), {
        [Symbol.iterator]: function* () {
          for (;;) yield 1;
        },
      }),
    ],
    [
      'an endless toJSON',
      {
        toJSON: function more(): unknown {
          return [{ toJSON: more }, { toJSON: more }];
        },
      },
    ],
  ])('%s does not hang', (_, value) => {
    const before = process.cpuUsage();
    expect(toJson({ properties: value }, PLENTY)).toBe('too_large');
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(3000);
  });

  it.each<[string, unknown]>([
    ['plain values', { changing: changing() }],
    ['values that need care', { changing: changing(), big: 1n }],
    ['an array', { list: Object.defineProperty([0], 0, { get: thrower }), changing: changing() }],
  ])('a getter that returns an endless value the second time does not hang, among %s', (_, value) => {
    // Written as it was read first, or, where it was asked again, found to be too large: never endless.
    const json = toJson(value, PLENTY);
    if (json !== 'too_large') expect(JSON.parse(json.text)).toMatchObject({ changing: { value: 1 } });
  });

  it('a proxy that returns itself is a cycle', () => {
    expect(write({ endless })).toEqual({ endless: { a: '[Circular]', b: '[Circular]' } });
  });

  it('does not count values that are left out', () => {
    const value = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`name${n}`, undefined]));
    expect(toJson(value, 100)).toEqual({ text: '{}', bytes: 2 });
  });
});

function describeAny(): PropertyDescriptor {
  return { enumerable: true, configurable: true, value: 1 };
}
