import { describe, expect, it } from '@jest/globals';
import { MANUAL } from '../../../../lib/capture/exception/capture-boundary.js';
import { exceptionList } from '../../../../lib/capture/exception/exception-list.js';
import { FrameDescriber } from '../../../../lib/capture/exception/frame-describer.js';

const frames = new FrameDescriber(false);
const firstOf = (thrown: unknown, calledFrom?: () => unknown) => exceptionList(thrown, MANUAL, frames, calledFrom)[0]!;
const STACK = 'Error: x\n    at outer (/app/b.js:3:4)\n    at main (/app/a.js:1:2)';

function thrower(): never {
  throw new Error('not for you');
}

describe('the entry', () => {
  class PaymentError extends Error {}
  const named = Object.assign(new Error('x'), { name: 'QuotaError' });

  it.each<[string, unknown, { type: string; value: string; synthetic: boolean }]>([
    ['a class that keeps the name', new PaymentError('x'), { type: 'PaymentError', value: 'x', synthetic: false }],
    ['an error with a name', named, { type: 'QuotaError', value: 'x', synthetic: false }],
    ['an error without message', new Error(), { type: 'Error', value: '', synthetic: false }],
    ['an abort', new DOMException('stop', 'AbortError'), { type: 'AbortError', value: 'stop', synthetic: false }],
    ['a string', 'boom', { type: 'Error', value: 'boom', synthetic: true }],
    ['a number', 42, { type: 'Error', value: '42', synthetic: true }],
    ['undefined', undefined, { type: 'Error', value: 'undefined', synthetic: true }],
    ['null', null, { type: 'Error', value: 'null', synthetic: true }],
    ['a symbol', Symbol('s'), { type: 'Error', value: 'Symbol(s)', synthetic: true }],
    ['an object', { code: 5 }, { type: 'Error', value: '{"code":5}', synthetic: true }],
    ['an object with a message', { message: 'hi', code: 5 }, { type: 'Error', value: 'hi', synthetic: true }],
    ['a cyclic object', Object.assign([] as unknown[], { 0: 1n }), { type: 'Error', value: '["1"]', synthetic: true }],
    [
      'a typed array too large',
      new Uint8Array(50_000_000),
      { type: 'Error', value: 'a typed array that is too large to show', synthetic: true },
    ],
    [
      'a bigint too large',
      2n ** 20_000_000n,
      { type: 'Error', value: 'a bigint with too many digits to show', synthetic: true },
    ],
    ['an object too large', { a: 'x'.repeat(9000) }, { type: 'Error', value: 'an object with a', synthetic: true }],
    [
      'a proxy that throws',
      new Proxy({}, { get: thrower, ownKeys: thrower, getPrototypeOf: thrower }),
      { type: 'Error', value: 'null', synthetic: true },
    ],
    [
      'an error with throwing getters',
      Object.defineProperties(new Error('x'), {
        stack: { get: thrower },
        message: { get: thrower },
        cause: { get: thrower },
        name: { get: thrower },
      }),
      { type: 'Error', value: '', synthetic: false },
    ],
    [
      'an error with fields of other types',
      Object.assign(new Error(), { name: 5, stack: 5, message: {} }),
      { type: 'Error', value: '{}', synthetic: false },
    ],
  ])('describes %s', (_, thrown, { type, value, synthetic }) => {
    expect(firstOf(thrown)).toMatchObject({ type, value, mechanism: { synthetic } });
  });

  it('truncates a long message', () => {
    expect(firstOf(new Error('x'.repeat(100_000))).value).toHaveLength(8192);
  });

  it.each<[string, object]>([
    ['name and stack', { name: 'QuotaError', message: 'x', stack: STACK }],
    ['type, value and stacktrace', { type: 'QuotaError', value: 'x', stacktrace: STACK }],
    ['name, message and stacktrace', { name: 'QuotaError', message: 'x', stacktrace: STACK }],
  ])('an object with %s keeps them', (_, thrown) => {
    const { type, value, mechanism, stacktrace } = firstOf(thrown, thrower);
    expect({ type, value, synthetic: mechanism.synthetic }).toEqual({
      type: 'QuotaError',
      value: 'x',
      synthetic: true,
    });
    expect(stacktrace?.frames.map((frame) => frame.function)).toEqual(['main', 'outer']);
  });

  it('an object with an Error is described by that Error, without its stack as text', () => {
    const error = new TypeError('inner');
    for (const thrown of [{ code: 5, error }, [1, error], { cause: error, level: 'info' }]) {
      expect(firstOf(thrown)).toMatchObject({ type: 'TypeError', value: 'inner', mechanism: { synthetic: false } });
    }
    class ErrorEvent {
      get error(): Error {
        return error;
      }
    }
    expect(firstOf(new ErrorEvent()).value).toBe('inner');
  });

  it.each<[string, unknown, string]>([
    ['an object', { code: 5 }, '{"code":5}'],
    ['a list', ['a', 'b'], '["a","b"]'],
    ['a number', 5, '5'],
    ['nothing', undefined, ''],
  ])('the message of an Error may be %s', (_, message, value) => {
    expect(firstOf(Object.assign(new Error(), { message })).value).toBe(value);
  });

  it('an AggregateError without a message has that of its first member, and their number', () => {
    const members = [new TypeError('connect ECONNREFUSED ::1:1'), new Error('b')];
    expect(firstOf(new AggregateError(members)).value).toBe(
      '2 errors; the first: TypeError: connect ECONNREFUSED ::1:1',
    );
    expect(firstOf(new AggregateError(members.slice(0, 1))).value).toBe(
      '1 error: TypeError: connect ECONNREFUSED ::1:1',
    );
    expect(firstOf(new AggregateError([])).value).toBe('');
  });

  it('an object that inherits from Error is one', () => {
    const thrown = Object.assign(Object.create(Error.prototype) as Error, { name: 'OldError', message: 'x' });
    expect(firstOf(thrown)).toEqual({
      type: 'OldError',
      value: 'x',
      mechanism: { type: 'generic', handled: true, synthetic: false, exception_id: 0 },
    });
  });

  it('a value without a stack gets the calls that led to the capture', () => {
    function capturing(thrown: unknown): ReturnType<typeof firstOf> {
      return firstOf(thrown, capturing as never);
    }
    function checkout(thrown: unknown): ReturnType<typeof firstOf> {
      return capturing(thrown);
    }
    for (const thrown of ['boom', { code: 5 }, 42, null]) {
      const { mechanism, stacktrace } = checkout(thrown);
      expect(mechanism.synthetic).toBe(true);
      expect(stacktrace?.frames.at(-1)).toMatchObject({ lineno: expect.any(Number), in_app: true });
      expect(stacktrace?.frames.map((frame) => frame.function)).not.toContain('firstOf');
    }
    expect(firstOf(Object.assign(new Error('x'), { stack: undefined }), thrower)).not.toHaveProperty('stacktrace');
  });
});
