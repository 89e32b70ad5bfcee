import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { FrameDescriber } from '../../../../lib/capture/exception/frame-describer.js';
import { FrameNames } from '../../../../lib/capture/exception/frame-names.js';
import { type StackCall } from '../../../../lib/capture/exception/stack-calls.js';

const globals = globalThis as { _posthogChunkIds?: unknown; _debugIds?: unknown };
afterEach(() => {
  delete globals._posthogChunkIds;
  delete globals._debugIds;
});

const call = (path: string, isOwn = true): StackCall => ({ path, function: 'run', lineno: 3, colno: 1, isOwn });
const HERE = fileURLToPath(import.meta.url);

describe('names', () => {
  const names = new FrameNames('/app', '/app/dist');

  it.each([
    ['/app/dist/orders/orders.service.js', 'dist/orders/orders.service.js', 'orders:orders.service'],
    ['/app/dist/main.js', 'dist/main.js', 'main'],
    ['/app/dist2/main.mjs', 'dist2/main.mjs', 'main'],
    ['/app/src/a/b/c.ts', 'src/a/b/c.ts', 'c'],
    ['/app/node_modules/@nestjs/core/router/x.js', 'node_modules/@nestjs/core/router/x.js', '@nestjs.core.router:x'],
    ['/node_modules/express/index.js', '../node_modules/express/index.js', 'express:index'],
    ['/app/dist/100%.js', 'dist/100%.js', '100%'],
    ['node:internal/timers', 'node:internal/timers', undefined],
    ['[eval]', '[eval]', undefined],
    ['data:text/javascript,x', 'data:text/javascript,x', undefined],
  ])('%s', (path, filename, module) => {
    expect([names.filenameOf(path), names.moduleOf(path)]).toEqual([filename, module]);
  });

  it('without a working directory and a script', () => {
    const lost = new FrameNames(undefined, '');
    expect(lost.moduleOf('/app/main.js')).toBe('main');
  });
});

describe('ids of source maps', () => {
  const stackIn = (path: string): string =>
    `Error\n    at ${path}:1:2\n    at Object.<anonymous> (${path}:3:4)\n    at load (node:x:1:1)`;

  it('all calls in a file have its id, and no source lines', () => {
    globals._posthogChunkIds = { [stackIn(HERE)]: 'chunk-1' };
    const describer = new FrameDescriber(true);
    const [frames] = describer.framesOf([{ calls: [call(HERE), call('/app/b.js'), call(HERE)], isOwn: true }]);
    expect(frames?.map(({ chunk_id }) => chunk_id)).toEqual(['chunk-1', undefined, 'chunk-1']);
    expect(frames?.[2]).not.toHaveProperty('context_line');
    expect(frames?.[1]).not.toHaveProperty('chunk_id');
  });

  it('reads both maps, and files that are loaded later', () => {
    const describer = new FrameDescriber(false);
    const ids = (): unknown[] =>
      describer
        .framesOf([{ calls: ['/a.js', '/b.js', '/c.js'].map((path) => call(path)), isOwn: true }])[0]!
        .map(({ chunk_id }) => chunk_id);
    expect(ids()).toEqual([undefined, undefined, undefined]);
    const map: Record<string, string> = { [stackIn('/a.js')]: 'a' };
    globals._posthogChunkIds = map;
    globals._debugIds = { [stackIn('/b.js')]: 'b' };
    expect(ids()).toEqual(['a', 'b', undefined]);
    map[stackIn('file:///c.js')] = 'c';
    expect(ids()).toEqual(['a', 'b', 'c']);
  });

  it.each([null, 5, 'x', [], { x: 1 }, { [`Error\n    at /a.js:1:1`]: 5 }])('ignores a map that is %j', (map) => {
    globals._posthogChunkIds = map;
    const [frames] = new FrameDescriber(false).framesOf([{ calls: [call('/a.js')], isOwn: true }]);
    expect(frames?.[0]).not.toHaveProperty('chunk_id');
  });
});

describe('source lines', () => {
  it('the innermost call of the application has them at once', () => {
    const calls = [call(join(HERE, '..', 'thrown-value.spec.ts')), call(HERE), call('/app/node_modules/x.js', false)];
    const [frames] = new FrameDescriber(true).framesOf([{ calls, isOwn: true }]);
    expect(frames?.map(({ context_line }) => context_line)).toEqual([
      undefined,
      "import { afterEach, describe, expect, it } from '@jest/globals';",
      undefined,
    ]);
  });

  it('files are not read for a stack that came as text', () => {
    const [frames] = new FrameDescriber(true).framesOf([{ calls: [call(HERE)], isOwn: false }]);
    expect(frames?.[0]).not.toHaveProperty('context_line');
  });

  it('can be turned off', () => {
    const [frames] = new FrameDescriber(false).framesOf([{ calls: [call(HERE)], isOwn: true }]);
    expect(frames?.[0]).not.toHaveProperty('context_line');
  });
});
