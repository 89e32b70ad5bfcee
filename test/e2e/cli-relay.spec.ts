import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { NestFactory } from '@nestjs/core';
import { CaptureService, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { runCli } from '../../lib/cli/cli.js';
import { captureMany, closeAll, KEY, startPostHog, watchedOptions } from '../support/harness.js';
import { describeWithRedis, freePort, type RedisServer, startRedis } from '../support/redis-server.js';
import { ScriptedTerminal } from '../support/scripted-terminal.js';

const environment = { ...process.env };
beforeEach(() => {
  delete process.env.POSTHOG_QUEUE_URL;
  delete process.env.POSTHOG_OUTBOX_URL;
  process.env.POSTHOG_API_KEY = KEY;
});
afterEach(async () => {
  await closeAll();
  process.env = { ...environment };
});

it.each<[string, string[], Record<string, string>, string]>([
  [
    'without a queue',
    [],
    {},
    'the queue is missing: set POSTHOG_QUEUE_URL=redis://…, or add --queue; for an outbox, set POSTHOG_OUTBOX_URL',
  ],
  [
    'with another URL',
    ['--queue', 'http://me:secret@redis'],
    {},
    'cannot use the queue "http://***@redis": queue: connection: expected a URL',
  ],
  [
    'with another URL of an outbox',
    ['--outbox', 'oracle://me:secret@db/shop'],
    {},
    'cannot use the outbox "oracle://***@db/shop": expected a URL that starts with postgres:// or mysql://',
  ],
  [
    'with a table alone',
    ['--queue', 'redis://redis', '--outbox-table', 'a'],
    {},
    '--outbox-table names a table: add --outbox',
  ],
  [
    'with a project of an outbox',
    ['--outbox', 'mysql://db', '--project', 'a'],
    {},
    '--project names the project in a queue',
  ],
  ['with a wrong project', ['--queue', 'redis://redis', '--project', 'a b'], {}, 'project: expected 1 to 64 letters'],
  ['with a wrong port', ['--health-port', 'x'], {}, '--health-port must be a number from 0 to 65535, not "x"'],
  ['without a key', ['--queue', 'redis://127.0.0.1:1'], { POSTHOG_API_KEY: '' }, 'POSTHOG_API_KEY is not set'],
  [
    'with an unknown flag',
    ['--que', 'x'],
    {},
    'unknown flag --que; the flags are --queue, --outbox, --outbox-table, --project, --health-port',
  ],
])('%s it explains the mistake and returns 2', async (_what, flags, variables, problem) => {
  Object.assign(process.env, variables);
  const terminal = new ScriptedTerminal();
  expect(await runCli(['relay', ...flags], terminal)).toBe(2);
  expect(terminal.stderr).toContain(`posthog-capture relay: `);
  expect(terminal.stderr).toContain(problem);
  expect(terminal.stdout).toBe('');
});

it('has a help', async () => {
  const terminal = new ScriptedTerminal();
  expect(await runCli(['relay', '--help'], terminal)).toBe(0);
  expect(terminal.stdout).toContain('--health-port PORT');
});

describeWithRedis('posthog-capture relay', () => {
  let redis: RedisServer;
  let url: string;
  let posthog: FakePostHog;
  beforeAll(async () => {
    const port = await freePort();
    redis = await startRedis('--save', '', '--port', String(port), '--bind', '127.0.0.1');
    url = `redis://127.0.0.1:${port}`;
  });
  beforeEach(async () => {
    posthog = await startPostHog();
    Object.assign(process.env, { POSTHOG_HOST: posthog.url, POSTHOG_QUEUE_URL: url });
  });
  afterAll(() => redis.stop());

  it('sends what a pod with POSTHOG_QUEUE_URL alone has captured, serves its health, and ends with 0', async () => {
    const { logger } = watchedOptions({}, []);
    const pod = await NestFactory.createApplicationContext(PostHogCaptureModule.forRoot({ logger }), { logger: false });
    captureMany(pod.get(CaptureService), 20, 4);
    await pod.close();
    expect(posthog.requests).toEqual([]);

    const terminal = new ScriptedTerminal();
    const ended = runCli(['relay', '--health-port', '0'], terminal);
    await posthog.waitFor(() => posthog.rows.length === 20);
    await terminal.printed('/ready');
    expect(terminal.stdout).toMatch(
      /^Relay started: it takes events from "redis:\/\/127\.0\.0\.1:\d+" and sends them to PostHog\./,
    );
    const [, port] = /localhost:(\d+)/.exec(terminal.stdout) ?? [];
    const get = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return { code: response.status, body: (await response.json()) as object };
    };
    expect(await get('/live')).toEqual({ code: 200, body: { status: 'up' } });
    const ready = await get('/ready');
    expect(ready).toMatchObject({
      code: 200,
      body: { status: 'up', recovered: 20, dropped: 0, queue: { state: 'ok' } },
    });
    expect(JSON.stringify(ready)).not.toContain('person_');
    expect(JSON.stringify(ready)).not.toContain(KEY);
    expect((await get('/')).code).toBe(404);
    terminal.interrupt();
    expect(await ended).toBe(0);
    expect(posthog.rows).toHaveLength(20);
    expect(posthog.duplicates).toEqual([]);
    await expect(fetch(`http://127.0.0.1:${port}/live`)).rejects.toThrow();
  });

  it('is not ready while PostHog refuses the key', async () => {
    const terminal = new ScriptedTerminal();
    process.env.POSTHOG_API_KEY = 'phc_wrong';
    const pod = await NestFactory.createApplicationContext(PostHogCaptureModule.forRoot(), { logger: false });
    captureMany(pod.get(CaptureService), 1);
    await pod.close();
    const ended = runCli(['relay', '--health-port', '0'], terminal);
    await terminal.printedError('HTTP 401');
    const [, port] = /localhost:(\d+)/.exec(terminal.stdout) ?? [];
    const response = await fetch(`http://127.0.0.1:${port}/ready`);
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      status: 'down',
      problems: [{ message: 'PostHog API error: HTTP 401' }],
    });
    terminal.interrupt();
    expect(await ended).toBe(0);
  });
});
