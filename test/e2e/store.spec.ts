import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as endOfTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type EventStore, type QueuedEvent, type Recovery } from 'nestjs-posthog-capture';
import { fileEventStore } from 'nestjs-posthog-capture/store';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { boot, captureMany, closeAll, expectBalanced, start, startPostHog } from '../support/harness.js';
import { MemoryEventStore, SharedMemory } from '../support/memory-event-store.js';
import { until } from '../support/until.js';

let path = '';
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'posthog-store-'));
});
afterEach(async () => {
  jest.restoreAllMocks();
  delete process.env.POSTHOG_STORE_PATH;
  await closeAll();
  await rm(path, { recursive: true, force: true });
});

/** Nothing arrives. */
const OUTAGE = { host: 'http://127.0.0.1:9', shutdownTimeoutMs: 50, coolDownMs: 60_000 };

describe('an application with a store', () => {
  it('keeps unsent events, and sends them after the next start', async () => {
    const down = await startPostHog();
    down.failAlways({ status: 503 });
    const options = { host: down.url, store: fileEventStore({ path }), shutdownTimeoutMs: 50, coolDownMs: 60_000 };
    const first = await boot(options);
    const uuids = captureMany(first.capture, 250, 7);
    await first.app.close();
    expect(first.drops).toEqual([]);
    expect(first.capture.stats()).toMatchObject({ captured: 250, recovered: 0, dropped: 0, pending: 250 });
    expectBalanced(first.capture);
    expect(first.lines.join()).toContain('250 remain in the store');

    // A new server at the same address: the first may still be processing a request that was aborted at the end.
    await down.close();
    const posthog = await startPostHog({ port: Number(new URL(down.url).port) });
    const second = await boot({ ...options, store: fileEventStore({ path }) });
    expect(second.capture.stats()).toMatchObject({ captured: 0, recovered: 250 });
    await second.capture.flush();
    expect(posthog.rows.map(({ uuid }) => uuid).sort()).toEqual([...uuids].sort());
    expect(posthog.events).toHaveLength(250);
    expect(second.capture.stats()).toMatchObject({ recovered: 250, delivered: 250, pending: 0 });
    expectBalanced(second.capture);
    await second.app.close();
    expect(await readdir(path)).toEqual([]);
  });

  it('sends the captured bytes, whatever the current configuration', async () => {
    const first = await boot({ ...OUTAGE, store: path, superProperties: { version: 1 } });
    const [uuid] = captureMany(first.capture, 1);
    const before = Date.now();
    await first.app.close();
    const posthog = await startPostHog();
    // Another host is another project: the proxy answers for the former host.
    const second = await boot({
      ...OUTAGE,
      http: { proxy: proxyTo(posthog) },
      store: path,
      superProperties: { version: 2 },
    });
    await posthog.waitForEvents(1);
    expect(posthog.events[0]).toMatchObject({ uuid, properties: { version: 1 } });
    expect(Date.parse(posthog.events[0]!.timestamp)).toBeLessThanOrEqual(before);
    await second.app.close();
  });

  it.each([
    ['v0', 'v1'],
    ['v1', 'v0'],
  ] as const)('delivers events that were captured for %s with %s', async (before, after) => {
    const posthog = await startPostHog();
    posthog.failAlways({ status: 503 });
    const options = { host: posthog.url, store: path, shutdownTimeoutMs: 0 };
    const first = await boot({ ...options, captureMode: before });
    const uuid = first.capture.capture({
      event: 'a',
      distinctId: 'b',
      properties: { price: 9.99, $product_tour_id: 'tour' },
      options: { processPersonProfile: false },
      groups: { company: 'acme' },
    });
    first.capture.alias({ distinctId: 'b', alias: 'c' });
    await first.app.close();
    posthog.failAlways(null);
    const second = await boot({ ...options, captureMode: after });
    await second.capture.flush();
    expect(posthog.violations).toEqual([]);
    expect(posthog.requests.at(-1)?.path).toBe(after === 'v0' ? '/batch/' : '/i/v1/analytics/events');
    expect(posthog.rows).toHaveLength(2);
    const row = posthog.rows.find((one) => one.uuid === uuid);
    expect(row).toMatchObject({
      distinct_id: 'b',
      properties: { price: 9.99, $groups: { company: 'acme' }, $lib: 'nestjs-posthog-capture' },
    });
    const { properties, options: ofEvent } = row as { properties: Record<string, unknown>; options?: object };
    if (after === 'v1') expect(ofEvent).toEqual({ process_person_profile: false, product_tour_id: 'tour' });
    else expect(properties).toMatchObject({ $process_person_profile: false, $product_tour_id: 'tour' });
    const alias = posthog.rows.find(({ event }) => event === '$create_alias');
    expect(alias?.properties).toMatchObject({ distinct_id: 'b', alias: 'c' });
  });

  it('reads POSTHOG_STORE_PATH', async () => {
    process.env.POSTHOG_STORE_PATH = path;
    const { app, capture } = await boot(OUTAGE);
    captureMany(capture, 3);
    await app.close();
    expect(await readdir(path)).toHaveLength(1);
    expect((await boot(OUTAGE)).capture.stats().recovered).toBe(3);
  });

  it('removes events after any final response', async () => {
    const { app, capture, posthog } = await start({ store: path, maxEventAgeMs: 60_000 });
    posthog.fail({ status: 402 });
    captureMany(capture, 5);
    await capture.flush();
    posthog.failAlways({ poison: ({ event }) => event === 'event_2' });
    captureMany(capture, 5);
    await capture.flush();
    expect(capture.stats()).toMatchObject({ droppedByReason: { quota: 5, rejected: 1 }, delivered: 4 });
    await app.close();
    expect(await readdir(path)).toEqual([]);
  });

  it('does not keep the event of a failed captureNow', async () => {
    const { app, capture, posthog } = await start({ store: path, maxRetries: 0 });
    posthog.failAlways({ status: 503 });
    expect((await capture.captureNow({ event: 'a', distinctId: 'b' })).success).toBe(false);
    await app.close();
    expect(await readdir(path)).toEqual([]);
  });

  it('drops the oldest event if the queue is full, and removes it from the store', async () => {
    const { app, capture } = await boot({ ...OUTAGE, store: path, maxQueueEvents: 10, flushIntervalMs: 60_000 });
    const uuids = captureMany(capture, 25);
    expect(capture.stats()).toMatchObject({ pending: 10, droppedByReason: { queue_full: 15 } });
    await app.close();
    const memory = new SharedMemory();
    const posthog = await startPostHog();
    const next = await boot({ ...OUTAGE, http: { proxy: proxyTo(posthog) }, store: path });
    await posthog.waitForEvents(10);
    expect(posthog.rows.map(({ uuid }) => uuid).sort()).toEqual(uuids.slice(15).sort());
    await next.app.close();
    expect(memory.events.size).toBe(0);
  });

  it('recovers more events than fit into memory in several steps, and loses none', async () => {
    for (let life = 0; life < 3; life += 1) {
      const { app, capture } = await boot({ ...OUTAGE, store: path, shutdownTimeoutMs: 0 });
      captureMany(capture, 400);
      await app.close();
    }
    const posthog = await startPostHog();
    const { capture } = await boot({ ...OUTAGE, http: { proxy: proxyTo(posthog) }, store: path, maxQueueEvents: 100 });
    await posthog.waitFor(({ rows }) => rows.length === 1200);
    await capture.flush();
    expect(capture.stats()).toMatchObject({ recovered: 1200, delivered: 1200, dropped: 0, pending: 0 });
    expect(posthog.events).toHaveLength(1200);
  });

  it('keeps events of another project without sending them, and logs that', async () => {
    const first = await boot({ ...OUTAGE, store: path, apiKey: 'phc_another_project_000' });
    captureMany(first.capture, 3);
    await first.app.close();
    const { capture, posthog, lines, app } = await start({ store: path });
    captureMany(capture, 1);
    await capture.flush();
    expect(posthog.events).toHaveLength(1);
    expect(lines.join('\n')).toMatch(/events of another PostHog project/);
    await app.close();
    expect((await boot({ ...OUTAGE, store: path, apiKey: 'phc_another_project_000' })).capture.stats().recovered).toBe(
      3,
    );
  });

  it('lets two instances of one process share a directory', async () => {
    const [one, two] = [await boot({ ...OUTAGE, store: path }), await boot({ ...OUTAGE, store: path })];
    captureMany(one.capture, 3);
    captureMany(two.capture, 4);
    expect(two.capture.stats().recovered).toBe(0);
    await Promise.all([one.app.close(), two.app.close()]);
    expect((await boot({ ...OUTAGE, store: path })).capture.stats().recovered).toBe(7);
  });

  it('refuses a store that another instance uses, with a remedy, and accepts it when that instance is closed', async () => {
    const options = { ...OUTAGE, store: fileEventStore({ path }) };
    const first = await boot({ ...options, apiKey: 'phc_another_project_000' });
    captureMany(first.capture, 2);
    await expect(boot(options)).rejects.toThrow(
      /store \(POSTHOG_STORE_PATH\): it is in use by an instance with another key or host.*its own.*directory/,
    );
    captureMany(first.capture, 1);
    await first.app.close();
    const second = await boot(options);
    expect(second.capture.stats().recovered).toBe(0);
    await second.app.close();
    expect((await boot({ ...options, apiKey: 'phc_another_project_000' })).capture.stats().recovered).toBe(3);
  });

  it('creates files that only their owner can read', async () => {
    const { capture } = await boot({ ...OUTAGE, store: join(path, 'new') });
    captureMany(capture, 3);
    // The store writes at the end of the turn.
    await endOfTurn();
    const names = await readdir(join(path, 'new'));
    expect(names).toHaveLength(2);
    for (const name of names) expect((await stat(join(path, 'new', name))).mode & 0o777).toBe(0o600);
    expect((await stat(join(path, 'new'))).mode & 0o777).toBe(0o700);
  });
});

describe('a store that fails', () => {
  it('stops the boot if its directory cannot be used, with a remedy', async () => {
    await writeFile(join(path, 'file'), '');
    await expect(boot({ ...OUTAGE, store: join(path, 'file', 'below') })).rejects.toThrow(
      /store \(POSTHOG_STORE_PATH\): cannot use ".*below": ENOTDIR/,
    );
  });

  it.each([
    ['at boot', 1],
    ['later', 3],
  ])('keeps events in memory if the disk is full %s, with one warning', async (_, failsAt) => {
    const store = new FailingStore(failsAt);
    const { app, capture, lines, posthog, drops } = await start({ store, shutdownTimeoutMs: 200 });
    for (let index = 0; index < 50; index += 1) captureMany(capture, 1);
    await capture.flush();
    expect(posthog.rows).toHaveLength(50);
    expect(lines.filter((line) => line.includes('The store fails'))).toHaveLength(1);
    expect(lines.join()).toContain('ENOSPC: no space left on device');
    posthog.failAlways({ status: 503 });
    captureMany(capture, 2);
    await app.close();
    // Events that no later process will find are reported as lost.
    expect(drops.map(({ reason }) => reason)).toEqual(['shutdown', 'shutdown']);
    expectBalanced(capture);
  });

  it.each([
    ['stops the boot', { temporary: false }],
    ['stops the boot', {}],
  ])('%s on a permanent error of recover(): %j', async (_, kind) => {
    const store = new MemoryEventStore();
    store.recover = () => Promise.reject(Object.assign(new Error('no such table'), kind));
    await expect(boot({ ...OUTAGE, store })).rejects.toThrow('store (POSTHOG_STORE_PATH): no such table');
  });

  it('keeps events in memory, with one warning, after a temporary error of recover()', async () => {
    const store = new MemoryEventStore();
    store.recover = () => Promise.reject(Object.assign(new Error('too many connections'), { temporary: true }));
    const { capture, lines, posthog } = await start({ store });
    captureMany(capture, 3);
    await capture.flush();
    expect(posthog.rows).toHaveLength(3);
    expect(lines.filter((line) => line.includes('store'))).toEqual([expect.stringContaining('too many connections')]);
  });

  it('logs that its directory was replaced, and counts events that are on no disk as lost at the end', async () => {
    const directory = join(path, 'store');
    const { app, capture, lines, drops } = await boot({ ...OUTAGE, store: directory });
    captureMany(capture, 5);
    await new Promise((resolve) => setImmediate(resolve));
    await rm(directory, { recursive: true });
    await writeFile(directory, '');
    await until(() => capture.stats().storeFailing);
    expect(lines.filter((line) => line.startsWith('The store fails'))).toHaveLength(1);
    await app.close();
    expect(capture.stats()).toMatchObject({ pending: 0, droppedByReason: { shutdown: 5 } });
    expect(drops).toHaveLength(5);
    expectBalanced(capture);
  });

  it('appends the missing events when the store works again', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    const memory = new SharedMemory();
    const store = new FailingStore(1, memory);
    const { app, capture, lines } = await boot({ ...OUTAGE, store, flushIntervalMs: 100_000, shutdownTimeoutMs: 0 });
    captureMany(capture, 5);
    expect(memory.events.size).toBe(0);
    store.works = true;
    await jest.advanceTimersByTimeAsync(10_000);
    expect(memory.events.size).toBe(5);
    expect(lines.join()).toContain('The store works again');
    captureMany(capture, 1);
    expect(memory.events.size).toBe(6);
    jest.useRealTimers();
    await app.close();
    expect(capture.stats()).toMatchObject({ pending: 6, dropped: 0 });
  });

  it('does not wait for a store whose promises never settle', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'Date'] });
    const sent: number[] = [];
    const store = new HangingStore();
    const { capture } = await boot({ ...OUTAGE, store, onDelivery: ({ uuids }) => sent.push(uuids.length) });
    captureMany(capture, 2);
    const report = capture.flush({ timeoutMs: 9000 });
    await jest.advanceTimersByTimeAsync(5000);
    jest.useRealTimers();
    expect((await report).error).toMatch(/connection error/);
  });

  it.each(['recover', 'append', 'remove', 'close'] as const)('stops the boot without %s()', async (method) => {
    const store = { recover: noop, append: noop, remove: noop, close: noop, [method]: undefined };
    await expect(boot({ ...OUTAGE, store: store as unknown as EventStore })).rejects.toThrow(
      /store \(POSTHOG_STORE_PATH\)/,
    );
  });

  it.each([
    [{ path: '' }, /path/],
    [{ path: '/tmp/x', maxBytes: 0 }, /maxBytes/],
    [{ path: '/tmp/x', durability: 'never' as 'tick' }, /durability/],
  ])('refuses invalid options: %j', (options, problem) => {
    expect(() => fileEventStore(options)).toThrow(problem);
  });
});

function noop(): void {
  // Does nothing.
}

/** Another server answers for the former host, which no longer exists. */
function proxyTo(posthog: FakePostHog) {
  const { hostname, port, protocol } = new URL(posthog.url);
  return { host: hostname, port: Number(port), protocol };
}

/** Fails from the n-th call of append() onwards. */
class FailingStore extends MemoryEventStore {
  works = false;
  #calls = 0;

  constructor(
    private readonly failsAt: number,
    memory = new SharedMemory(),
  ) {
    super(memory);
  }

  override append(events: readonly QueuedEvent[]): undefined {
    this.#calls += 1;
    if (!this.works && this.#calls >= this.failsAt) throw new Error('ENOSPC: no space left on device');
    super.append(events);
  }
}

class HangingStore implements EventStore {
  recover(): Promise<Recovery> {
    return Promise.resolve({ events: [], warnings: [] });
  }
  append(): Promise<void> {
    return new Promise(() => undefined);
  }
  remove(): Promise<void> {
    return new Promise(() => undefined);
  }
  close(): Promise<void> {
    return new Promise(() => undefined);
  }
}
