import { describe, expect, it } from '@jest/globals';
import { distinctIdOf, illegalDistinctIdWarning, isIllegalDistinctId } from '../../../lib/context/distinct-id.js';

function thrower(): never {
  throw new Error('secret');
}

describe('distinctIdOf', () => {
  it.each<[unknown, string | null]>([
    ['user_1', 'user_1'],
    ['  user 1\n', 'user 1'],
    [42, '42'],
    [0, '0'],
    [-1.5, '-1.5'],
    [12n, '12'],
    ['x'.repeat(200), 'x'.repeat(200)],
    [` ${'x'.repeat(200)} `, 'x'.repeat(200)],
    ['漢'.repeat(66), '漢'.repeat(66)],
    ['a\0b\ud800', 'a\ufffdb\ufffd'],
    ['\0'.repeat(66), '\ufffd'.repeat(66)],
    ['\0'.repeat(67), null],
    [`${'x'.repeat(198)}\0`, null],
    [2n ** 1_000_000n, null],
    ['', null],
    [' \t\u00a0', null],
    ['x'.repeat(201), null],
    ['漢'.repeat(67), null],
    ['🦔'.repeat(51), null],
    [10n ** 200n, null],
    [NaN, null],
    [Infinity, null],
    [true, null],
    [null, null],
    [undefined, null],
    [Symbol('x'), null],
    [{ toString: () => 'x' }, null],
    [['x'], null],
    [Object('x'), 'x'],
    [Object(5), '5'],
    [Object(5n), '5'],
    [Object(true), null],
    [{ toJSON: () => ' x ' }, 'x'],
    [{ toJSON: () => 7 }, '7'],
    [{ toJSON: () => '' }, null],
    [{ toJSON: () => 'x'.repeat(201) }, null],
    [{ toJSON: () => null, toHexString: () => 'ff' }, 'ff'],
    [{ toJSON: () => ({ id: 'x' }) }, null],
    [{ toJSON: 'x' }, null],
    [new Date(0), null],
    [Object.assign(new Error('x'), { toJSON: () => 'x' }), null],
  ])('%p is %p', (value, expected) => {
    expect(distinctIdOf(value)).toBe(expected);
  });
});

describe('distinctIdOf never throws', () => {
  it.each<[string, object, string | null]>([
    ['toJSON throws', { toJSON: thrower }, null],
    ['toJSON throws, and toHexString does not', { toJSON: thrower, toHexString: () => 'ff' }, 'ff'],
    ['toJSON rejects', { toJSON: () => Promise.reject(new Error('secret')) }, null],
    ['the getter of toJSON throws', Object.defineProperty({}, 'toJSON', { get: thrower }), null],
    ['it is a proxy that throws', new Proxy({}, { get: thrower, getPrototypeOf: thrower }), null],
  ])('%s', async (_, value, expected) => {
    expect(distinctIdOf(value)).toBe(expected);
    // An unhandled rejection would fail the test here.
    await new Promise(setImmediate);
  });
});

describe('isIllegalDistinctId', () => {
  it.each(['anonymous', 'GUEST', 'NaN', '[object Object]', '0', 'Null', '00000000-0000-0000-0000-000000000000'])(
    '%s is illegal',
    (id) => {
      expect(isIllegalDistinctId(id)).toBe(true);
      expect(illegalDistinctIdWarning('alias', id)).toContain('alias');
    },
  );

  it.each(['user_1', '1', 'anonymous-7', 'nobody', 'x'.repeat(100)])('%s is legal', (id) => {
    expect(isIllegalDistinctId(id)).toBe(false);
    expect(illegalDistinctIdWarning('alias', id)).toBeUndefined();
  });
});
