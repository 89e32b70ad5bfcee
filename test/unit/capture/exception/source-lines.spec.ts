import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type SourceContext, SourceLines, type SourcePlace } from '../../../../lib/capture/exception/source-lines.js';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'source-lines-'));
});
afterAll(() => rmSync(dir, { recursive: true }));

const line = (number: number): string => `line ${number}`;
const lines = (first: number, last: number): string[] =>
  Array.from({ length: last - first + 1 }, (_, index) => line(first + index));

function written(name: string, text: string | Buffer = lines(1, 100).join('\n')): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

/** The source lines of one place, whose file is read at once. */
function contextOf(path: string, lineno = 40, colno = 1): SourceContext | undefined {
  const place = { path, lineno, colno };
  return new SourceLines().contextsOf([place], place).get(place);
}

/** Asks again until the files have been read. */
async function known(source: SourceLines, places: readonly SourcePlace[], count = places.length): Promise<void> {
  while (source.contextsOf(places, undefined).size < count) await new Promise(setImmediate);
}

describe('SourceLines', () => {
  it('has five lines before and after that of the call, in the order of the file', () => {
    expect(contextOf(written('a.js'))).toEqual({
      pre_context: lines(35, 39),
      context_line: line(40),
      post_context: lines(41, 45),
    });
  });

  it('has fewer at the ends of a file', () => {
    const path = written('ends.ts', `${lines(1, 100).join('\r\n')}\r\n`);
    expect(contextOf(path, 1)).toEqual({ pre_context: [], context_line: line(1), post_context: lines(2, 6) });
    expect(contextOf(path, 100)).toEqual({ pre_context: lines(95, 99), context_line: line(100), post_context: [] });
    expect(contextOf(path, 101)).toBeUndefined();
  });

  it('cuts long lines', () => {
    const path = written('long.js', ['x'.repeat(150), 'y'.repeat(151), 'ü'.repeat(100_000)].join('\n'));
    expect(contextOf(path, 2)).toEqual({
      pre_context: ['x'.repeat(150)],
      context_line: `${'y'.repeat(140)}…`,
      post_context: [`${'ü'.repeat(140)}…`],
    });
  });

  it('reads the other files in the background, for the next error', async () => {
    const urgent = { path: written('urgent.js'), lineno: 1, colno: 1 };
    const others = ['b.js', 'c.mjs', 'd.cts'].map((name) => ({ path: written(name), lineno: 50, colno: 1 }));
    const source = new SourceLines();
    expect([...source.contextsOf([urgent, ...others], urgent).keys()]).toEqual([urgent]);
    await known(source, others);
    const [first] = others;
    expect(source.contextsOf(others, undefined).get(first!)).toEqual({
      pre_context: lines(45, 49),
      context_line: line(50),
      post_context: lines(51, 55),
    });
  });

  it('reads a file of more than 1 MiB in the background only', async () => {
    const path = written('large.js', lines(1, 150_000).join('\n'));
    const place = { path, lineno: 9999, colno: 1 };
    const source = new SourceLines();
    expect(source.contextsOf([place], place).size).toBe(0);
    await known(source, [place]);
    expect(source.contextsOf([place], undefined).get(place)?.context_line).toBe(line(9999));
  });

  it.each<[string, () => string, number?, number?]>([
    ['a file that does not exist', () => join(dir, 'none.js')],
    ['a directory', () => (mkdirSync(join(dir, 'dir.js')), join(dir, 'dir.js'))],
    ['a device', () => (symlinkSync('/dev/zero', join(dir, 'zero.js')), join(dir, 'zero.js'))],
    ['a pipe', () => (execFileSync('mkfifo', [join(dir, 'pipe.js')]), join(dir, 'pipe.js'))],
    ['a file of more than 10 MiB', () => written('huge.js', Buffer.alloc(10 * 1024 * 1024 + 1, 'a\n'))],
    ['minified code', () => written('a.min.js')],
    ['anything but source code', () => written('secrets.env')],
    ['a file without an extension', () => '/etc/passwd'],
    ['a relative path', () => 'package.json.js'],
    ['a share of another machine', () => `//server${dir}/a.js`],
    ['code of Node', () => 'node:fs'],
    ['a data URL', () => 'data:text/javascript,a.js'],
    ['a line beyond 10 000', () => written('lines.js', lines(1, 10_001).join('\n')), 10_001],
    ['a column beyond 1000', () => written('columns.js'), 40, 1001],
  ])('does not read %s', async (_, pathOf, lineno = 40, colno = 1) => {
    const place = { path: pathOf(), lineno, colno };
    const control = { path: written('control.js'), lineno: 40, colno: 1 };
    const source = new SourceLines();
    expect(source.contextsOf([place], place).size).toBe(0);
    expect(source.contextsOf([place, control], undefined).size).toBe(0);
    // The files are read in this order.
    await known(source, [place, control], 1);
    expect([...source.contextsOf([place, control], undefined).keys()]).toEqual([control]);
  });

  it('keeps the lines of 25 files', async () => {
    const places = Array.from({ length: 30 }, (_, n) => ({ path: written(`f${n}.js`), lineno: 40, colno: 1 }));
    const source = new SourceLines();
    for (const place of places) source.contextsOf([place], place);
    const again = source.contextsOf(places, undefined);
    expect([...again.keys()]).toEqual(places.slice(5));
    await known(source, places.slice(0, 5));
  });
});
