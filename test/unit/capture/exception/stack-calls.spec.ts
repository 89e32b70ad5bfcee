import { describe, expect, it } from '@jest/globals';
import { stackCalls } from '../../../../lib/capture/exception/stack-calls.js';

describe('stackCalls', () => {
  it.each<[string, { function: string; path: string; lineno: number; colno: number; isOwn: boolean }]>([
    ['    at load (/app/src/a.js:1:2)', { function: 'load', path: '/app/src/a.js', lineno: 1, colno: 2, isOwn: true }],
    ['    at /app/src/a.js:1:2', { function: '?', path: '/app/src/a.js', lineno: 1, colno: 2, isOwn: true }],
    [
      '    at file:///app/my%20src/a.js:3:4',
      { function: '?', path: '/app/my src/a.js', lineno: 3, colno: 4, isOwn: true },
    ],
    [
      '    at async load (file:///app/a.js:3:4)',
      { function: 'load', path: '/app/a.js', lineno: 3, colno: 4, isOwn: true },
    ],
    ['    at async file:///app/a.js:3:4', { function: '?', path: '/app/a.js', lineno: 3, colno: 4, isOwn: true }],
    ['    at new Cart (/app/a.js:1:2)', { function: 'new Cart', path: '/app/a.js', lineno: 1, colno: 2, isOwn: true }],
    [
      '    at Cart.add [as put] (/app/a.js:1:2)',
      { function: 'Cart.add [as put]', path: '/app/a.js', lineno: 1, colno: 2, isOwn: true },
    ],
    [
      '    at Object.<anonymous> (C:\\app\\a.js:1:2)',
      { function: 'Object.<anonymous>', path: 'C:\\app\\a.js', lineno: 1, colno: 2, isOwn: true },
    ],
    [
      '    at load (C:\\Program Files (x86)\\app\\a.js:1:2)\r',
      { function: 'load', path: 'C:\\Program Files (x86)\\app\\a.js', lineno: 1, colno: 2, isOwn: true },
    ],
    [
      '    at C:\\Program Files (x86)\\app\\a.js:1:2',
      { function: '?', path: 'C:\\Program Files (x86)\\app\\a.js', lineno: 1, colno: 2, isOwn: true },
    ],
    [
      '    at eval (eval at load (/app/a.js:5:6), <anonymous>:1:2)',
      { function: 'eval', path: '/app/a.js', lineno: 5, colno: 6, isOwn: true },
    ],
    [
      '    at eval (eval at inner (eval at outer (/app/a.js:5:6), <anonymous>:7:8), <anonymous>:1:2)',
      { function: 'eval', path: '/app/a.js', lineno: 5, colno: 6, isOwn: true },
    ],
    [
      '    at Object.run [as go] (a (b):1:2)',
      { function: 'Object.run [as go]', path: 'a (b)', lineno: 1, colno: 2, isOwn: true },
    ],
    [
      '    at node:internal/timers:1:2',
      { function: '?', path: 'node:internal/timers', lineno: 1, colno: 2, isOwn: false },
    ],
    [
      '    at process.run (node:internal/process/task_queues:95:5)',
      { function: 'process.run', path: 'node:internal/process/task_queues', lineno: 95, colno: 5, isOwn: false },
    ],
    [
      '    at get (/app/node_modules/axios/a.js:1:2)',
      { function: 'get', path: '/app/node_modules/axios/a.js', lineno: 1, colno: 2, isOwn: false },
    ],
    [
      '    at get (C:\\app\\node_modules\\axios\\a.js:1:2)',
      { function: 'get', path: 'C:\\app\\node_modules\\axios\\a.js', lineno: 1, colno: 2, isOwn: false },
    ],
    [
      '    at Cart.add (all) (/app/a.js:1:2)',
      { function: 'Cart.add (all)', path: '/app/a.js', lineno: 1, colno: 2, isOwn: true },
    ],
    [
      '    at Object.[Symbol (x)] [as y] (/app/a (1)/a.js:1:2)',
      { function: 'Object.[Symbol (x)] [as y]', path: '/app/a (1)/a.js', lineno: 1, colno: 2, isOwn: true },
    ],
    [
      '    at new (x) (file:///app/a.js:1:2)',
      { function: 'new (x)', path: '/app/a.js', lineno: 1, colno: 2, isOwn: true },
    ],
    ['    at [eval]:1:2', { function: '?', path: '[eval]', lineno: 1, colno: 2, isOwn: false }],
    ['    at run ([worker eval]:1:2)', { function: 'run', path: '[worker eval]', lineno: 1, colno: 2, isOwn: false }],
    [
      '    at run (ext:core/ops.js:1:2)',
      { function: 'run', path: 'ext:core/ops.js', lineno: 1, colno: 2, isOwn: false },
    ],
    ['    at run (native:1:2)', { function: 'run', path: 'native', lineno: 1, colno: 2, isOwn: false }],
    [
      '    at get (node_modules/axios/a.js:1:2)',
      { function: 'get', path: 'node_modules/axios/a.js', lineno: 1, colno: 2, isOwn: false },
    ],
  ])('reads %s', (line, frame) => {
    expect(stackCalls(`Error: x\n${line}`, 'x')).toEqual([frame]);
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
    expect(stackCalls(`Error: x\n${line}`, 'x')).toEqual([]);
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
    stackCalls(stack, message);
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(1000);
  });

  it('does not parse lines of the message as calls', () => {
    const message = 'failed\n    at fake (/app/fake.js:1:2)\n    at fake2 (/app/fake.js:1:2)';
    const stack = `Error: ${message}\n    at real (/app/real.js:3:4)`;
    expect(stackCalls(stack, message).map((frame) => frame.function)).toEqual(['real']);
  });

  it('keeps all calls if the message was changed later', () => {
    const stack = 'Error: old\n    at load (/app/a.js:1:2)';
    expect(stackCalls(stack, 'load').map((frame) => frame.function)).toEqual(['load']);
  });

  it('returns the innermost calls, outermost first', () => {
    const lines = Array.from({ length: 80 }, (_, n) => `    at f${n} (/app/a.js:${n + 1}:1)`);
    const names = stackCalls(`Error: x\n${lines.join('\n')}`, 'x').map((frame) => frame.function);
    expect(names).toHaveLength(50);
    expect([names[0], names.at(-1)]).toEqual(['f49', 'f0']);
  });
});
