import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type AxiosRequestConfig } from 'axios';
import { afterEach, expect, it } from '@jest/globals';
import { type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { type FakePostHog, type Fault } from 'nestjs-posthog-capture/testing';
import { Books } from '../support/books.js';
import { type FlakyWire, startFlakyWire } from '../support/flaky-wire.js';
import { boot, closeAll, onClose, startPostHog } from '../support/harness.js';
import { SEED, Seeded } from '../support/seeded.js';

/** Number of events per run. A long run: `FAULT_EVENTS=60000 FAULT_SEED=7 npm test -- test/faults/mixed`. */
const EVENTS = Number(process.env.FAULT_EVENTS ?? 2000);

/** Print statistics if a seed was given. */
const LOUD = process.env.FAULT_SEED !== undefined;
const DRAIN_TIMEOUT_MS = 120_000 + 4 * EVENTS;

afterEach(closeAll);

type Lookup = NonNullable<AxiosRequestConfig['lookup']>;
type FaultMaker = (random: Seeded, timeoutMs: number) => Fault;

/** All failures at the HTTP level. The flaky wire adds those of connections. */
const FAULTS: readonly [FaultMaker, ...FaultMaker[]] = [
  (random) => ({ status: random.pick([408, 429, 500, 502, 503, 504]), store: random.chance(1 / 3) }),
  (random) => ({ status: random.pick([429, 503]), retryAfter: random.pick(['0', '1', '0.02']) }),
  (random) => ({ status: 429, retryAfter: new Date(Date.now() + random.below(2000)).toUTCString() }),
  (random) => ({
    status: 503,
    retryAfter: random.pick(['999999999999', '-5', 'soon', 'Fri, 31 Dec 9999 23:59:59 GMT']),
  }),
  () => ({ reset: 'before' }),
  () => ({ reset: 'after' }),
  (random) => ({ delayMs: random.below(50) }),
  () => ({ slowBodyMs: 20 }),
  (random) => ({ status: 503, delayMs: random.below(50), body: 'x'.repeat(random.below(100_000)) }),
  () => ({ halfAnswer: true }),
  () => ({ invalidJson: true }),
  (random) => ({ redirect: random.pick(['/elsewhere', 'http://127.0.0.1:9/', 'http://posthog.invalid/']) }),
  (random) => ({ maxEvents: 1 + random.below(20) }),
];

/** Responses slower than the request timeout. */
const TIMEOUTS: typeof FAULTS = [
  () => ({ hang: true }),
  // Stored after the timeout of the client, possibly after its retry.
  (random, timeoutMs) => ({ delayMs: timeoutMs + random.below(150) }),
  (_, timeoutMs) => ({ slowBodyMs: 2 * timeoutMs }),
];

/** A v1 server that accepts some events of a batch and asks for others again. */
const RESULTS: typeof FAULTS = [
  (random) => ({
    results: () => ({ result: random.pick(['ok', 'retry', 'warning', 'limited']) }),
    retryAfter: random.pick([null, '0', '1']),
  }),
];

/** Random options. */
function optionsFrom(random: Seeded) {
  const maxBatchEvents = random.pick([20, 100, Math.ceil(EVENTS / 50)]);
  return {
    maxBatchEvents,
    flushAt: random.pick([1, 20, 100]),
    flushIntervalMs: random.pick([1, 10]),
    concurrency: random.pick([1, 2, 4, 8]),
    compression: random.pick(['gzip', 'none']),
    maxRetries: random.pick([0, 1, 3]),
    retryBaseMs: 2,
    retryMaxMs: random.pick([10, 40, 1500]),
    coolDownMs: random.pick([1, 20, 100]),
    // The server runs in this process and must keep up.
    requestTimeoutMs: 100 + 2 * maxBatchEvents,
  } satisfies PostHogCaptureModuleOptions;
}

interface World {
  readonly posthog: FakePostHog;
  readonly wire: FlakyWire;
  readonly options: PostHogCaptureModuleOptions;
}

/** A server that fails a third of all requests, behind an unreliable connection and unreliable DNS. */
async function failingWorld(captureMode: 'v0' | 'v1', asksAgain: boolean, random: Seeded): Promise<World> {
  const posthog = await startPostHog({ maxRemembered: 20 * EVENTS + 10_000 });
  const tuning = optionsFrom(random);
  // By PostHog's rule, a 2xx is a success even if its body times out, so a server that asks for retries must respond in time.
  const requestTimeoutMs = asksAgain ? 60_000 : tuning.requestTimeoutMs;
  const special = asksAgain ? RESULTS : TIMEOUTS;
  posthog.failWhen(() => {
    if (!random.chance(1 / 3)) return null;
    return random.pick(random.chance(0.2) ? special : FAULTS)(random, requestTimeoutMs);
  });
  const wire = await startFlakyWire({ targetPort: posthog.port, random, probability: 0.1, silence: !asksAgain });
  onClose(() => wire.close());
  const lookup: Lookup = (_hostname, _options, answer) => {
    if (random.chance(0.1)) answer(Object.assign(new Error('getaddrinfo EAI_AGAIN'), { code: 'EAI_AGAIN' }), '');
    else answer(null, '127.0.0.1', 4);
  };
  const host = `http://posthog.test:${wire.port}`;
  return { posthog, wire, options: { ...tuning, captureMode, requestTimeoutMs, host, http: { lookup } } };
}

it.each([
  { salt: 0, captureMode: 'v0', store: 'memory', asksAgain: false },
  { salt: 1, captureMode: 'v0', store: 'files', asksAgain: false },
  { salt: 2, captureMode: 'v1', store: 'memory', asksAgain: true },
  { salt: 3, captureMode: 'v1', store: 'files', asksAgain: false },
] as const)(
  `stores every event while a third of all requests fail (FAULT_SEED=${SEED}): $captureMode, $store`,
  async ({ salt, captureMode, store, asksAgain }) => {
    const random = new Seeded(4 * SEED + salt);
    const { posthog, wire, options } = await failingWorld(captureMode, asksAgain, random);
    const path = await mkdtemp(join(tmpdir(), 'posthog-mixed-'));
    onClose(() => rm(path, { recursive: true, force: true }));
    const books = new Books();
    const durable = store === 'files' ? { store: path } : {};
    const { app, capture } = await boot({ ...options, ...durable, ...books.listeners });
    books.follow(capture);
    const calls: Promise<void>[] = [];
    while (books.captured < EVENTS) {
      for (let burst = random.below(2 * EVENTS ** 0.5); burst > 0; burst -= 1) {
        books.captureOne(`person_${random.below(60)}`);
      }
      for (let burst = random.below(3); burst > 0; burst -= 1)
        calls.push(books.captureNow(`caller_${random.below(9)}`));
      if (random.chance(0.5)) await wait(random.below(4));
      if (random.chance(0.05)) await capture.flush({ timeoutMs: random.below(50) });
    }
    await books.drain(DRAIN_TIMEOUT_MS);
    await Promise.all(calls);
    const failed = posthog.requests.filter(({ status }) => status !== 200).length + wire.broken;
    const figures = { requests: posthog.requests.length, failed, duplicates: posthog.duplicates.length };
    if (LOUD) console.log(JSON.stringify({ ...options, ...figures, ...capture.stats() }));
    expect(failed).toBeGreaterThan(posthog.requests.length / 10);
    books.check(posthog, { inOrder: captureMode === 'v0' });
    await app.close();
    books.check(posthog, { inOrder: captureMode === 'v0' });
    expect(await readdir(path)).toEqual([]);
  },
  2 * DRAIN_TIMEOUT_MS,
);
