import { writeFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { dedupeProjectOf, dedupeUuid } from '../../lib/capture/limits/dedupe-uuid.js';
import { event, rejectsOf, runImport as run, useImports } from '../support/imports.js';

const imports = useImports();
const { file } = imports;

describe('lines of posthog-capture import', () => {
  it('invalid lines are reported with number and reason, never with their text; the others are sent', async () => {
    const path = file([
      event(0),
      '{"event":"page_view",',
      '[1]',
      { event: 'page_view' },
      event(1, { timestamp: 'yesterday' }),
      event(2, { uuid: 'none' }),
      event(3, { properties: { text: 'x'.repeat(950_000) } }),
      event(4, { properties: 5 }),
      event(5),
    ]);
    const { code, answer, stderr } = await run([path]);
    expect(code).toBe(1);
    expect(answer).toEqual({ success: false, lines: 9, delivered: 2, rejected: 7, error: null });
    expect(rejectsOf(path)).toEqual([
      { line: 2, reason: 'it is not valid JSON' },
      { line: 3, reason: 'it must be a JSON object, not an array' },
      { line: 4, reason: expect.stringContaining('distinct_id') },
      { line: 5, reason: expect.stringContaining('timestamp') },
      { line: 6, reason: expect.stringContaining('uuid') },
      { line: 7, reason: expect.stringMatching(/^\d+ bytes, and maxEventBytes is \d+ bytes$/) },
      { line: 8, reason: expect.stringContaining('properties') },
    ]);
    expect(stderr).toContain('7 lines rejected: see ');
    expect(stderr).not.toContain('xxx');
  });

  it('$set, $set_once and $unset at the root of a line are taken, and an invalid one is rejected', async () => {
    const root = { $set: { plan: 'pro' }, $set_once: { first: 1 }, $unset: ['trial'] };
    const path = file([
      event(0, { ...root, properties: { $set: { plan: 'free', seats: 3 } } }),
      event(1, { $set: 'pro' }),
    ]);
    expect((await run([path])).answer).toMatchObject({ delivered: 1, rejected: 1 });
    expect(imports.posthog.events[0]!.properties).toMatchObject({ ...root, $set: { plan: 'pro', seats: 3 } });
    expect(rejectsOf(path)).toEqual([{ line: 2, reason: expect.stringContaining('$set must be an object') }]);
  });

  it('a dedupe_key gives a line the uuid that capture gives it, and needs a timestamp; limits do not apply', async () => {
    process.env.POSTHOG_LIMITS = '{"*":{"sampleRate":0}}';
    const paid = { event: 'paid', distinct_id: 'ann', timestamp: '2026-01-31T12:00:00.000Z', dedupe_key: 'evt_1' };
    const path = file([paid, paid, { ...paid, timestamp: undefined }]);
    const { answer } = await run([path]);
    delete process.env.POSTHOG_LIMITS;
    expect(answer).toMatchObject({ delivered: 2, rejected: 1 });
    expect(rejectsOf(path)).toEqual([{ line: 3, reason: expect.stringContaining('dedupe_key needs a timestamp') }]);
    const apiKey = process.env.POSTHOG_API_KEY ?? '';
    const uuid = dedupeUuid(dedupeProjectOf(apiKey), 'paid', 'ann', 'evt_1');
    expect(imports.posthog.events.map((sent) => sent.uuid)).toEqual([uuid, uuid]);
  });

  it('a group without a key is left out of its line, with a warning; epoch timestamps are read', async () => {
    const path = file([event(0, { groups: { company: '', team: 'a' }, timestamp: 1769860800 })]);
    const { answer, stderr } = await run([path]);
    expect(answer).toMatchObject({ delivered: 1, rejected: 0 });
    expect(imports.posthog.events).toMatchObject([
      { timestamp: '2026-01-31T12:00:00.000Z', properties: { $groups: { team: 'a' } } },
    ]);
    expect(stderr).toContain('line 1: group "company" was left out');
  });

  it('an event that PostHog refuses is reported with its line', async () => {
    process.env.POSTHOG_CAPTURE_MODE = 'v1';
    imports.posthog.failAlways({
      results: ({ distinct_id }) =>
        distinct_id === 'user_3' ? { result: 'drop', details: 'no such person' } : { result: 'ok' },
    });
    const path = file(Array.from({ length: 7 }, (_, index) => event(index)));
    expect((await run([path])).answer).toMatchObject({ delivered: 6, rejected: 1 });
    expect(rejectsOf(path)).toEqual([{ line: 4, reason: expect.stringContaining('no such person') }]);
  });

  it('properties named like members of Object are kept, and unreadable lines are rejected', async () => {
    const names = '{"constructor":"mclaren","toString":"x","hasOwnProperty":1,"valueOf":null}';
    const path = file([
      `{"event":"a","distinct_id":"u","properties":${names}}`,
      `{"event":"a","distinct_id":"u","properties":{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}}`,
      '{"event":"a","distinct_id":9007199254740993}',
      event(1),
    ]);
    expect((await run([path])).answer).toMatchObject({ lines: 4, error: null });
    expect(imports.posthog.events[0]!.properties).toMatchObject(JSON.parse(names) as object);
    expect(rejectsOf(path)).toContainEqual({ line: 3, reason: expect.stringContaining('write it as a string') });
  });

  it.each([[[]], [['--dry-run']]])('an omitted value causes a warning %j', async (flags) => {
    const path = file([
      event(0),
      event(1, { properties: { $set: 'nothing of this', $process_person_profile: 'false' } }),
      event(2, { distinct_id: 'null' }),
    ]);
    const { code, stderr } = await run([path, ...flags]);
    expect(code).toBe(0);
    expect(stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/warning: line 2: property "\$set" must be an object, .* it was left out$/),
      expect.stringMatching(
        /warning: line 2: property "\$process_person_profile" must be true or false, .* it was left out$/,
      ),
      expect.stringMatching(/warning: line 3: distinctId is "null", which PostHog ignores as an id/),
      'posthog-capture import: 2 lines with changed or omitted values: see the warnings',
    ]);
    expect(stderr).not.toContain('nothing of this');
  });

  it('every line with a changed value is counted, but each kind of warning is printed once', async () => {
    const path = file([
      ...Array.from({ length: 50 }, (_, index) => event(index, { properties: { $set: 'x'.repeat(index) } })),
      // A rejected line does not count as changed.
      event(0, { userId: 'u', properties: { $set: 'x', text: 'x'.repeat(950_000) } }),
      event(0, { properties: { $set_once: 5 } }),
    ]);
    const { stderr } = await run([path]);
    const warnings = stderr.split('\n').filter((line) => line.includes('warning:'));
    expect(warnings).toEqual(
      [
        'line 1: property "$set" must be',
        'line 2: property "$set" must be',
        'line 51: unknown field "userId"',
        'line 52: property "$set_once" must be',
      ].map((text) => expect.stringContaining(text)),
    );
    expect(stderr).toContain('51 lines with changed or omitted values');
  });

  it('an unknown field causes one warning', async () => {
    const path = file(Array.from({ length: 5 }, (_, index) => event(index, { userId: 'u' })));
    const { code, stderr } = await run([path]);
    expect(code).toBe(0);
    expect(stderr).toBe(
      'posthog-capture import: warning: line 1: unknown field "userId" was ignored: did you mean "distinct_id"?\n' +
        'posthog-capture import: 5 lines with changed or omitted values: see the warnings\n',
    );
  });

  it('a line that is not valid UTF-8 is rejected', async () => {
    const path = file([]);
    writeFileSync(
      path,
      Buffer.concat(
        ['Jürgen', 'Jörgen'].flatMap((distinct_id) => [
          Buffer.from(`${JSON.stringify(event(0, { distinct_id }))}\n`, 'latin1'),
          Buffer.from(`${JSON.stringify(event(0, { distinct_id }))}\n`),
        ]),
      ),
    );
    expect((await run([path])).answer).toMatchObject({ lines: 4, delivered: 2, rejected: 2 });
    expect(rejectsOf(path)).toEqual([1, 3].map((line) => ({ line, reason: 'it is not valid UTF-8' })));
    expect(imports.posthog.events.map(({ distinct_id }) => distinct_id).sort()).toEqual(['Jörgen', 'Jürgen']);
  });

  it.each([
    ['distinct_id', '{"event":"a","distinct_id":9007199254740993}'],
    ['a group key', '{"event":"a","distinct_id":"u","groups":{"company":9007199254740993}}'],
    ['properties.alias', '{"event":"$create_alias","distinct_id":"u","properties":{"alias":9007199254740993}}'],
    [
      'properties.$anon_distinct_id',
      '{"event":"$identify","distinct_id":"u","properties":{"$anon_distinct_id":-12345678901234567890}}',
    ],
    ['a group key', '{"event":"a","distinct_id":"u","properties":{"$groups":{"company":9007199254740993}}}'],
    [
      'properties.$group_key',
      '{"event":"$groupidentify","distinct_id":"u","properties":{"$group_type":"company","$group_key":9007199254740993}}',
    ],
  ])('a line is rejected if JSON.parse rounds an id: %s', async (where, line) => {
    const path = file([line, event(0)]);
    expect((await run([path])).answer).toMatchObject({ lines: 2, delivered: 1, rejected: 1 });
    expect(rejectsOf(path)).toEqual([
      { line: 1, reason: `${where} is a number that is too large for JSON: write it as a string` },
    ]);
  });

  it('a line is sent with a warning if JSON.parse rounds another number', async () => {
    const path = file([
      event(0, { properties: { order: 9007199254740991, text: '12345678901234567890' } }),
      '{"event":"a","distinct_id":"u","properties":{"order":12345678901234567890,"rate":0.12345678901234567}}',
      '{"event":"a","distinct_id":"u","properties":{"$set":{"carts":[{"order":[9007199254740993]}]}}}',
      '{"event":"a","distinct_id":"u","properties":{"order":12345678901234567891}}',
    ]);
    const { code, stderr } = await run([path]);
    expect(code).toBe(0);
    const warning = (line: number, name: string): string =>
      `posthog-capture import: warning: line ${line}: "${name}" is a number that is too large for JSON and was rounded: write it as a string`;
    expect(stderr.trimEnd().split('\n')).toEqual([
      warning(2, 'properties.order'),
      warning(3, 'properties.$set.carts.order'),
      expect.stringContaining('3 lines with changed or omitted values'),
    ]);
  });
});
