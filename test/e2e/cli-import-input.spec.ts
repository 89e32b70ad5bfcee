import { existsSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from '@jest/globals';
import { event, rejectsOf, runImport as run, useImports } from '../support/imports.js';
import { ScriptedTerminal } from '../support/scripted-terminal.js';

const imports = useImports();
const { file } = imports;
const sent = (): unknown[] => imports.posthog.events.map(({ distinct_id }) => distinct_id).sort();
const bytes = (name: string, content: Buffer | string): string => {
  const path = join(imports.folder, name);
  writeFileSync(path, content);
  return path;
};
const text = (count: number): string =>
  Array.from({ length: count }, (_, index) => `${JSON.stringify(event(index))}\n`).join('');

describe('values that JSON or PostHog would change', () => {
  it('are told per line and counted', async () => {
    const deep = `${'['.repeat(300)}${']'.repeat(300)}`;
    const line = (properties: string): string => `{"event":"a","distinct_id":"u","properties":{${properties}}}`;
    const path = file([
      line('"big":1e400'),
      line('"rate":0.1234567890123456789'),
      line(`"deep":${deep}`),
      line('"plan":"free","plan":"pro"'),
      line('"note":"a\\u0000b"'),
      line('"plain":[1,2.5,-3e2,"x"]'),
    ]);
    const { code, answer, stderr } = await run([path]);
    expect(code).toBe(0);
    expect(answer).toMatchObject({ delivered: 6, rejected: 0 });
    expect(stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/line 1: "properties\.big" is a number that is too large for JSON and became null/),
      expect.stringMatching(/line 2: "properties\.rate" is a number with more digits than JSON keeps and was rounded/),
      expect.stringMatching(/line 3: "properties\.deep" is nested more than 100 levels deep and was cut/),
      expect.stringMatching(/line 4: "properties\.plan" occurs twice, and the last value was used/),
      expect.stringMatching(/line 5: "properties\.note" contains NUL or half of a surrogate pair, which was replaced/),
      'posthog-capture import: 5 lines with changed or omitted values: see the warnings',
    ]);
  });

  it.each([
    ['distinct_id contains NUL', '{"event":"a","distinct_id":"ann\\u0000"}'],
    ['distinct_id contains NUL or half of a surrogate pair', '{"event":"a","distinct_id":"ann\\ud800"}'],
    ['distinct_id begins or ends with white space', '{"event":"a","distinct_id":" ann"}'],
    ['distinct_id occurs twice', '{"event":"a","distinct_id":"ann","distinct_id":"bob"}'],
    ['distinct_id is a number that would be written differently', '{"event":"a","distinct_id":7.0}'],
    ['distinct_id is a number that is too large for JSON', '{"event":"a","distinct_id":1e400}'],
    ['a group key contains NUL', '{"event":"a","distinct_id":"ann","groups":{"company":"a\\u0000"}}'],
    ['a group key occurs twice', '{"event":"a","distinct_id":"ann","groups":{"company":"a","company":"b"}}'],
    [
      'properties.alias contains NUL',
      '{"event":"$create_alias","distinct_id":"ann","properties":{"alias":"bob\\u0000"}}',
    ],
  ])('in an id reject the line: %s', async (reason, line) => {
    const path = file([line, event(0)]);
    expect((await run([path])).answer).toMatchObject({ delivered: 1, rejected: 1 });
    expect(rejectsOf(path)).toEqual([{ line: 1, reason: expect.stringContaining(reason) }]);
    expect(sent()).toEqual(['user_0']);
  });
});

describe('the form of the input', () => {
  it.each([
    ['a JSON array', `[${JSON.stringify(event(0))}]`],
    ['formatted JSON', JSON.stringify(event(0), null, 2)],
    ['CSV', 'event,distinct_id,timestamp\npage_view,user_1,2026-01-01\n'],
    ['CSV', '"event";"distinct_id"\n"page_view";"user_1"\n'],
    ['UTF-16', Buffer.from(`\uFEFF${text(1)}`, 'utf16le')],
    ['UTF-16', Buffer.from(text(1), 'utf16le')],
    ['a ZIP archive', Buffer.from('504b030414000000', 'hex')],
    ['XML or HTML', '<!doctype html><html></html>'],
    ['a JSON array', gzipSync(`[${JSON.stringify(event(0))}]`)],
  ])('%s is recognized, and nothing is sent', async (what, content) => {
    const path = bytes('events.export', content);
    const { code, stderr } = await run([path]);
    expect(code).toBe(2);
    expect(stderr).toContain(`${path} is ${what}, and expected one JSON object per line: `);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    const input = Buffer.from(content).toString('latin1');
    if (typeof content === 'string') {
      const terminal = new ScriptedTerminal({ input });
      expect((await run(['-'], terminal)).stderr).toContain(`standard input is ${what}`);
    }
    expect(imports.posthog.requests).toEqual([]);
  });

  it('gzip is read', async () => {
    const path = bytes('events.ndjson.gz', Buffer.concat([gzipSync(text(3)), gzipSync(text(2))]));
    expect(await run([path])).toMatchObject({ code: 0, answer: { lines: 5, delivered: 5, rejected: 0 } });
    expect(existsSync(`${path}.import-state.json`)).toBe(false);
  });

  it('damaged gzip stops the import, and --resume notices another file', async () => {
    const whole = gzipSync(Array.from({ length: 2000 }, (_, index) => `${JSON.stringify(event(index))}\n`).join(''));
    const path = bytes('events.ndjson.gz', whole);
    truncateSync(path, Math.floor(whole.length / 2));
    const first = await run([path]);
    expect(first).toMatchObject({ code: 1, answer: { error: expect.stringContaining('unexpected end of file') } });
    const state = `${path}.import-state.json`;
    const saved = JSON.parse(readFileSync(state, 'utf8')) as { number: number };
    expect(saved.number).toBeGreaterThan(0);
    writeFileSync(path, whole);
    expect((await run([path, '--resume'])).stderr).toContain('has changed');
  });
});

describe('files next to the imported one', () => {
  it.each(['rejects.ndjson', 'import-state.json', 'import-state.json.new'])(
    'a planted link is not followed: %s',
    async (suffix) => {
      const path = file([event(0), 'nonsense']);
      const victim = bytes('victim.txt', '');
      symlinkSync(victim, `${path}.${suffix}`);
      const { code } = await run([path]);
      expect(readFileSync(victim, 'utf8')).toBe('');
      expect(code).toBe(suffix.endsWith('.new') ? 1 : 2);
      expect(sent()).toEqual(suffix.endsWith('.new') ? ['user_0'] : []);
    },
  );

  it('a planted directory is reported', async () => {
    const path = file([event(0)]);
    mkdirSync(`${path}.import-state.json`);
    expect(await run([path])).toMatchObject({ code: 2, stderr: expect.stringContaining('cannot be read') });
  });
});
