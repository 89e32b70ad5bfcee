import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Fault } from 'nestjs-posthog-capture/testing';
import { Books } from '../support/books.js';
import { captureMany, closeAll, expectBalanced, start } from '../support/harness.js';
import { MemoryEventStore, SharedMemory } from '../support/memory-event-store.js';
import { SEED, Seeded } from '../support/seeded.js';
import { SetClock } from '../support/set-clock.js';
import { until } from '../support/until.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let clock: SetClock;
beforeEach(() => void (clock = new SetClock()));
afterEach(async () => {
  await closeAll();
  clock.restore();
});

describe.each(['v0', 'v1'] as const)('%s', (captureMode) => {
  it(`keeps the capture time of events, however the clock changes (FAULT_SEED=${SEED})`, async () => {
    const random = new Seeded();
    const books = new Books();
    const { capture, posthog } = await start({
      captureMode,
      maxBatchEvents: 20,
      flushAt: 20,
      coolDownMs: 10,
      ...books.listeners,
    });
    books.follow(capture);
    const faults: [Fault, ...Fault[]] = [
      { reset: 'after' },
      { status: 503, store: true },
      { status: 429, retryAfter: 0 },
    ];
    posthog.failWhen(() => (random.chance(1 / 3) ? random.pick(faults) : null));
    const times = new Map<string, readonly [number, number]>();
    for (let round = 0; round < 150; round += 1) {
      clock.aheadMs = random.pick([0, 1, -1]) * random.below(3 * DAY_MS);
      for (let count = 0; count < 10; count += 1) {
        const before = Date.now();
        const uuid = books.captureOne(`person_${count}`);
        times.set(uuid ?? '', [before, Date.now()]);
      }
      if (random.chance(0.3)) await wait(1);
    }
    await books.drain();
    books.check(posthog);
    for (const { uuid, timestamp } of posthog.events) {
      const [from, to] = times.get(uuid)!;
      expect(Date.parse(timestamp)).toBeGreaterThanOrEqual(from);
      expect(Date.parse(timestamp)).toBeLessThanOrEqual(to);
    }
  });

  it('waits for Retry-After by the clock of the server', async () => {
    const { capture, posthog } = await start({ captureMode, retryMaxMs: 60_000, coolDownMs: 60_000 });
    const retryAfter = new Date(Date.now() + 1000).toUTCString();
    posthog.fail({ status: 503, retryAfter });
    clock.aheadMs = -HOUR_MS;
    captureMany(capture, 1);
    expect(await capture.flush()).toMatchObject({ delivered: 1, pending: 0 });
    const [refused, accepted] = posthog.requests;
    expect(accepted!.receivedAt - refused!.receivedAt).toBeLessThan(30_000);
  });
});

/** The timers of a suspended machine stop, while its wall clock is set to the time at which it goes on. */
describe.each([
  ['the interval of flushes', { flushIntervalMs: HOUR_MS }, null],
  ['a retry', { retryBaseMs: HOUR_MS, retryMaxMs: HOUR_MS }, { status: 503 }],
  ['Retry-After', { retryMaxMs: HOUR_MS, coolDownMs: HOUR_MS }, { status: 429, retryAfter: HOUR_MS / 1000 }],
  ['a cool-down', { maxRetries: 0, coolDownMs: HOUR_MS }, { status: 503 }],
])('when %s is over by the wall clock, but not by its timer', (_, options, fault) => {
  it.each(['capture', 'flush'] as const)('%s sends at once', async (act) => {
    const { capture, posthog } = await start(options);
    if (fault) posthog.fail(fault);
    captureMany(capture, 1);
    if (fault) await until(() => capture.stats().requests.total === 1);
    clock.aheadMs = HOUR_MS + 1;
    if (act === 'capture') captureMany(capture, 1);
    else void capture.flush();
    await posthog.waitForEvents(act === 'capture' ? 2 : 1);
    await until(() => capture.stats().pending === 0);
    expectBalanced(capture);
  });
});

it('does not expire events when the clock is set forward', async () => {
  const { capture, posthog, drops } = await start({ maxEventAgeMs: HOUR_MS, flushIntervalMs: 60_000 });
  captureMany(capture, 3);
  clock.aheadMs = DAY_MS;
  expect(await capture.flush()).toMatchObject({ delivered: 3, dropped: {} });
  expect(posthog.rows).toHaveLength(3);
  expect(drops).toEqual([]);
});

it('expires events when the clock is set back', async () => {
  const { capture, posthog } = await start({ maxEventAgeMs: 20, flushIntervalMs: 60_000 });
  captureMany(capture, 3);
  clock.aheadMs = -DAY_MS;
  const captured = performance.now();
  while (performance.now() - captured <= 25) await wait(1);
  expect(await capture.flush()).toMatchObject({ delivered: 0, dropped: { expired: 3 } });
  expect(posthog.requests).toEqual([]);
  expectBalanced(capture);
});

it.each([
  ['sends', 'short', -DAY_MS, { delivered: 3 }],
  ['sends', 'short', HOUR_MS / 2, { delivered: 3 }],
  ['drops', 'long', DAY_MS, { dropped: 3 }],
])('%s events that an earlier process captured a %s time ago (clock %i ms ahead)', async (_, __, aheadMs, outcome) => {
  const memory = new SharedMemory();
  const options = { store: new MemoryEventStore(memory), maxEventAgeMs: HOUR_MS, flushIntervalMs: 60_000 };
  const first = await start({ ...options, shutdownTimeoutMs: 0 });
  const { url: host } = first.posthog;
  captureMany(first.capture, 3);
  await first.app.close();
  clock.aheadMs = aheadMs;
  const { capture } = await start({ ...options, host, store: new MemoryEventStore(memory) });
  await capture.flush();
  expect(capture.stats()).toMatchObject({ recovered: 3, pending: 0, ...outcome });
  expectBalanced(capture);
});

it('never repeats a uuid, even if the clock repeats the same moments', async () => {
  const { capture, posthog } = await start({ maxBatchEvents: 1000 });
  const now = Date.now();
  const uuids = Array.from({ length: 20_000 }, (_, index) => {
    // Set the clock back by slightly more than the elapsed time.
    clock.aheadMs += now - Date.now() - (index % 3);
    return capture.capture({ event: 'step', distinctId: `person_${index % 50}` });
  });
  expect(new Set(uuids).size).toBe(20_000);
  await capture.flush();
  expect(posthog.rows).toHaveLength(20_000);
});
