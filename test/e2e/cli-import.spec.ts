import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { runCli } from '../../lib/cli/cli.js';
import { FakePostHog } from '../../lib/testing/index.js';
import { event, rejectsOf, runImport as run, useImports } from '../support/imports.js';
import { ScriptedTerminal } from '../support/scripted-terminal.js';
import { KEY } from '../support/secrets.js';

const imports = useImports();
const { file } = imports;

/** A file of 40 events of which the first 10 are delivered. */
async function interruptedImport({ flags = [], more = {} }: { flags?: readonly string[]; more?: object } = {}) {
  process.env.POSTHOG_MAX_BATCH_EVENTS = '10';
  process.env.POSTHOG_CONCURRENCY = '1';
  process.env.POSTHOG_SHUTDOWN_TIMEOUT_MS = '50';
  const path = file(Array.from({ length: 40 }, () => event(0, more)));
  const terminal = new ScriptedTerminal();
  imports.posthog.failWhen(({ index }) => (index < 1 ? null : { hang: true }));
  const interrupted = run([path, ...flags], terminal);
  await imports.posthog.waitForRequests(2);
  terminal.interrupt();
  expect(await interrupted).toMatchObject({ code: 130, answer: { delivered: 10 } });
  imports.posthog.failWhen(null);
  delete process.env.POSTHOG_SHUTDOWN_TIMEOUT_MS;
  return path;
}

describe('posthog-capture import', () => {
  it('sends every line once, with all its fields', async () => {
    const path = file([
      `\uFEFF${JSON.stringify(event(0, { groups: { company: 'acme' } }))}`,
      '',
      `${JSON.stringify(event(1, { uuid: '0190B5C7-6A2E-7CC3-9F5E-4D2A1B3C5D6E' }))}\r`,
      event(2, { timestamp: undefined }),
    ]);
    writeFileSync(path, readFileSync(path, 'utf8').trimEnd());
    expect(await run([path])).toEqual({
      code: 0,
      answer: { success: true, lines: 4, delivered: 3, rejected: 0, error: null },
      stderr: '',
    });
    expect(imports.posthog.violations).toEqual([]);
    expect(imports.posthog.events.map(({ properties }) => properties.index).sort()).toEqual([0, 1, 2]);
    const [first, second] = imports.posthog.events;
    expect(first).toMatchObject({
      event: 'page_view',
      distinct_id: 'user_0',
      timestamp: '2026-01-31T12:00:00.000Z',
      properties: { $groups: { company: 'acme' } },
    });
    expect(second!.uuid).toBe('0190b5c7-6a2e-7cc3-9f5e-4d2a1b3c5d6e');
    expect(existsSync(`${path}.import-state.json`)).toBe(false);
    expect(existsSync(`${path}.rejects.ndjson`)).toBe(false);
  });

  it('stores each line once when a corrected file is imported again', async () => {
    const good = Array.from({ length: 20 }, (_, index) => event(index));
    await run([file(['x', ...good, 'y'])]);
    expect((await run([file([event(0), ...good, event(1), event(2)], 'corrected.ndjson')])).code).toBe(0);
    expect(imports.posthog.rows).toHaveLength(23);
  });

  it('sends an AI event that is larger than maxEventBytes to the endpoint for AI events', async () => {
    const large = { event: '$ai_generation', properties: { index: 1, $ai_input: 'x'.repeat(1024 * 1024) } };
    const answer = { success: true, lines: 2, delivered: 2, rejected: 0, error: null };
    expect(await run([file([event(0), event(1, large)])])).toMatchObject({ code: 0, answer });
    expect(imports.posthog.events.map(({ event: name, endpoint }) => [name, endpoint]).sort()).toEqual([
      ['$ai_generation', 'ai'],
      ['page_view', 'analytics'],
    ]);
  });

  it('overrides the $lib properties of a line and keeps its $geoip_disable', async () => {
    const place = { $geoip_disable: false };
    const library = { $lib: 'web', $lib_version: '1.2.3', $is_server: false };
    await run([file([event(0, { properties: { ...library, ...place } }), event(1)])]);
    const [first, second] = imports.posthog.events.map(({ properties }) => properties);
    expect(first).toMatchObject({ $lib: 'nestjs-posthog-capture', $is_server: true, ...place });
    expect(first!.$lib_version).not.toBe('1.2.3');
    expect(second).toMatchObject({ $lib: 'nestjs-posthog-capture', $is_server: true, $geoip_disable: true });
  });

  it('sends past the queue of the application', async () => {
    process.env.POSTHOG_QUEUE_URL = 'redis://127.0.0.1:1';
    expect(await run([file([event(0)])])).toMatchObject({ code: 0, answer: { delivered: 1 }, stderr: '' });
  });

  it('sets historical_migration only with --historical-migration', async () => {
    const path = file([event(0)]);
    await run([path]);
    await run([path, '--historical-migration']);
    expect(
      imports.posthog.requests.map(({ json }) => (json as { historical_migration?: true }).historical_migration),
    ).toEqual([undefined, true]);
  });

  it('stores each line once when a file is imported twice', async () => {
    const path = file(Array.from({ length: 20 }, () => event(1)));
    await run([path]);
    expect((await run([path])).code).toBe(0);
    expect(imports.posthog.events).toHaveLength(40);
    expect(imports.posthog.rows).toHaveLength(20);
  });

  it('loses no large event while PostHog is slow', async () => {
    process.env.POSTHOG_MAX_QUEUE_BYTES = '200000';
    imports.posthog.failAlways({ delayMs: 20 });
    const path = file(
      Array.from({ length: 100 }, (_, index) => event(index, { properties: { x: 'x'.repeat(10_000) } })),
    );
    expect((await run([path])).answer).toMatchObject({ success: true, delivered: 100 });
  });

  it('resumes only with the same project, and keeps --historical-migration', async () => {
    const path = await interruptedImport({ flags: ['--historical-migration'] });
    const other = await FakePostHog.start({ apiKey: KEY });
    expect(await run([path, '--resume', '--host', other.url])).toMatchObject({ code: 2 });
    await other.close();
    expect(await run([path, '--resume'])).toMatchObject({ code: 0, answer: { delivered: 40 } });
    expect((imports.posthog.requests.at(-1)!.json as { historical_migration?: true }).historical_migration).toBe(true);
  });

  it('refuses to add --historical-migration on --resume', async () => {
    const path = await interruptedImport();
    const { code, stderr } = await run([path, '--resume', '--historical-migration']);
    expect(code).toBe(2);
    expect(stderr).toContain('started without --historical-migration');
    expect(await run([path, '--resume'])).toMatchObject({ code: 0, answer: { delivered: 40 } });
    expect(imports.posthog.requests.map(({ json }) => json)).not.toContainEqual(
      expect.objectContaining({ historical_migration: true }),
    );
  });

  it('recognizes the project from a .env file as well', async () => {
    const settings = (key: string): void =>
      writeFileSync(join(imports.folder, '.env'), `POSTHOG_API_KEY=${key}\nPOSTHOG_HOST=${imports.posthog.url}\n`);
    const before = process.cwd();
    process.chdir(imports.folder);
    try {
      for (const name of ['POSTHOG_API_KEY', 'POSTHOG_HOST']) Reflect.deleteProperty(process.env, name);
      settings(KEY);
      const path = await interruptedImport();
      for (const name of ['POSTHOG_API_KEY', 'POSTHOG_HOST']) Reflect.deleteProperty(process.env, name);
      settings('phc_of_another_project');
      const { code, stderr } = await run([path, '--resume']);
      expect(code).toBe(2);
      expect(stderr).toContain('started with another API key or host');
      for (const name of ['POSTHOG_API_KEY', 'POSTHOG_HOST']) Reflect.deleteProperty(process.env, name);
      settings(KEY);
      expect(await run([path, '--resume'])).toMatchObject({ code: 0, answer: { delivered: 40 } });
    } finally {
      process.chdir(before);
    }
  });

  it.each(['.', 'events.ndjson', 'nowhere/rejects.ndjson'])('refuses to write the report to %s', async (rejects) => {
    const path = file([event(0), 'x']);
    expect(await run([path, '--rejects', join(imports.folder, rejects)])).toMatchObject({ code: 2 });
    expect(readFileSync(path, 'utf8')).toContain('page_view');
    expect(imports.posthog.requests).toEqual([]);
  });

  it.each([[[]], [['--resume']], [['--dry-run']]])(
    'refuses to overwrite a file that is not a report %j',
    async (flags) => {
      const path = flags.includes('--resume') ? await interruptedImport() : file([event(0), 'x']);
      const other = file([event(1)], 'other.ndjson');
      const before = imports.posthog.requests.length;
      const { code, stderr } = await run([path, '--rejects', other, ...flags]);
      expect(code).toBe(2);
      expect(stderr).toContain(`${other} exists and is not a report of rejected lines`);
      expect(stderr).toContain('choose another file with --rejects');
      expect(readFileSync(other, 'utf8')).toBe(`${JSON.stringify(event(1))}\n`);
      expect(imports.posthog.requests).toHaveLength(before);
      expect(existsSync(`${path}.import-state.json`)).toBe(flags.includes('--resume'));
    },
  );

  it('overwrites the report of an earlier import', async () => {
    const path = file(['x', event(0), 'y']);
    await run([path]);
    file([event(1), 'y']);
    await run([path]);
    expect(rejectsOf(path)).toEqual([{ line: 2, reason: 'it is not valid JSON' }]);
  });

  it('exits with 2 when capturing is disabled', async () => {
    process.env.POSTHOG_ENABLED = 'false';
    const { code, stderr } = await run([file([event(0)])]);
    expect(code).toBe(2);
    expect(stderr).toContain('POSTHOG_ENABLED is false');
  });

  it('checks every line in a dry run, without a key and without PostHog', async () => {
    Reflect.deleteProperty(process.env, 'POSTHOG_API_KEY');
    const path = file([event(0), 'x', event(1)]);
    const { code, answer } = await run([path, '--dry-run']);
    expect({ code, answer }).toEqual({
      code: 1,
      answer: { success: false, lines: 3, delivered: 0, rejected: 1, error: null },
    });
    expect(rejectsOf(`${path}.dry-run`)).toEqual([{ line: 2, reason: 'it is not valid JSON' }]);
    expect(imports.posthog.requests).toEqual([]);
    expect(existsSync(`${path}.import-state.json`)).toBe(false);
  });

  it('delivers every line despite failing requests', async () => {
    let request = 0;
    imports.posthog.failWhen(() =>
      (request += 1) % 3 === 0 ? { status: 503 } : request % 3 === 1 ? null : { reset: 'after' },
    );
    process.env.POSTHOG_MAX_BATCH_EVENTS = '50';
    process.env.POSTHOG_COOL_DOWN_MS = '1';
    const path = file(Array.from({ length: 2000 }, (_, index) => event(index)));
    expect((await run([path, '--concurrency', '2'])).answer).toMatchObject({ success: true, delivered: 2000 });
    expect(imports.posthog.rows).toHaveLength(2000);
  });

  it('stops when PostHog refuses the key, and continues with --resume and the right key', async () => {
    const path = file(Array.from({ length: 30 }, (_, index) => event(index)));
    process.env.POSTHOG_API_KEY = 'phc_another_key';
    const { code, answer, stderr } = await run([path]);
    expect(code).toBe(1);
    expect(answer).toMatchObject({ success: false, delivered: 0, error: 'PostHog API error: HTTP 401' });
    expect(stderr).toContain('; continue with --resume');
    process.env.POSTHOG_API_KEY = KEY;
    expect((await run([path])).code).toBe(2);
    expect(imports.posthog.events).toEqual([]);
    expect(await run([path, '--resume'])).toMatchObject({ code: 0, answer: { delivered: 30, lines: 30 } });
    expect(imports.posthog.rows).toHaveLength(30);
  });

  it('stops when the project is over its quota, rejects nothing, and continues with --resume', async () => {
    process.env.POSTHOG_MAX_BATCH_EVENTS = '10';
    const path = file(Array.from({ length: 40 }, (_, index) => event(index)));
    imports.posthog.failWhen(({ index }) => (index < 1 ? null : { status: 402 }));
    const { code, answer, stderr } = await run([path, '--concurrency', '1']);
    expect(code).toBe(1);
    expect(answer).toEqual({
      success: false,
      lines: 10,
      delivered: 10,
      rejected: 0,
      error: expect.stringMatching(/^PostHog API error: HTTP 402: the project is over its quota/),
    });
    expect(stderr).toBe('posthog-capture import: processed up to line 10; continue with --resume\n');
    expect(existsSync(`${path}.rejects.ndjson`)).toBe(false);
    imports.posthog.failWhen(null);
    expect(await run([path, '--resume'])).toMatchObject({ code: 0, answer: { delivered: 40, lines: 40 } });
    expect(imports.posthog.rows).toHaveLength(40);
  });

  it('stops reading when the project is over its quota', async () => {
    process.env.POSTHOG_MAX_BATCH_EVENTS = '500';
    imports.posthog.failAlways({ status: 402 });
    const path = file(Array.from({ length: 30_000 }, (_, index) => event(index)));
    expect(await run([path])).toMatchObject({ code: 1, answer: { lines: 0, delivered: 0, rejected: 0 } });
    // The lines that were read ahead, not the whole file: 60 requests.
    expect(imports.posthog.requests.length).toBeLessThanOrEqual(40);
  });

  it('continues after an interruption and keeps the report', async () => {
    process.env.POSTHOG_MAX_BATCH_EVENTS = '10';
    process.env.POSTHOG_CONCURRENCY = '1';
    process.env.POSTHOG_SHUTDOWN_TIMEOUT_MS = '50';
    const path = file(
      Array.from({ length: 60 }, (_, index) =>
        index === 4 || index === 44 ? 'x' : event(0, { properties: { index } }),
      ),
    );
    const terminal = new ScriptedTerminal();
    imports.posthog.failWhen(({ index }) => (index < 3 ? null : { hang: true }));
    const interrupted = run([path], terminal);
    await imports.posthog.waitForRequests(4);
    terminal.interrupt();
    const { code, answer, stderr } = await interrupted;
    expect(code).toBe(130);
    // No warning says that events were lost.
    expect(stderr).toBe(
      `posthog-capture import: 1 line rejected: see ${path}.rejects.ndjson for line numbers and reasons\n` +
        'posthog-capture import: processed up to line 31; continue with --resume\n',
    );
    expect(answer).toMatchObject({ success: false, lines: 31, delivered: 30, error: 'interrupted' });
    imports.posthog.failWhen(null);
    delete process.env.POSTHOG_SHUTDOWN_TIMEOUT_MS;
    expect(await run([path, '--resume'])).toMatchObject({ code: 1, answer: { lines: 60, delivered: 58, rejected: 2 } });
    expect(rejectsOf(path).map((reject) => (reject as { line: number }).line)).toEqual([5, 45]);
    expect(imports.posthog.events).toHaveLength(58);
    expect(existsSync(`${path}.import-state.json`)).toBe(false);
  });

  it('keeps the number of changed lines over an interruption', async () => {
    const changed = await interruptedImport({ more: { userId: 'u' } });
    expect((await run([changed, '--resume'])).stderr).toContain('40 lines with changed or omitted values');
  });

  it('resumes from a state file without this number', async () => {
    const path = await interruptedImport();
    const { changed, ...state } = JSON.parse(readFileSync(`${path}.import-state.json`, 'utf8')) as { changed: number };
    expect(changed).toBe(0);
    writeFileSync(`${path}.import-state.json`, JSON.stringify(state));
    expect(await run([path, '--resume'])).toMatchObject({ code: 0, answer: { delivered: 40 } });
  });

  it('warns when there is no state file to resume from', async () => {
    const path = file([event(0)]);
    const { code, answer, stderr } = await run([path, '--resume']);
    expect(code).toBe(0);
    expect(answer).toMatchObject({ lines: 1, delivered: 1 });
    expect(stderr).toBe(
      `posthog-capture import: warning: ${path}.import-state.json does not exist, so --resume starts at line 1\n`,
    );
  });

  it('refuses to resume in a file that has changed', async () => {
    const path = file([event(0), event(1)]);
    process.env.POSTHOG_API_KEY = 'phc_another_key';
    await run([path]);
    const state = JSON.parse(readFileSync(`${path}.import-state.json`, 'utf8')) as object;
    writeFileSync(`${path}.import-state.json`, JSON.stringify({ ...state, end: 20 }));
    const { code, stderr } = await run([path, '--resume']);
    expect(code).toBe(2);
    expect(stderr).toContain('has changed: delete it to start over');
  });

  it('reads standard input', async () => {
    const terminal = new ScriptedTerminal({
      input: [0, 1, 2].map((index) => `${JSON.stringify(event(index))}\n`).join(''),
    });
    expect((await run(['-'], terminal)).answer).toMatchObject({ success: true, delivered: 3 });
  });

  it('shows the progress on one line of a terminal', async () => {
    const terminal = new ScriptedTerminal({ interactive: true });
    await run([file(Array.from({ length: 50 }, (_, index) => event(index)))], terminal);
    expect(terminal.stderr.split('\r').at(-1)).toMatch(/^\[#{24}\] 100 % {2}50 lines {2}\d+\/s {2}0 s left/);
  });

  it.each([
    [[], 'the file name is missing'],
    [['nowhere.ndjson'], 'cannot read nowhere.ndjson'],
    [['.'], '. is not a file'],
    [['-', '--resume'], '--resume needs a file'],
    [['x', '--dry-run', '--resume'], 'remove --resume'],
    [['x', '--concurrency', '0'], '--concurrency must be a whole number of at least 1'],
    [['x', '--dry-run=yes'], '--dry-run takes no value'],
    [['x', 'y'], 'unexpected argument "y"'],
    [['x', '--historic-migration'], 'did you mean --historical-migration?'],
  ])('exits with 2 for %j', async (args, problem) => {
    const terminal = new ScriptedTerminal();
    expect(await runCli(['import', ...args], terminal)).toBe(2);
    expect(terminal.stderr).toContain(problem);
    expect(terminal.stdout).toBe('');
  });
});
