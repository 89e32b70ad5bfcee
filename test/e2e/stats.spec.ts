import { afterEach, describe, expect, it } from '@jest/globals';
import { type CaptureStats } from 'nestjs-posthog-capture';
import { reportFlags } from '../../lib/capture/flag-stats.js';
import { QUIET_FLAGS } from '../support/flag-stats.js';
import { MemoryEventStore, SharedMemory } from '../support/memory-event-store.js';
import { boot, captureMany, closeAll, expectBalanced, start } from '../support/harness.js';
import { record } from '../support/recording.js';

afterEach(closeAll);

const LATE = { flushIntervalMs: 60_000, flushAt: 500, coolDownMs: 60_000 };

describe('requests', () => {
  it('are counted by status, or by the failure if there is none', async () => {
    const { capture, posthog } = await start({ ...LATE, maxRetries: 1, requestTimeoutMs: 3000 });
    expect(capture.stats().requests).toEqual({ total: 0, byStatus: {}, p50Ms: null, p90Ms: null, p99Ms: null });
    capture.capture({ event: 'a', distinctId: 'ann' });
    posthog.failAlways({ status: 503 });
    await capture.flush();
    posthog.failAlways({ reset: 'before' });
    await capture.flush();
    posthog.failAlways({ hang: true });
    await capture.flush();
    posthog.failAlways(null);
    await capture.flush();
    await capture.captureNow({ event: 'b', distinctId: 'ann' });
    const { requests, retries } = capture.stats();
    expect(requests.byStatus).toEqual({ 200: 2, 503: 2, network: 1, timeout: 1 });
    expect([requests.total, retries]).toEqual([6, 1]);
    // The reset of the reused connection led to a second request, which is part of the same attempt.
    expect(posthog.requests).toHaveLength(7);
  });

  it('have a median, a 90th and a 99th percentile of their duration', async () => {
    const { capture, posthog } = await start(LATE);
    posthog.failWhen(({ index }) => (index >= 8 ? { delayMs: 300 } : null));
    for (let index = 0; index < 10; index += 1) await capture.captureNow({ event: 'a', distinctId: 'ann' });
    const { p50Ms, p90Ms, p99Ms } = capture.stats().requests;
    expect(p50Ms).toBeGreaterThan(0);
    expect(p50Ms).toBeLessThan(p90Ms as number);
    expect(p90Ms).toBeGreaterThanOrEqual(295);
    expect(p99Ms).toBeGreaterThanOrEqual(p90Ms as number);
  });

  it('aborted by the shutdown do not count as failures of PostHog', async () => {
    const { app, capture, posthog } = await start({ ...LATE, shutdownTimeoutMs: 30 });
    posthog.failAlways({ hang: true });
    capture.capture({ event: 'a', distinctId: 'ann' });
    await app.close();
    expect(capture.stats().requests.byStatus).toEqual({ aborted: 1 });
  });
});

describe('events by name', () => {
  const names = ({ byEvent }: CaptureStats): string[] => byEvent.map(({ event }) => event);

  it('are counted as captured and dropped, with their size and their share without a person', async () => {
    const { capture, posthog } = await start({
      ...LATE,
      maxQueueEvents: 3,
      beforeSend: (event) => (event.event === 'secret' ? null : { ...event, event: event.event.replace('old', 'new') }),
    });
    expect(capture.stats().byEvent).toEqual([]);
    capture.capture({ event: 'b', distinctId: 'ann' });
    expect(capture.stats().byEvent).toMatchObject([{ event: 'b', bytes: capture.stats().pendingBytes }]);
    for (const distinctId of ['ann', undefined, undefined]) capture.capture({ event: 'a', distinctId });
    capture.capture({ event: 'secret', distinctId: 'ann' });
    capture.capture({ event: '', distinctId: 'ann' });
    await capture.captureNow({ event: 'old', distinctId: 'ann', properties: { $process_person_profile: false } });
    const of = (event: string, captured: number, more: object = {}): object => ({
      event,
      captured,
      dropped: 0,
      droppedByReason: {},
      bytes: expect.any(Number),
      personless: 0,
      personlessShare: 0,
      ...more,
    });
    const refused = { dropped: 1, bytes: 0, personlessShare: null };
    expect(capture.stats().byEvent).toEqual([
      of('a', 3, { personless: 2, personlessShare: 2 / 3 }),
      of('b', 1, { dropped: 1, droppedByReason: { queue_full: 1 } }),
      of('secret', 1, { ...refused, droppedByReason: { before_send: 1 } }),
      of('(no name)', 1, { ...refused, droppedByReason: { invalid: 1 } }),
      of('new', 1, { personless: 1, personlessShare: 1 }),
    ]);
    await capture.flush();
    expect(posthog.events).toHaveLength(4);
    expectBalanced(capture);
  });

  it('are the 50 most frequent, however many names there are, and the sum of the rest', async () => {
    const { capture } = await record({ superProperties: {} });
    for (let index = 0; index < 20_000; index += 1) {
      capture.capture({ event: `event_${index}` });
      if (index >= 5000 && index % 10 === 0) capture.capture({ event: 'late' });
      if (index % 100 === 0) capture.capture({ event: 'often' });
    }
    const stats = capture.stats();
    expect(names(stats).slice(0, 2)).toEqual(['late', 'often']);
    expect(stats.byEvent).toHaveLength(51);
    expect(stats.byEvent[0]).toMatchObject({ captured: 1500, personlessShare: 1 });
    expect(stats.byEvent.at(-1)).toMatchObject({ event: '(others)', captured: 21_700 - 1500 - 200 - 48 });
    expect(stats.byEvent.reduce((sum, { captured }) => sum + captured, 0)).toBe(stats.captured);
  });
});

describe('feature flags', () => {
  it('are null until something evaluates them', async () => {
    const { capture } = await boot({});
    expect(capture.stats().flags).toBeNull();
    reportFlags(capture, () => QUIET_FLAGS);
    expect(capture.stats().flags).toEqual(QUIET_FLAGS);
  });
});

describe('the oldest pending event', () => {
  it('ages while it waits, is in flight, or waits for a retry, and is null when nothing is pending', async () => {
    const { capture, posthog } = await start({ ...LATE, maxRetries: 0, maxQueueEvents: 9, maxEventAgeMs: 60_000 });
    expect(capture.stats().limits).toEqual({
      maxQueueEvents: 9,
      maxQueueBytes: 64 * 1024 ** 2,
      maxEventAgeMs: 60_000,
      flushIntervalMs: LATE.flushIntervalMs,
    });
    const age = (): number | null => capture.stats().oldestPendingMs;
    expect(age()).toBeNull();
    capture.capture({ event: 'a', distinctId: 'ann' });
    expect(age()).toBeGreaterThanOrEqual(0);
    const asked: number[] = [];
    posthog.failWhen(() => {
      asked.push(age() ?? -1);
      return { status: 503, delayMs: 50 };
    });
    await capture.flush();
    expect(asked).toHaveLength(1);
    expect(asked[0]).toBeGreaterThanOrEqual(0);
    capture.capture({ event: 'b', distinctId: 'bob' });
    expect(age()).toBeGreaterThanOrEqual(50);
    posthog.failWhen(null);
    await capture.flush();
    expect(age()).toBeNull();
  });

  it('may be the event of a captureNow', async () => {
    const { capture, posthog } = await start(LATE);
    let age: number | null = null;
    posthog.failWhen(() => {
      age = capture.stats().oldestPendingMs;
      return null;
    });
    await capture.captureNow({ event: 'a', distinctId: 'ann' });
    expect(age).toBeGreaterThanOrEqual(0);
    expect(capture.stats().oldestPendingMs).toBeNull();
  });

  it('keeps its age from an earlier process', async () => {
    const memory = new SharedMemory();
    const first = await start({ ...LATE, maxRetries: 0, store: new MemoryEventStore(memory) });
    first.posthog.failAlways({ status: 503 });
    captureMany(first.capture, 2);
    await first.app.close();
    for (const [event, record] of [...memory.events]) {
      memory.events.delete(event);
      memory.events.set({ ...event, capturedAt: event.capturedAt - 3_600_000 }, record);
    }
    const second = await boot({ ...LATE, host: first.posthog.url, store: new MemoryEventStore(memory) });
    expect(second.capture.stats().oldestPendingMs).toBeGreaterThanOrEqual(3_600_000);
    expect(second.capture.stats()).toMatchObject({ recovered: 2, pending: 2 });
  });
});

describe('the last failure', () => {
  it('is reported with its remedy and the end of the cool-down while it lasts', async () => {
    const { capture, posthog } = await start({ ...LATE, maxRetries: 0 });
    expect(capture.stats()).toMatchObject({ coolDownUntil: null, lastFailure: null, storeFailing: false });
    posthog.failAlways({ status: 503 });
    capture.capture({ event: 'a', distinctId: 'ann' });
    const before = Date.now();
    await capture.flush();
    const { coolDownUntil, lastFailure } = capture.stats();
    expect(coolDownUntil).toBeGreaterThanOrEqual(before + 60_000 - 50);
    expect(coolDownUntil).toBeLessThanOrEqual(Date.now() + 60_000);
    expect(lastFailure).toEqual({
      message: 'PostHog API error: HTTP 503',
      remedy: expect.stringContaining('nothing to do unless it lasts'),
    });
    posthog.failAlways(null);
    await capture.flush();
    expect(capture.stats()).toMatchObject({ coolDownUntil: null, lastFailure: null });
  });

  it.each([401, 404])('is marked if retries will not help: %i', async (status) => {
    const { capture, posthog } = await start({ ...LATE, maxRetries: 0 });
    posthog.failAlways({ status });
    capture.capture({ event: 'a', distinctId: 'ann' });
    await capture.flush();
    expect(capture.stats().lastFailure).toMatchObject({
      message: `PostHog API error: HTTP ${status}`,
      refusesAll: true,
    });
  });

  it('reports a receiver that refuses one event after the other', async () => {
    const { capture, posthog } = await start(LATE);
    posthog.failAlways({ status: 400 });
    captureMany(capture, 40);
    await capture.flush();
    expect(capture.stats().lastFailure).toMatchObject({ refusesAll: true });
    expectBalanced(capture);
  });

  it('of the store is reported', async () => {
    const store = new MemoryEventStore();
    store.append = () => {
      throw new Error('disk full');
    };
    const { capture } = await start({ ...LATE, store });
    expect(capture.stats().storeFailing).toBe(false);
    capture.capture({ event: 'a', distinctId: 'ann' });
    expect(capture.stats().storeFailing).toBe(true);
  });
});

it('balances with a recorder in place of delivery, which counts no requests', async () => {
  const { capture } = await record();
  capture.capture({ event: 'a', distinctId: 'ann' });
  await capture.flush();
  expectBalanced(capture);
  expect(capture.stats()).toMatchObject({ delivered: 1, requests: { total: 0 }, oldestPendingMs: null });
});

describe('the shutdown', () => {
  it('logs one line if something was sent', async () => {
    const { app, capture, lines } = await start(LATE);
    captureMany(capture, 3);
    capture.capture({ event: '', distinctId: 'ann' });
    await app.close();
    expect(lines.at(-1)).toBe('Shut down: 3 events were delivered and 1 dropped since the start; none is pending.');
    await capture.onApplicationShutdown();
    expect(lines.filter((line) => line.startsWith('Shut down'))).toHaveLength(1);
  });

  it('logs nothing if nothing was sent', async () => {
    const { app, lines } = await start(LATE);
    await app.close();
    expect(lines).toEqual([]);
  });
});
