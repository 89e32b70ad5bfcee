import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type CaptureStats } from 'nestjs-posthog-capture';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { Children } from '../support/children.js';
import { type CompiledLib, compileLib } from '../support/compiled-lib.js';
import { KEY } from '../support/harness.js';
import { startPatientPostHog } from '../support/patient-posthog.js';

let lib: CompiledLib;
let posthog: FakePostHog;
let children: Children;
let path = '';

beforeAll(async () => {
  lib = await compileLib();
});
afterAll(() => lib.remove());
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'posthog-process-'));
  posthog = await startPatientPostHog({ maxRemembered: 1_000_000 });
  children = new Children();
});
afterEach(async () => {
  children.killAll();
  await posthog.close();
  await rm(path, { recursive: true, force: true });
});

const uuids = (): string[] => posthog.rows.map(({ uuid }) => uuid).sort();

describe('SIGTERM during a request', () => {
  it.each([
    ['waits for the response', { delayMs: 300 }],
    ['retries a refused batch', { status: 503, delayMs: 100 }],
    ['retries an interrupted batch', { reset: 'before', delayMs: 100 }],
  ] as const)('%s, and sends the rest', async (_, fault) => {
    posthog.fail([fault, fault]);
    const options = { host: posthog.url };
    const child = children.start({ lib, task: 'capture', options });
    await posthog.waitForRequests(1);
    child.process.kill('SIGTERM');
    await child.ended;
    expect(child.process.signalCode).toBe('SIGTERM');
    expect(child.dropped()).toEqual([]);
    expect(uuids()).toEqual(child.captured().sort());
    expect(posthog.violations).toEqual([]);
  });

  it('gives up at shutdownTimeoutMs without a response, and reports the lost events', async () => {
    posthog.failAlways({ hang: true });
    const options = { host: posthog.url, shutdownTimeoutMs: 500 };
    const child = children.start({ lib, task: 'capture', options });
    await posthog.waitForRequests(1);
    const told = performance.now();
    child.process.kill('SIGTERM');
    await child.ended;
    // Far less than the time limit of the request.
    expect(performance.now() - told).toBeLessThan(30_000);
    expect(child.dropped().sort()).toEqual(child.captured().sort());
    expect(child.warnings.join('\n')).toMatch(/Shut down: 0 events were delivered, \d+ were lost\./);
  });

  it('leaves events without a response in the store, and the next process sends them', async () => {
    posthog.failAlways({ hang: true });
    const options = { host: posthog.url, shutdownTimeoutMs: 500, storeOptions: { path } };
    const child = children.start({ lib, task: 'capture', options });
    await posthog.waitForRequests(1);
    child.process.kill('SIGTERM');
    await child.ended;
    expect(child.dropped()).toEqual([]);
    expect(child.warnings.join('\n')).toMatch(/\d+ remain in the store for the next start, 0 were lost/);
    posthog.failAlways(null);
    await children.start({ lib, task: 'drain', options }).ended;
    expect(uuids()).toEqual(child.captured().sort());
  });
});

it('bounds memory during an outage', async () => {
  // The heap is too small for all events of about 600 bytes; the application needs 30 MB.
  const [flood, maxQueueEvents] = [150_000, 25_000];
  const options = { host: 'http://127.0.0.1:9', flood, maxQueueEvents, shutdownTimeoutMs: 0 };
  const child = children.start({ lib, task: 'flood', options, nodeFlags: ['--max-old-space-size=70'] });
  await child.ended;
  expect(child.process.exitCode).toBe(0);
  const stats = JSON.parse(child.lines[0] ?? 'null') as CaptureStats;
  expect(stats).toMatchObject({
    captured: flood,
    pending: maxQueueEvents,
    droppedByReason: { queue_full: flood - maxQueueEvents },
  });
});

/** A heap that is far too small for the usual 100 000 events and 64 MiB. */
const SMALL_HEAP = ['--max-old-space-size=64'];

it.each<[string, number, string]>([
  ['small events', 60_000, ''],
  ['events of two bytes per character', 10_000, `漢${'x'.repeat(4000)}`],
])('the default bounds follow a small heap: an outage with %s does not fill it', async (_, flood, text) => {
  const options = { host: 'http://127.0.0.1:9', flood, text, shutdownTimeoutMs: 0 };
  const child = children.start({ lib, task: 'flood', options, nodeFlags: SMALL_HEAP });
  await child.ended;
  expect(child.process.exitCode).toBe(0);
  const stats = JSON.parse(child.lines[0] ?? 'null') as CaptureStats;
  const { pending, limits, droppedByReason } = stats;
  expect(limits!.maxQueueEvents).toBeLessThan(20_000);
  expect(limits!.maxQueueBytes).toBeLessThan(16 * 1024 * 1024);
  expect(pending).toBeLessThan(flood);
  expect(droppedByReason).toEqual({ queue_full: flood - pending });
  const said = child.warnings.filter((line) => line.startsWith('The heap of this process is limited to '));
  expect(said).toEqual([expect.stringContaining(`maxQueueEvents is ${limits!.maxQueueEvents} instead of 100000`)]);
});

/** Runs a program in a process of its own, which must end without a call of `app.close()`. */
async function runToEnd(program: string): Promise<void> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit', cwd: lib.path });
  const [code] = (await once(child, 'exit')) as [number];
  expect(code).toBe(0);
}

describe('a process with a secret key and nothing to do', () => {
  it('ends, with a client of posthog-node', async () => {
    await runToEnd(`
      const { NestFactory } = await import('@nestjs/core');
      const { PostHogCaptureModule } = await import('${lib.path}/index.js');
      const { PostHogNodeModule } = await import('${lib.path}/posthog-node/index.js');
      const { PostHog } = await import('posthog-node');
      class AppModule {}
      const imports = [
        PostHogCaptureModule.forRoot({ apiKey: '${KEY}', host: '${posthog.url}' }),
        PostHogNodeModule.forRoot({ options: { secretKey: 'phs_test' } }),
      ];
      const app = await NestFactory.createApplicationContext({ module: AppModule, imports }, { logger: false });
      app.get(PostHog).capture({ event: 'e', distinctId: 'd' });
    `);
    expect(posthog.events).toMatchObject([{ event: 'e', distinct_id: 'd' }]);
  });

  it('ends, with feature flags', async () => {
    posthog.flags.set({ on: true });
    await runToEnd(`
      const { NestFactory } = await import('@nestjs/core');
      const { PostHogCaptureModule } = await import('${lib.path}/index.js');
      const { FeatureFlags, FeatureFlagsModule } = await import('${lib.path}/flags/index.js');
      class AppModule {}
      const imports = [
        PostHogCaptureModule.forRoot({ apiKey: '${KEY}', host: '${posthog.url}' }),
        FeatureFlagsModule.forRoot({ secretKey: 'phs_test', timeoutMs: 10_000 }),
      ];
      const app = await NestFactory.createApplicationContext({ module: AppModule, imports }, { logger: false });
      const flags = app.get(FeatureFlags);
      await flags.value('on', { distinctId: 'd' });
      while (flags.state.source !== 'local') await new Promise(setImmediate);
      await flags.value('on', { distinctId: 'e' });
    `);
    expect(posthog.events.map(({ distinct_id, properties }) => [distinct_id, properties.locally_evaluated])).toEqual([
      ['d', false],
      ['e', true],
    ]);
  });
});
