import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { listenCommand } from '../../lib/cli/listen.command.js';
import { runCommand } from '../../lib/cli/run.command.js';
import { type Terminal, UsageError } from '../../lib/cli/terminal.js';

const KEY = 'phc_cli_key';
let posthog: FakePostHog;

beforeEach(async () => {
  posthog = await FakePostHog.start({ apiKey: KEY });
  process.env.POSTHOG_API_KEY = KEY;
  process.env.POSTHOG_HOST = posthog.url;
  process.env.POSTHOG_MAX_RETRIES = '0';
});

afterEach(async () => {
  for (const name of ['API_KEY', 'HOST', 'MAX_RETRIES']) Reflect.deleteProperty(process.env, `POSTHOG_${name}`);
  await posthog.close();
});

function terminal(stdin = ''): Terminal & { written: string[]; errors: string[] } {
  const written: string[] = [];
  const errors: string[] = [];
  async function* input(): AsyncGenerator<string> {
    yield await Promise.resolve(stdin);
  }
  return { stdin: input(), out: (text) => written.push(text), err: (text) => errors.push(text), written, errors };
}

const EVENT = ['--event', 'page_view', '--distinct-id', 'user_123'];

it('answers exactly on success, with code 0', async () => {
  const t = terminal();
  expect(await runCommand([...EVENT, '--properties', '{"a":1}', '--timestamp', '2026-01-31T12:00:00Z'], t)).toBe(0);
  expect(t.written).toEqual(['{"success":true,"event":"page_view","distinct_id":"user_123","error":null}']);
  expect(t.errors).toEqual([]);
  expect(posthog.events).toMatchObject([
    { event: 'page_view', timestamp: '2026-01-31T12:00:00Z', properties: { a: 1 } },
  ]);
});

it('answers exactly for a refused key, with code 1', async () => {
  process.env.POSTHOG_API_KEY = 'phc_wrong';
  const t = terminal();
  expect(await runCommand(EVENT, t)).toBe(1);
  expect(t.written).toEqual([
    '{"success":false,"event":"page_view","distinct_id":"user_123","error":"PostHog API error: HTTP 401"}',
  ]);
});

it('answers for a PostHog that is not there, with code 1', async () => {
  await posthog.close();
  const t = terminal();
  expect(await runCommand(EVENT, t)).toBe(1);
  expect(t.written).toEqual([
    expect.stringMatching(
      /^\{"success":false,"event":"page_view","distinct_id":"user_123","error":"PostHog connection error: .*ECONNREFUSED/,
    ),
  ]);
});

it('reads a file or standard input, and flags win', async () => {
  const job = { event: 'from_file', distinct_id: 'user_123', properties: { a: 1 }, colour: 'red' };
  const file = join(mkdtempSync(join(tmpdir(), 'job-')), 'job.json');
  writeFileSync(file, JSON.stringify(job));
  const t = terminal();
  expect(await runCommand(['--input', file, '--event', 'from_flag'], t)).toBe(0);
  expect(t.errors).toEqual([expect.stringContaining('colour')]);
  expect(await runCommand(['--input', '-'], terminal(JSON.stringify(job)))).toBe(0);
  expect(posthog.events.map(({ event }) => event)).toEqual(['from_flag', 'from_file']);
});

it.each<[string, string[], RegExp]>([
  ['no event', ['--distinct-id', 'a'], /^event is missing.*--event/],
  ['no distinct id', ['--event', 'a'], /^distinct_id is missing.*--distinct-id/],
  ['bad JSON', [...EVENT, '--properties', '{'], /^--properties is not JSON/],
  ['properties that are a list', [...EVENT, '--properties', '[]'], /^--properties must be a JSON object/],
  ['a bad timestamp', [...EVENT, '--timestamp', 'yesterday'], /^timestamp must be/],
  ['a blank event', ['--event', ' ', '--distinct-id', 'a'], /^event must be/],
  ['an unknown flag', ['--evnt', 'a'], /--evnt/],
  ['a file that is not there', ['--input', '/nowhere/job.json'], /^--input: .*ENOENT/],
])('says in one line what is wrong: %s', async (_, args, message) => {
  const failure = await runCommand(args, terminal()).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(UsageError);
  expect((failure as Error).message).toMatch(message);
  expect((failure as Error).message).not.toContain('\n');
});

it('says in one line that the key is missing', async () => {
  Reflect.deleteProperty(process.env, 'POSTHOG_API_KEY');
  await expect(runCommand(EVENT, terminal())).rejects.toThrow(/POSTHOG_API_KEY/);
});

it('listen prints events as they arrive, harmless to a terminal', async () => {
  let stop = (): void => undefined;
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  const t = terminal();
  const listening = listenCommand(['--port', '0'], t, stopped);
  let url: string | undefined;
  while (url === undefined) {
    await new Promise((resolve) => setImmediate(resolve));
    url = /http:\S+/.exec(t.written.join('\n'))?.[0];
  }
  process.env.POSTHOG_HOST = url;
  expect(await runCommand(['--event', 'red\u001b[31m', '--distinct-id', 'a'], terminal())).toBe(0);
  stop();
  expect(await listening).toBe(0);
  expect(t.written.join('\n')).toContain('red\uFFFD[31m');
  expect(t.written.join('\n')).not.toContain('\u001b');
});
