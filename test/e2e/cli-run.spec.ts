import { createServer } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { runCli } from '../../lib/cli/cli.js';
import { type FakePostHog } from '../../lib/testing/index.js';
import { ScriptedTerminal } from '../support/scripted-terminal.js';
import { KEY } from '../support/secrets.js';
import { startPatientPostHog } from '../support/patient-posthog.js';

const PAGE_VIEW = ['--event', 'page_view', '--distinct-id', 'user_123'];

let posthog: FakePostHog;
let folder: string;
const environment = { ...process.env };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'posthog-capture-cli-'));
});

beforeEach(async () => {
  posthog = await startPatientPostHog();
  for (const name of Object.keys(process.env))
    if (name.startsWith('POSTHOG_')) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, { POSTHOG_API_KEY: KEY, POSTHOG_HOST: posthog.url, POSTHOG_RETRY_BASE_MS: '1' });
});

afterEach(() => posthog.close());

afterAll(() => {
  process.env = environment;
  rmSync(folder, { recursive: true });
});

async function run(args: readonly string[], terminal = new ScriptedTerminal()) {
  const code = await runCli(['run', ...args], terminal);
  return { code, stdout: terminal.stdout, stderr: terminal.stderr };
}

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** The URL of a closed port. */
async function deadUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

describe('posthog-capture run', () => {
  it('prints only the result when PostHog accepts the event', async () => {
    expect(await run(PAGE_VIEW)).toEqual({
      code: 0,
      stdout: '{"success":true,"event":"page_view","distinct_id":"user_123","error":null}\n',
      stderr: '',
    });
    expect(posthog.events).toEqual([expect.objectContaining({ event: 'page_view', distinct_id: 'user_123' })]);
    expect(posthog.violations).toEqual([]);
  });

  it('does not use the queue of the application', async () => {
    process.env.POSTHOG_QUEUE_URL = 'redis://127.0.0.1:1';
    expect(await run(PAGE_VIEW)).toMatchObject({ code: 0, stderr: '' });
    expect(posthog.events).toHaveLength(1);
  });

  it('prints the result, the remedy on standard error, and exits with 1 when PostHog refuses the key', async () => {
    process.env.POSTHOG_API_KEY = 'phc_another_key';
    const { code, stdout, stderr } = await run(PAGE_VIEW);
    expect(stdout).toBe(
      '{"success":false,"event":"page_view","distinct_id":"user_123","error":"PostHog API error: HTTP 401"}\n',
    );
    expect(code).toBe(1);
    expect(stderr).toBe(
      'posthog-capture run: PostHog API error: HTTP 401. Remedy: check that POSTHOG_API_KEY is the project API key (phc_…) of a project at POSTHOG_HOST.\n',
    );
    expect(posthog.events).toEqual([]);
  });

  it('prints the result, each retry with the remedy on standard error, and exits with 1 when PostHog cannot be reached', async () => {
    const url = await deadUrl();
    const { code, stdout, stderr } = await run([...PAGE_VIEW, '--host', url]);
    const error = `PostHog connection error: connect ECONNREFUSED ${url.slice('http://'.length)}`;
    expect(stdout).toBe(`{"success":false,"event":"page_view","distinct_id":"user_123","error":"${error}"}\n`);
    expect(code).toBe(1);
    const [first, ...others] = stderr.trimEnd().split('\n');
    expect(first).toMatch(
      /^posthog-capture run: PostHog connection error: connect ECONNREFUSED [\d.:]+\. Remedy: check --host, and that this machine can reach it\. Retry 1 in \d+ ms\.$/,
    );
    expect(others).toEqual([
      expect.stringMatching(/^posthog-capture run: PostHog connection error: .*\. Retry 2 in \d+ ms\.$/),
      expect.stringMatching(/^posthog-capture run: PostHog connection error: .*\. Retry 3 in \d+ ms\.$/),
    ]);
  });

  it('prints a failure and its remedy at once, before the retry', async () => {
    process.env.POSTHOG_RETRY_BASE_MS = '60000';
    process.env.POSTHOG_RETRY_MAX_MS = '60000';
    posthog.failAlways({ status: 503 });
    const terminal = new ScriptedTerminal();
    const ended = run(PAGE_VIEW, terminal);
    await terminal.printedError('Retry 1 in');
    expect(terminal.stdout).toBe('');
    expect(terminal.stderr).toMatch(
      /^posthog-capture run: PostHog API error: HTTP 503\. Remedy: [^\n]+\. Retry 1 in \d+ s\.\n$/,
    );
    terminal.interrupt();
    expect((await ended).code).toBe(130);
  });

  it('prints the remedy of a single failure, and succeeds', async () => {
    posthog.fail([{ status: 503 }]);
    const { code, stdout, stderr } = await run(PAGE_VIEW);
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining('"success":true') });
    expect(stderr).toMatch(/^posthog-capture run: PostHog API error: HTTP 503\. Remedy: [^\n]+ ms\.\n$/);
  });

  it('sends an event with every flag', async () => {
    const uuid = '0190b5c7-6a2e-7cc3-9f5e-4d2a1b3c5d6e';
    const { code } = await run([
      ...PAGE_VIEW,
      '--properties={"plan":"pro","seats":3}',
      '--timestamp',
      '2026-01-31T13:00:00+01:00',
      '--uuid',
      uuid,
    ]);
    expect(code).toBe(0);
    expect(posthog.events[0]).toMatchObject({ uuid, timestamp: '2026-01-31T12:00:00.000Z' });
    expect(posthog.events[0]?.properties).toMatchObject({ plan: 'pro', seats: 3 });
  });

  it('reads the event from a file; flags override it', async () => {
    const job = { event: 'page_view', distinct_id: 'user_123', properties: { a: 1 }, groups: { company: 'acme' } };
    const path = file('job.json', `\uFEFF${JSON.stringify(job)}`);
    const { code, stdout, stderr } = await run(['--input', path, '--event', 'signed_up', '--properties', '{"b":2}']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('"event":"signed_up","distinct_id":"user_123"');
    expect(posthog.events[0]?.properties).toMatchObject({ b: 2, $groups: { company: 'acme' } });
    expect(posthog.events[0]?.properties).not.toHaveProperty('a');
  });

  it('takes $set, $set_once and $unset at the root of a job', async () => {
    const root = { $set: { plan: 'pro' }, $set_once: { first: 1 }, $unset: ['trial'] };
    const job = {
      event: 'page_view',
      distinct_id: 'user_123',
      ...root,
      properties: { $set: { plan: 'free', seats: 3 } },
    };
    const { code, stderr } = await run(['--input', file('root.json', JSON.stringify(job))]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(posthog.events[0]?.properties).toMatchObject({ ...root, $set: { plan: 'pro', seats: 3 } });
  });

  it('reads the event from standard input', async () => {
    const terminal = new ScriptedTerminal({ input: '{"event":"page_view","distinct_id":"üser"}' });
    expect((await run(['--input', '-'], terminal)).code).toBe(0);
    expect(posthog.events[0]?.distinct_id).toBe('üser');
  });

  it('lists unknown fields of a job in one warning and sends the event', async () => {
    const job = {
      event: 'page_view',
      distinct_id: 'user_123',
      userId: 7,
      colour: 'red',
      options: { cookieless: true },
    };
    const { code, stderr } = await run(['--input', file('unknown.json', JSON.stringify(job))]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^posthog-capture run: warning: [^\n]+\n$/);
    expect(stderr).toContain('"userId" was ignored: did you mean "distinct_id"?');
    expect(stderr).toContain('"colour"');
    expect(stderr).toContain('"options.cookieless"');
  });

  describe('prints one line on standard error and sends nothing for', () => {
    const COMPLETE = '{"event":"a","distinct_id":"b"}';
    it.each<[string, string[], string | RegExp, string?]>([
      ['no event', ['--distinct-id', 'u'], 'event is missing: add --event, or "event" in the file'],
      ['a blank event', ['--event', ' ', '--distinct-id', 'u'], 'event is missing: add --event'],
      ['no distinct id', ['--event', 'a'], 'distinct_id is missing: add --distinct-id, or "distinct_id" in the file'],
      ['null in the job', ['--input', '-'], 'event is missing', '{"event":null,"distinct_id":"b"}'],
      ['an unknown flag', ['--evnt', 'a'], 'unknown flag --evnt; did you mean --event?'],
      ['another unknown flag', ['--frobnicate'], /unknown flag --frobnicate; the flags are --event, --distinct-id/],
      ['an unknown short flag', ['-x'], 'unknown flag -x'],
      ['the key as a flag', ['--api-key', 'phc_x'], 'unknown flag --api-key'],
      ['a flag without value', ['--event', '--distinct-id', 'u'], '--event needs a value'],
      ['a last flag without value', ['--distinct-id', 'u', '--event'], '--event needs a value'],
      [
        'a stray argument',
        ['page_view'],
        'unexpected argument "page_view": put a flag before the value, such as --event',
      ],
      ['a file without its flag', ['ok.json'], 'unexpected argument "ok.json": did you mean --input ok.json?'],
      ['a path without its flag', ['jobs/ok'], 'unexpected argument "jobs/ok": did you mean --input jobs/ok?'],
      ['standard input without its flag', ['-'], 'unexpected argument "-": did you mean --input -?'],
      ['a second file', ['--input', 'a.json', 'b.json'], 'unexpected argument "b.json": --input takes one file'],
      [
        'properties that are not JSON',
        [...PAGE_VIEW, '--properties', '{plan:pro}'],
        '--properties is not valid JSON: ',
      ],
      [
        'properties that are not an object',
        [...PAGE_VIEW, '--properties', '[1]'],
        /--properties must be .*not an array/,
      ],
      ['an invalid timestamp', [...PAGE_VIEW, '--timestamp', 'yesterday'], 'timestamp must be'],
      ['an id that is too long', ['--event', 'a', '--distinct-id', 'x'.repeat(201)], 'distinct_id must be'],
      ['an unreadable file', ['--input', '/no/such/job.json'], /cannot read \/no\/such\/job.json: .*no such file/],
      ['a directory instead of a file', ['--input', tmpdir()], /cannot read .*directory/],
      ['an empty input', ['--input', '-'], 'standard input is empty', ' \n'],
      ['a job that is not JSON', ['--input', '-'], 'standard input is not valid JSON', '{\n"event":\n'],
      ['a job that is an array', ['--input', '-'], 'standard input must be a JSON object', `[${COMPLETE}]`],
      [
        'a job with a wrong type',
        ['--input', '-'],
        'properties must be',
        '{"event":"a","distinct_id":"b","properties":1}',
      ],
      [
        'a wrong option',
        ['--input', '-'],
        'cookieless_mode',
        '{"event":"a","distinct_id":"b","options":{"cookieless_mode":1}}',
      ],
      ['an invalid host', [...PAGE_VIEW, '--host', 'localhost:1'], /host \(POSTHOG_HOST\): got "localhost:1"/],
    ])('%s', async (_, args, message, input = '') => {
      const { code, stdout, stderr } = await run(args, new ScriptedTerminal({ input }));
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/^posthog-capture run: [^\n]+\n$/);
      expect(stderr).toEqual(
        typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message),
      );
      expect(posthog.requests).toEqual([]);
    });

    it.each([undefined, '', ' '])('a missing key: %j', async (key) => {
      if (key === undefined) delete process.env.POSTHOG_API_KEY;
      else process.env.POSTHOG_API_KEY = key;
      const { code, stdout, stderr } = await run(PAGE_VIEW);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/^posthog-capture run: POSTHOG_API_KEY is not set: [^\n]+\n$/);
    });

    it('a personal API key, without printing it', async () => {
      process.env.POSTHOG_API_KEY = 'phx_personal';
      const { code, stderr } = await run(PAGE_VIEW);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^posthog-capture run: apiKey \(POSTHOG_API_KEY\)[^\n]+\n$/);
      expect(stderr).not.toContain('phx_personal');
    });

    it('a file name with control characters, which are escaped', async () => {
      const { stderr } = await run(['--input', '/no/such/\u001b]0;owned\u0007']);
      expect(stderr).toContain('\\u001b]0;owned\\u0007');
      expect(stderr.trimEnd()).not.toMatch(/\p{Cc}/u);
    });
  });

  describe('can be interrupted', () => {
    it('while PostHog does not respond', async () => {
      posthog.failAlways({ hang: true });
      const terminal = new ScriptedTerminal();
      const ended = run(PAGE_VIEW, terminal);
      await posthog.waitForRequests(1);
      terminal.interrupt();
      const { code, stdout } = await ended;
      expect(code).toBe(130);
      expect(JSON.parse(stdout)).toMatchObject({ success: false, event: 'page_view' });
    });

    it('while standard input is open', async () => {
      const terminal = new ScriptedTerminal({ input: null });
      const ended = run(['--input', '-'], terminal);
      terminal.interrupt();
      expect(await ended).toEqual({ code: 130, stdout: '', stderr: '' });
    });
  });
});

describe('posthog-capture', () => {
  it.each([
    [['--help'], 0],
    [['-h'], 0],
    [['run', '--help'], 0],
    [['run', '--event', 'a', '-h'], 0],
    [['listen', '--help'], 0],
  ])('prints help for %j on standard output', async (args, expected) => {
    const terminal = new ScriptedTerminal();
    expect(await runCli(args, terminal)).toBe(expected);
    expect(terminal.stdout).toContain('Usage: posthog-capture');
    expect(terminal.stderr).toBe('');
  });

  it('prints help on standard error without arguments', async () => {
    const terminal = new ScriptedTerminal();
    expect(await runCli([], terminal)).toBe(2);
    expect(terminal.stdout).toBe('');
    expect(terminal.stderr).toContain('Usage: posthog-capture');
  });

  it('prints its version', async () => {
    const terminal = new ScriptedTerminal();
    expect(await runCli(['--version'], terminal)).toBe(0);
    expect(terminal.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    ['lisen', 'unknown command "lisen"; did you mean listen?'],
    ['rum', 'unknown command "rum"; did you mean run?'],
    ['--event', 'unknown command "--event"; the commands are run, import, listen'],
    ['\u001b[31m', 'unknown command "\\u001b[31m"'],
  ])('suggests a command for %j', async (name, message) => {
    const terminal = new ScriptedTerminal();
    expect(await runCli([name], terminal)).toBe(2);
    expect(terminal.stderr).toContain(message);
    expect(terminal.stderr).toMatch(/^[^\n]+\n$/);
    expect(terminal.stdout).toBe('');
  });
});
