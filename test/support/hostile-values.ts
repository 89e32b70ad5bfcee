import { randomUUID } from 'node:crypto';
import { createContext, runInContext } from 'node:vm';
import fc from 'fast-check';

/** Not representable in JSON: omitted in an object, null in an array. */
export const NOTHING = Symbol('nothing');
/** PROTOCOL.md does not specify the result. */
export const ANYTHING = Symbol('anything');

/** An unusual value, and its JSON according to section 4 of PROTOCOL.md. */
interface Oddity {
  /** Returns a new value, because some change when they are read. */
  readonly make: () => unknown;
  readonly written: unknown;
}

function thrower(): never {
  throw new Error('hostile');
}

export function revoked(target: object = {}): object {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

/** A proxy whose traps all throw. */
export const spiteful = (target: object = {}): object =>
  new Proxy(target, Object.fromEntries(Reflect.ownKeys(Reflect).map((trap) => [trap, thrower])));

const anyProperty = (): PropertyDescriptor => ({ value: 1, enumerable: true, configurable: true });
/** A proxy whose properties are such proxies, without end. */
export const endless = (): object =>
  new Proxy({}, { ownKeys: () => ['a', 'b'], getOwnPropertyDescriptor: anyProperty, get: () => endless() });

export function nested(levels: number): unknown {
  let value: unknown = {};
  for (let level = 1; level < levels; level += 1) value = level % 2 === 0 ? { in: value } : [value];
  return value;
}

/** Nested arrays with two references each: small in memory, 2^60 leaves as JSON. */
export function doubling(leaf: unknown = []): unknown {
  let value = leaf;
  for (let level = 0; level < 60; level += 1) value = [value, value];
  return value;
}

/** Returns another value on each read. */
const fickle = (...answers: unknown[]): object => {
  let reads = 0;
  return {
    get value() {
      reads += 1;
      return answers[Math.min(reads, answers.length) - 1];
    },
  };
};

class Guarded {
  readonly id = 7;
  readonly #secret = 'x';
  get secret(): string {
    return this.#secret;
  }
}

class Refusing extends Error {
  override get name(): string {
    return thrower();
  }
  override get message(): string {
    return thrower();
  }
  override get stack(): string {
    return thrower();
  }
  override get cause(): unknown {
    return thrower();
  }
}

const cyclic = (): object => {
  const cycle: Record<string, unknown> = { n: 1 };
  cycle.self = cycle;
  return cycle;
};

const looped = (): object => {
  const map = new Map<string, unknown>();
  map.set('set', new Set([map]));
  return map;
};

const elsewhere = createContext();
const foreign = (code: string): unknown => runInContext(code, elsewhere);
const own = (text: string): unknown => JSON.parse(text);
const hostileNames =
  '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"prototype":{"polluted":1}}';
const levels = (count: number): unknown => nested(count);

/** Small values, which are processed quickly. */
export const ODDITIES: Readonly<Record<string, Oddity>> = {
  undefined: { make: () => undefined, written: NOTHING },
  null: { make: () => null, written: null },
  'a function': { make: () => thrower, written: NOTHING },
  'a class': { make: () => Guarded, written: NOTHING },
  'a symbol': { make: () => Symbol('s'), written: NOTHING },
  'a bigint': { make: () => -(10n ** 30n), written: `-1${'0'.repeat(30)}` },
  NaN: { make: () => NaN, written: null },
  Infinity: { make: () => -Infinity, written: null },
  'negative zero': { make: () => -0, written: 0 },
  'a lone surrogate': { make: () => 'a\ud800b\udc00', written: 'a\ufffdb\ufffd' },
  'a surrogate pair and a lone surrogate': { make: () => '\ud83e\udd94\ud83e', written: '🦔\ufffd' },
  NUL: { make: () => 'a\0b', written: 'a\ufffdb' },
  'an escaped escape sequence': { make: () => '\\ud800\\u0000', written: '\\ud800\\u0000' },
  'control characters': { make: () => '\u0001\u001b[31m\u2028\r\n', written: '\u0001\u001b[31m\u2028\r\n' },
  'boxed values': { make: (): unknown => [1, 's', false, 2n].map(Object), written: [1, 's', false, '2'] },
  'a boxed symbol': { make: () => Object(Symbol('s')) as unknown, written: {} },
  'a boxed string that throws': {
    make: () => Object.assign(Object('x') as object, { toString: thrower }),
    written: null,
  },
  'a Date': { make: () => new Date(0), written: '1970-01-01T00:00:00.000Z' },
  'an invalid Date': { make: () => new Date(NaN), written: null },
  'an object with the prototype of Date': { make: () => Object.create(Date.prototype) as unknown, written: null },
  'a RegExp': { make: () => /x/g, written: {} },
  'a URL': { make: () => new URL('https://example.com/?a=b'), written: 'https://example.com/?a=b' },
  'a promise': { make: () => Promise.resolve(1), written: {} },
  'a thenable': { make: () => ({ then: thrower }), written: {} },
  'a WeakMap': { make: () => new WeakMap(), written: {} },
  'an Error': {
    make: () => Object.assign(new TypeError('no'), { stack: 's', cause: cyclic() }),
    written: { name: 'TypeError', message: 'no', stack: 's' },
  },
  'an Error whose getters throw': { make: () => new Refusing(), written: { name: null, message: null, stack: null } },
  'a Map': {
    make: () => new Map<unknown, unknown>([[1, new Map([['__proto__', 2n]])]]),
    written: { 1: own('{"__proto__":"2"}') },
  },
  'a Map with array keys': { make: () => new Map([[[1, 2], 3]]), written: ANYTHING },
  'a Map whose key throws': { make: () => new Map([[{ toString: thrower }, 1]]), written: null },
  'a Set': { make: () => new Set([1, undefined, 'a', new Set()]), written: [1, null, 'a', []] },
  'a Map with a cycle': { make: looped, written: { set: ['[Circular]'] } },
  'a cycle': { make: cyclic, written: { n: 1, self: '[Circular]' } },
  'typed arrays': {
    make: () => [Uint8Array.of(1), Float32Array.of(NaN), BigInt64Array.of(3n)],
    written: [[1], [null], ['3']],
  },
  'a Buffer': { make: () => Buffer.from('A'), written: [65] },
  'a SharedArrayBuffer': { make: () => new SharedArrayBuffer(8), written: {} },
  'an ArrayBuffer and a DataView': {
    make: () => [new ArrayBuffer(8), new DataView(new ArrayBuffer(8))],
    written: [{}, {}],
  },
  'a typed array over shared memory': { make: () => new Uint8Array(new SharedArrayBuffer(2)), written: [0, 0] },
  'names for prototype pollution': { make: () => own(hostileNames), written: own(hostileNames) },
  'symbol keys': {
    make: () => ({ [Symbol('k')]: thrower, [Symbol.toPrimitive]: thrower, a: 1 }),
    written: { a: 1 },
  },
  'non-enumerable properties': {
    make: () => Object.defineProperty({ a: 1 }, 'b', { get: thrower }),
    written: { a: 1 },
  },
  'a getter': {
    make: () => ({
      get a() {
        return 1n;
      },
    }),
    written: { a: '1' },
  },
  'a getter that throws': {
    make: () => ({
      get a() {
        return thrower();
      },
      b: 1,
    }),
    written: { a: null, b: 1 },
  },
  'a getter of an array that throws': {
    make: () => Object.defineProperty([1, 2], 0, { get: thrower }),
    written: [null, 2],
  },
  'a getter with changing values': { make: () => fickle(1, 2n, thrower), written: ANYTHING },
  'a getter that becomes hostile': { make: () => fickle('fine', 'a\ud800', levels(500), revoked()), written: ANYTHING },
  toJSON: { make: () => ({ toJSON: () => ({ a: 1n, b: [undefined] }) }), written: { a: '1', b: [null] } },
  'toJSON that returns itself': { make: () => ({ n: 1, toJSON: returnThis }), written: { n: 1 } },
  'toJSON that returns another toJSON': {
    make: () => ({ toJSON: () => ({ toJSON: () => 1, a: 1 }) }),
    written: { a: 1 },
  },
  'toJSON that throws': { make: () => ({ toJSON: thrower }), written: null },
  'toJSON that returns a promise': { make: () => ({ toJSON: async () => Promise.resolve(1) }), written: {} },
  'toJSON that returns undefined': { make: () => ({ toJSON: () => undefined }), written: NOTHING },
  'toJSON that is a string': { make: () => ({ toJSON: 'text' }), written: { toJSON: 'text' } },
  'a non-enumerable toJSON': {
    make: () => Object.defineProperty({ a: 1 }, 'toJSON', { value: () => 2n }),
    written: '2',
  },
  'an array with toJSON': { make: () => Object.assign([1], { toJSON: () => '\0' }), written: '\ufffd' },
  'a Date with toISOString': {
    make: () => Object.assign(new Date(0), { toISOString: () => 'a\ud800' }),
    written: 'a\ufffd',
  },
  'a proxy': { make: () => new Proxy({ a: 1n }, {}), written: { a: '1' } },
  'a proxy of an array': { make: () => new Proxy([1, 2], {}), written: [1, 2] },
  'a proxy of a function': { make: () => new Proxy(thrower, {}), written: NOTHING },
  'a proxy that throws': { make: () => spiteful(), written: null },
  'a proxy of an array that throws': { make: () => spiteful([1]), written: null },
  'a revoked proxy': { make: () => revoked(), written: null },
  'a revoked proxy of an array': { make: () => revoked([]), written: null },
  'a revoked proxy of a function': { make: () => revoked(thrower), written: NOTHING },
  'a proxy that lists keys it does not have': {
    make: () => new Proxy({}, { ownKeys: () => ['a'], getOwnPropertyDescriptor: anyProperty }),
    written: {},
  },
  'a sparse array': { make: () => Object.assign([], { 3: 'x' }), written: [null, null, null, 'x'] },
  'an array with named properties': { make: () => Object.assign([1], { a: 1 }), written: [1] },
  'a frozen object': { make: () => Object.freeze({ a: Object.freeze([1n]) }), written: { a: ['1'] } },
  'an object without a prototype': {
    make: () => Object.assign(Object.create(null) as object, { a: 1 }),
    written: { a: 1 },
  },
  'an instance': { make: () => new Guarded(), written: { id: 7 } },
  'inherited values': { make: () => Object.create({ a: 1 }) as unknown, written: {} },
  'an object of another realm': {
    make: () => foreign('({ a: 1, b: [undefined, new Date(0), new Map([["c", 1n]])] })'),
    written: { a: 1, b: [null, '1970-01-01T00:00:00.000Z', { c: '1' }] },
  },
  'arguments of another realm': {
    make: () => foreign('(function () { return arguments; })(1, "a")'),
    written: { 0: 1, 1: 'a' },
  },
  'an Error of another realm': {
    make: () => foreign('Object.assign(new RangeError("far"), { stack: "s" })'),
    written: { name: 'RangeError', message: 'far', stack: 's' },
  },
  '500 levels': { make: () => levels(500), written: ANYTHING },
  globalThis: { make: () => foreign('globalThis'), written: ANYTHING },
};

function returnThis(this: unknown): unknown {
  return this;
}

/** Large or endless values. */
export const MONSTERS: Readonly<Record<string, () => unknown>> = {
  'a string of 1 MB': () => 'x'.repeat(1_000_000),
  '500 000 lone surrogates': () => '\udead'.repeat(500_000),
  'a sparse array of maximum length': () => new Array<unknown>(2 ** 32 - 1),
  'a proxy of an array of maximum length': () =>
    new Proxy([], { get: (_, name) => (name === 'length' ? 2 ** 53 : null) }),
  'an array whose iterator never ends': () =>
    Object.assign(['a'], {
      *[Symbol.iterator]() {
        for (;;) yield 'a';
      },
    }),
  '20 000 properties': () => Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`name${index}`, index])),
  'an array of a million objects': () => new Array<unknown>(1_000_000).fill({}),
  '100 000 levels': () => nested(100_000),
  'an endless proxy': endless,
  'an array that doubles with each level': () => doubling(),
  'a Map that doubles with each level': () => doubling(new Map([['a', new Set([1])]])),
  'an endless toJSON': () => ({
    toJSON: function more(): unknown {
      return [{ toJSON: more }, { toJSON: more }];
    },
  }),
  'a bigint of millions of digits': () => 2n ** 20_000_000n,
  'a typed array of 100 MB': () => new Uint8Array(100_000_000),
  'a Buffer over shared memory': () => Buffer.from(new SharedArrayBuffer(50_000_000)),
  'an Error with a very long stack': () =>
    Object.assign(new Error(`b${'a'.repeat(300_000)}`), {
      stack: `    at ${' (a:1:1'.repeat(280)})x\n`.repeat(2000),
    }),
  'an Error with endless causes': () => {
    const error = new Error('e');
    return Object.defineProperty(error, 'cause', {
      get: () => Object.defineProperty(new Error('c'), 'cause', { get: endless }),
    });
  },
};

const ODD_NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
  '\ud800',
  'a\0b',
  '',
  '10',
  'length',
  '$set',
  'a b',
];

/** A description of a value. Plain data, so that a failure can be printed and reproduced. */
export type Recipe =
  | { readonly odd: string }
  | { readonly plain: unknown }
  /** A new uuid each time, because two events with one uuid are a mistake of the caller. */
  | { readonly uuid: 'lower' | 'upper' }
  | { readonly list: readonly Recipe[] }
  | { readonly fields: readonly (readonly [name: string, Recipe])[]; readonly as: Shape };

const SHAPES = ['plain', 'frozen', 'without prototype', 'proxy', 'getters', 'toJSON'] as const;
type Shape = (typeof SHAPES)[number];

const oddity = fc.constantFrom(...Object.keys(ODDITIES)).map((odd): Recipe => ({ odd }));
/** Strings of any UTF-16 code units, including lone surrogates. */
const units = fc
  .array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd800, max: 0xdfff }), fc.constant(0)), {
    maxLength: 6,
  })
  .map((codes) => String.fromCharCode(...codes));
const plain = fc
  .oneof(units, fc.string({ unit: 'grapheme' }), fc.double(), fc.boolean(), fc.integer())
  .map((value): Recipe => ({ plain: value }));
const name = fc.oneof(fc.constantFrom(...ODD_NAMES), units);

/** Values of every kind, nested in every shape. */
export const recipe: fc.Arbitrary<Recipe> = fc.letrec<{ recipe: Recipe }>((tie) => ({
  recipe: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    oddity,
    plain,
    fc.array(tie('recipe'), { maxLength: 4 }).map((list): Recipe => ({ list })),
    fc
      .record({ fields: fc.array(fc.tuple(name, tie('recipe')), { maxLength: 4 }), as: fc.constantFrom(...SHAPES) })
      .map((fields): Recipe => fields),
  ),
})).recipe;

export function build(made: Recipe): unknown {
  if ('odd' in made) return ODDITIES[made.odd]?.make();
  if ('plain' in made) return made.plain;
  if ('uuid' in made) return made.uuid === 'upper' ? randomUUID().toUpperCase() : randomUUID();
  if ('list' in made) return made.list.map(build);
  const target = (made.as === 'without prototype' ? Object.create(null) : {}) as Record<string, unknown>;
  for (const [key, field] of made.fields) {
    const value = build(field);
    const accessor = { get: () => value };
    Object.defineProperty(target, key, {
      ...(made.as === 'getters' ? accessor : { value, writable: true }),
      enumerable: true,
      configurable: true,
    });
  }
  if (made.as === 'frozen') return Object.freeze(target);
  if (made.as === 'proxy') return new Proxy(target, {});
  return made.as === 'toJSON' ? { toJSON: () => target } : target;
}

/** The expected JSON value, NOTHING, or a value that contains ANYTHING. */
export function written(made: Recipe): unknown {
  if ('odd' in made) return ODDITIES[made.odd]?.written;
  if ('plain' in made) return writtenPlain(made.plain);
  if ('uuid' in made) return ANYTHING;
  if ('list' in made) return made.list.map((item) => orNull(written(item)));
  const fields: Record<string, unknown> = {};
  // Of duplicate names, the last value counts, also if they become equal only when they are written.
  for (const [key, field] of new Map(made.fields)) {
    const value = written(field);
    if (value === NOTHING) continue;
    Object.defineProperty(fields, storable(key), { value, enumerable: true, configurable: true, writable: true });
  }
  return fields;
}

const orNull = (value: unknown): unknown => (value === NOTHING ? null : value);

function writtenPlain(value: unknown): unknown {
  if (typeof value === 'string') return storable(value);
  return typeof value === 'number' ? (JSON.parse(JSON.stringify(value)) as unknown) : value;
}

function storable(text: string): string {
  return Array.from(text, (character) => (/[\p{Surrogate}\0]/u.test(character) ? '\ufffd' : character)).join('');
}

/** ANYTHING matches every value. */
export function matches(actual: unknown, expected: unknown): boolean {
  if (expected === ANYTHING) return true;
  if (typeof expected !== 'object' || expected === null) return actual === expected;
  if (typeof actual !== 'object' || actual === null || Array.isArray(actual) !== Array.isArray(expected)) return false;
  const names = Object.keys(expected);
  const wanted = expected as Record<string, unknown>;
  const given = actual as Record<string, unknown>;
  return (
    Object.keys(actual).every((key) => Object.hasOwn(expected, key)) &&
    names.every((key) => wanted[key] === ANYTHING || (Object.hasOwn(actual, key) && matches(given[key], wanted[key])))
  );
}
