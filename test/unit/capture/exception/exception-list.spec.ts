import { describe, expect, it } from '@jest/globals';
import { exceptionProperties } from '../../../../lib/capture/exception/exception-list.js';
import { stackFrames } from '../../../../lib/capture/exception/stack-frames.js';

function thrower(): never {
  throw new Error('not for you');
}

describe('stackFrames', () => {
  it.each<[string, { function: string; filename: string; lineno: number; colno: number; in_app: boolean }]>([
    [
      '    at load (/app/src/a.js:1:2)',
      { function: 'load', filename: '/app/src/a.js', lineno: 1, colno: 2, in_app: true },
    ],
    ['    at /app/src/a.js:1:2', { function: '?', filename: '/app/src/a.js', lineno: 1, colno: 2, in_app: true }],
    [
      '    at file:///app/my%20src/a.js:3:4',
      { function: '?', filename: '/app/my src/a.js', lineno: 3, colno: 4, in_app: true },
    ],
    [
      '    at async load (file:///app/a.js:3:4)',
      { function: 'load', filename: '/app/a.js', lineno: 3, colno: 4, in_app: true },
    ],
    ['    at async file:///app/a.js:3:4', { function: '?', filename: '/app/a.js', lineno: 3, colno: 4, in_app: true }],
    [
      '    at new Cart (/app/a.js:1:2)',
      { function: 'new Cart', filename: '/app/a.js', lineno: 1, colno: 2, in_app: true },
    ],
    [
      '    at Cart.add [as put] (/app/a.js:1:2)',
      { function: 'Cart.add [as put]', filename: '/app/a.js', lineno: 1, colno: 2, in_app: true },
    ],
    [
      '    at Object.<anonymous> (C:\\app\\a.js:1:2)',
      { function: 'Object.<anonymous>', filename: 'C:\\app\\a.js', lineno: 1, colno: 2, in_app: true },
    ],
    [
      '    at load (C:\\Program Files (x86)\\app\\a.js:1:2)\r',
      { function: 'load', filename: 'C:\\Program Files (x86)\\app\\a.js', lineno: 1, colno: 2, in_app: true },
    ],
    [
      '    at C:\\Program Files (x86)\\app\\a.js:1:2',
      { function: '?', filename: 'C:\\Program Files (x86)\\app\\a.js', lineno: 1, colno: 2, in_app: true },
    ],
    [
      '    at eval (eval at load (/app/a.js:5:6), <anonymous>:1:2)',
      { function: 'eval', filename: '/app/a.js', lineno: 5, colno: 6, in_app: true },
    ],
    [
      '    at eval (eval at inner (eval at outer (/app/a.js:5:6), <anonymous>:7:8), <anonymous>:1:2)',
      { function: 'eval', filename: '/app/a.js', lineno: 5, colno: 6, in_app: true },
    ],
    [
      '    at Object.run [as go] (a (b):1:2)',
      { function: 'Object.run [as go]', filename: 'a (b)', lineno: 1, colno: 2, in_app: true },
    ],
    [
      '    at node:internal/timers:1:2',
      { function: '?', filename: 'node:internal/timers', lineno: 1, colno: 2, in_app: false },
    ],
    [
      '    at process.run (node:internal/process/task_queues:95:5)',
      { function: 'process.run', filename: 'node:internal/process/task_queues', lineno: 95, colno: 5, in_app: false },
    ],
    [
      '    at get (/app/node_modules/axios/a.js:1:2)',
      { function: 'get', filename: '/app/node_modules/axios/a.js', lineno: 1, colno: 2, in_app: false },
    ],
    [
      '    at get (C:\\app\\node_modules\\axios\\a.js:1:2)',
      { function: 'get', filename: 'C:\\app\\node_modules\\axios\\a.js', lineno: 1, colno: 2, in_app: false },
    ],
  ])('reads %s', (line, frame) => {
    expect(stackFrames(`Error: x\n${line}`, 'x')).toEqual([{ platform: 'node:javascript', ...frame }]);
  });

  it.each([
    '    at <anonymous>',
    '    at Array.map (<anonymous>)',
    '    at async Promise.all (index 0)',
    '    at load (native)',
    'Error: at home',
    `    at ${'a'.repeat(100_000)}`,
    `    at ${' ('.repeat(50_000)}:1:2`,
  ])('passes over %.40s', (line) => {
    expect(stackFrames(`Error: x\n${line}`, 'x')).toEqual([]);
  });

  it.each<[string, string, string]>([
    ['calls that never end', `    at ${' (a:1:1'.repeat(280)})x\n`.repeat(5000), ''],
    ['places that never end', `    at ${' (:1:1'.repeat(280)}x\n`.repeat(5000), ''],
    ['digits', `    at ${':1'.repeat(990)}x\n`.repeat(5000), ''],
    ['evals', `    at eval (${'eval at (('.repeat(100)}${':1'.repeat(400)}:1:1)\n`.repeat(5000), ''],
    ['blanks', `${' '.repeat(1990)}at\n`.repeat(5000), ''],
    ['empty lines', '\n'.repeat(5_000_000), ''],
    [
      'a message that is nearly there, again and again',
      `${'a'.repeat(600_000)}\nx`,
      `${'a'.repeat(1000)}b${'a'.repeat(300_000)}`,
    ],
  ])('takes no time for a stack of %s', (_, stack, message) => {
    const before = process.cpuUsage();
    stackFrames(stack, message);
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(1000);
  });

  it('does not parse lines of the message as calls', () => {
    const message = 'failed\n    at fake (/app/fake.js:1:2)\n    at fake2 (/app/fake.js:1:2)';
    const stack = `Error: ${message}\n    at real (/app/real.js:3:4)`;
    expect(stackFrames(stack, message).map((frame) => frame.function)).toEqual(['real']);
  });

  it('keeps all calls if the message was changed later', () => {
    const stack = 'Error: old\n    at load (/app/a.js:1:2)';
    expect(stackFrames(stack, 'load').map((frame) => frame.function)).toEqual(['load']);
  });

  it('returns the innermost calls, outermost first', () => {
    const lines = Array.from({ length: 80 }, (_, n) => `    at f${n} (/app/a.js:${n + 1}:1)`);
    const names = stackFrames(`Error: x\n${lines.join('\n')}`, 'x').map((frame) => frame.function);
    expect(names).toHaveLength(50);
    expect([names[0], names.at(-1)]).toEqual(['f49', 'f0']);
  });
});

describe('exceptionProperties', () => {
  it('describes an error with its stack frames', () => {
    const inner = (): Error => new TypeError('no such cart');
    const outer = (): Error => inner();
    const properties = exceptionProperties(outer());
    expect(properties).toEqual({
      $exception_list: [
        {
          type: 'TypeError',
          value: 'no such cart',
          mechanism: { type: 'generic', handled: true, synthetic: false },
          stacktrace: { type: 'raw', frames: expect.any(Array) },
        },
      ],
      $exception_type: 'TypeError',
      $exception_message: 'no such cart',
      $exception_level: 'error',
    });
    const { frames } = properties.$exception_list[0]!.stacktrace;
    expect(frames.at(-1)).toMatchObject({ function: 'inner', in_app: true });
    expect(frames.at(-1)!.filename).toMatch(/^\/.*exception-list\.spec\.ts$/);
  });

  it('lists the caught error first and its root cause last', () => {
    const error = new Error('a', { cause: new RangeError('b', { cause: 'c' }) });
    const { $exception_list: list, $exception_message: message } = exceptionProperties(error);
    expect(list.map(({ type, value }) => `${type}: ${value}`)).toEqual(['Error: a', 'RangeError: b', 'Error: c']);
    expect(list.map(({ mechanism }) => mechanism.synthetic)).toEqual([false, false, true]);
    expect(message).toBe('a');
  });

  it('stops at a cycle of causes', () => {
    const error = new Error('a');
    error.cause = new Error('b', { cause: error });
    expect(exceptionProperties(error).$exception_list).toHaveLength(2);
  });

  it('lists at most 20 errors', () => {
    let error = new Error('root');
    for (let n = 0; n < 40; n += 1) error = new Error(`e${n}`, { cause: error });
    const { $exception_list: list } = exceptionProperties(error);
    expect(list).toHaveLength(20);
    expect(list[0]).toMatchObject({ value: 'e39' });
  });

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
      { type: 'Error', value: '', synthetic: false },
    ],
  ])('describes %s', (_, thrown, { type, value, synthetic }) => {
    expect(exceptionProperties(thrown)).toMatchObject({
      $exception_list: [{ type, value, mechanism: { synthetic } }],
      $exception_type: type,
      $exception_message: value,
    });
  });

  it('truncates a long message', () => {
    const { $exception_message: message } = exceptionProperties(new Error('x'.repeat(100_000)));
    expect(message).toHaveLength(8192);
  });
});
