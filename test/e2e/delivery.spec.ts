import { setTimeout as wait } from 'node:timers/promises';
import { Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type AxiosRequestConfig } from 'axios';
import { afterEach, describe, expect, it } from '@jest/globals';
import { CaptureService, type DeliveryReport, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { FakePostHog } from 'nestjs-posthog-capture/testing';
import { boot, captureMany, closeAll, expectBalanced, KEY, start, startPostHog } from '../support/harness.js';
import { until } from '../support/until.js';

afterEach(closeAll);

describe.each(['v0', 'v1'] as const)('%s', (captureMode) => {
  it('delivers 20,000 events captured in one turn, although the application closes immediately', async () => {
    const { app, capture, posthog } = await start({ captureMode });
    captureMany(capture, 20_000, 700);
    await app.close();
    expect(posthog.rows).toHaveLength(20_000);
    expect(posthog.violations).toEqual([]);
    expect(capture.stats()).toMatchObject({ captured: 20_000, delivered: 20_000, pending: 0, dropped: 0 });
  });

  it('never sends two events with the same uuid in one request, wherever the uuid comes from', async () => {
    let own: string | null = null;
    const { capture, posthog } = await start({
      captureMode,
      beforeSend: (event) => (event.event === 'renamed' && own !== null ? { ...event, uuid: own } : event),
    });
    own = capture.capture({ event: 'first', distinctId: 'a' });
    capture.capture({ event: 'renamed', distinctId: 'a' });
    capture.capture({ event: 'again', distinctId: 'a', uuid: own ?? '' });
    await capture.flush();
    expect(posthog.events.map(({ event, uuid }) => [event, uuid === own])).toEqual([
      ['first', true],
      ['renamed', true],
      ['again', true],
    ]);
    // To the local PostHog it looks like a bad retry besides, which is what the application made of it.
    expect(posthog.violations.map(({ rule }) => rule)).not.toContain('uuid_repeated');
    expect(posthog.requests).toHaveLength(3);
  });

  it('keeps the order of each person while half of all requests fail', async () => {
    const { capture, posthog } = await start({
      captureMode,
      maxBatchEvents: 7,
      flushAt: 5,
      maxRetries: 2,
      coolDownMs: 2,
    });
    const faults = [
      { status: 503 },
      null,
      { reset: 'after' },
      null,
      { status: 500, store: true },
      { reset: 'before' },
      null,
    ] as const;
    posthog.failWhen((request) => faults[request.index % faults.length] ?? null);
    for (let index = 0; index < 600; index += 1) {
      capture.capture({ event: 'step', distinctId: `person_${index % 5}`, properties: { index } });
      if (index % 40 === 0) await wait(1);
    }
    await posthog.waitFor(({ rows }) => rows.length === 600);
    posthog.failWhen(null);
    await capture.flush();
    for (let person = 0; person < 5; person += 1) {
      const seen = new Set<string>();
      const first = posthog.events.filter(
        ({ uuid, distinct_id }) => distinct_id === `person_${person}` && !seen.has(uuid) && seen.add(uuid),
      );
      const indices = first.map(({ properties }) => properties.index as number);
      expect(indices).toEqual([...indices].sort((a, b) => a - b));
    }
    expect(posthog.violations).toEqual([]);
    expectBalanced(capture);
  });
});

it('survives an outage longer than all retries, with few requests, and then delivers everything', async () => {
  const { capture, posthog } = await start({ coolDownMs: 60_000 });
  posthog.failAlways({ status: 503 });
  captureMany(capture, 1000);
  expect(await capture.flush()).toEqual({
    delivered: 0,
    pending: 1000,
    dropped: {},
    error: 'PostHog API error: HTTP 503',
  });
  captureMany(capture, 500);
  expect(await capture.flush()).toMatchObject({ pending: 1500, error: 'PostHog API error: HTTP 503' });
  // Two batches side by side with four attempts each, and one probe.
  expect(posthog.requests.length).toBeLessThanOrEqual(9);
  posthog.failAlways(null);
  expect(await capture.flush()).toMatchObject({ delivered: 1500, pending: 0, error: null });
  expect(posthog.rows).toHaveLength(1500);
  expectBalanced(capture);
});

it('resumes automatically when the cool-down is over', async () => {
  const { capture, posthog, lines } = await start();
  posthog.fail(Array.from({ length: 5 }, () => ({ status: 503 })));
  captureMany(capture, 10);
  await posthog.waitForEvents(10);
  // Four attempts, a probe that fails, one that succeeds with a single event, and the rest.
  expect(posthog.requests).toHaveLength(7);
  await capture.flush();
  expect(lines).toContainEqual(expect.stringContaining('responds again'));
});

it('sends the events of different persons concurrently, and those of one person sequentially', async () => {
  const posthog = await startPostHog();
  const held: (() => void)[] = [];
  /** Holds the first connection back. */
  const lookup: NonNullable<AxiosRequestConfig['lookup']> = (_hostname, _options, answer) => {
    const connect = (): void => answer(null, '127.0.0.1', 4);
    if (held.push(connect) > 1) connect();
  };
  const host = `http://posthog.invalid:${posthog.port}`;
  const { capture } = await boot({ host, http: { lookup }, flushAt: 1, flushIntervalMs: 1 });
  capture.capture({ event: 'slow', distinctId: 'a' });
  await until(() => held.length === 1);
  capture.capture({ event: 'behind', distinctId: 'a' });
  capture.capture({ event: 'beside', distinctId: 'b' });
  await posthog.waitForEvents(1);
  held[0]?.();
  await posthog.waitForEvents(3);
  expect(posthog.events.map(({ event }) => event)).toEqual(['beside', 'slow', 'behind']);
});

it('drops the oldest event of a full queue, and counts the drop', async () => {
  const { capture, drops, lines } = await start({ maxQueueEvents: 10, flushIntervalMs: 60_000 });
  const uuids = captureMany(capture, 15);
  expect(uuids.every((uuid) => uuid !== null)).toBe(true);
  expect(drops.map(({ event }) => event)).toEqual(['event_0', 'event_1', 'event_2', 'event_3', 'event_4']);
  expect(capture.stats()).toMatchObject({ captured: 15, pending: 10, dropped: 5, droppedByReason: { queue_full: 5 } });
  expect(lines.filter((line) => line.includes('queue_full'))).toHaveLength(1);
  expectBalanced(capture);
});

it('ready() slows bulk work down, so that the queue never overflows', async () => {
  const { capture, posthog } = await start({ maxQueueEvents: 40, flushAt: 10, maxBatchEvents: 10 });
  for (let index = 0; index < 1000; index += 1) {
    await capture.ready();
    capture.capture({ event: 'bulk', distinctId: `p${index}` });
  }
  await capture.flush();
  expect(posthog.rows).toHaveLength(1000);
  expect(capture.stats()).toMatchObject({ dropped: 0, delivered: 1000 });
});

it('drops events older than maxEventAgeMs instead of sending them', async () => {
  const { capture, posthog } = await start({ maxEventAgeMs: 1, flushIntervalMs: 60_000 });
  capture.capture({ event: 'old', distinctId: 'a' });
  const captured = Date.now();
  while (Date.now() - captured < 5) await wait(1);
  expect(await capture.flush()).toMatchObject({ delivered: 0, dropped: { expired: 1 } });
  expect(posthog.requests).toHaveLength(0);
});

describe('captureNow', () => {
  it('fails for an unreachable host after its retries, and close() respects its time limit', async () => {
    const dead = await FakePostHog.start();
    await dead.close();
    const { app, capture } = await boot({ host: dead.url, shutdownTimeoutMs: 300 });
    const result = await capture.captureNow({ event: 'page_view', distinctId: 'user_123' });
    expect(result).toMatchObject({
      success: false,
      error: expect.stringMatching(/^PostHog connection error: .*ECONNREFUSED/),
    });
    captureMany(capture, 50);
    const before = Date.now();
    await app.close();
    expect(Date.now() - before).toBeLessThan(10_000);
    expect(capture.stats()).toMatchObject({ pending: 0, droppedByReason: { undelivered: 1, shutdown: 50 } });
    expectBalanced(capture);
  });

  it('sends concurrent calls in one request', async () => {
    const { capture, posthog } = await start();
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, index) => capture.captureNow({ event: 'page_view', distinctId: `user_${index}` })),
    );
    expect(results.every(({ success }) => success)).toBe(true);
    expect(posthog.requests).toHaveLength(1);
  });

  it.each([
    [{ event: '', distinctId: 'a' }, /^Invalid event: event must be/],
    [{ event: 'a', distinctId: ' ' }, /^Invalid event: distinctId must be/],
    [{ event: 'a', timestamp: 'yesterday' }, /^Invalid event: timestamp must be/],
  ])('explains %j', async (event, error) => {
    const { capture, posthog } = await start();
    expect(await capture.captureNow(event)).toMatchObject({
      success: false,
      error: expect.stringMatching(error),
      uuid: null,
    });
    expect(posthog.requests).toHaveLength(0);
    expectBalanced(capture);
  });

  it('returns the error of PostHog', async () => {
    const { capture, posthog } = await start();
    posthog.fail([{ status: 401 }]);
    const refused = await capture.captureNow({ event: 'page_view', distinctId: 'user_123' });
    expect(JSON.stringify(refused)).toBe(
      '{"success":false,"event":"page_view","distinct_id":"user_123","error":"PostHog API error: HTTP 401"}',
    );
    const sent = await capture.captureNow({ event: 'page_view', distinctId: 'user_123' });
    expect(JSON.stringify(sent)).toBe('{"success":true,"event":"page_view","distinct_id":"user_123","error":null}');
  });

  it('respects its time limit and its signal', async () => {
    const { capture, posthog } = await start();
    posthog.failAlways({ hang: true });
    expect((await capture.captureNow({ event: 'a', distinctId: 'a' }, { timeoutMs: 40 })).error).toBe(
      'PostHog request timed out after 40 ms',
    );
    const abort = new AbortController();
    const waiting = capture.captureNow({ event: 'a', distinctId: 'a' }, { signal: abort.signal });
    await posthog.waitFor(({ requests }) => requests.some(({ aborted }) => !aborted));
    abort.abort();
    expect((await waiting).error).toBe('PostHog request aborted');
    expect(capture.stats()).toMatchObject({ pending: 0, droppedByReason: { undelivered: 2 } });
  });

  it('is sent during a cool-down, and its success ends it', async () => {
    const { capture, posthog } = await start({ coolDownMs: 60_000, maxRetries: 0 });
    posthog.fail({ status: 503 });
    captureMany(capture, 3);
    await capture.flush();
    expect(await capture.captureNow({ event: 'now', distinctId: 'a' })).toMatchObject({ success: true });
    await posthog.waitForEvents(4);
  });
});

it('sends events that a later shutdown hook captures', async () => {
  const posthog = await startPostHog();
  @Injectable()
  class LateHook implements OnApplicationShutdown {
    constructor(private readonly capture: CaptureService) {}
    onApplicationShutdown(): void {
      setTimeout(() => this.capture.capture({ event: 'late', distinctId: 'a' }), 10);
    }
  }
  @Module({ imports: [PostHogCaptureModule.forRoot({ apiKey: KEY, host: posthog.url })], providers: [LateHook] })
  class App {}
  const app = await NestFactory.createApplicationContext(App, { logger: false });
  await app.close();
  await posthog.waitForEvents(1);
  expect(posthog.events[0]?.event).toBe('late');
});

it('does not give up at shutdown because of one failed batch', async () => {
  const { app, capture, posthog } = await start({ maxRetries: 0, coolDownMs: 60_000 });
  posthog.fail([{ status: 503 }, { status: 503 }]);
  captureMany(capture, 3000);
  await app.close();
  expect(posthog.rows).toHaveLength(3000);
  expect(capture.stats()).toMatchObject({ delivered: 3000, dropped: 0, pending: 0 });
});

it('reports drops only when the counts balance', async () => {
  const sums: number[] = [];
  const { capture } = await start({
    maxQueueBytes: 4000,
    flushIntervalMs: 60_000,
    onDrop: () => {
      const { captured, delivered, dropped, pending } = capture.stats();
      sums.push(captured - delivered - dropped - pending);
    },
  });
  captureMany(capture, 10);
  // Pushes several out at once.
  capture.capture({ event: 'large', distinctId: 'a', properties: { text: 'x'.repeat(3000) } });
  capture.capture({ event: '', distinctId: 'a' });
  expect(sums.length).toBeGreaterThan(3);
  expect(sums.every((sum) => sum === 0)).toBe(true);
});

it('with shutdownTimeoutMs 0 closes without sending, and accepts no more events', async () => {
  const { app, capture, posthog } = await start({ shutdownTimeoutMs: 0 });
  captureMany(capture, 3);
  await app.close();
  expect(posthog.requests).toHaveLength(0);
  expect(capture.capture({ event: 'after', distinctId: 'a' })).toBeNull();
  expect(capture.stats()).toMatchObject({ captured: 4, droppedByReason: { shutdown: 4 }, pending: 0 });
});

it('enabled: false is a silent no-op without a key', async () => {
  const { capture, posthog } = await start({ enabled: false, apiKey: undefined });
  expect(capture.capture({ event: 'a', distinctId: 'a' })).toBeNull();
  expect(await capture.captureNow({ event: 'a', distinctId: 'a' })).toMatchObject({ success: false });
  expect(await capture.flush()).toEqual({ delivered: 0, pending: 0, dropped: {}, error: null });
  await capture.ready();
  expect(capture.disabled).toBe(true);
  expect(capture.stats()).toMatchObject({ captured: 0, dropped: 0 });
  expect(posthog.requests).toHaveLength(0);
});

describe('waiting events and callers', () => {
  it('flush() sends events that wait for another event of their person', async () => {
    const { capture, posthog } = await start({ flushIntervalMs: 60_000 });
    const second = new Promise<DeliveryReport>((resolve) =>
      posthog.failWhen(({ index }) => {
        if (index > 0) return null;
        capture.capture({ event: 'second', distinctId: 'a' });
        resolve(capture.flush());
        return { delayMs: 80 };
      }),
    );
    capture.capture({ event: 'first', distinctId: 'a' });
    const first = capture.flush();
    expect(await second).toMatchObject({ delivered: 2, pending: 0 });
    expect(await first).toMatchObject({ delivered: 1 });
  });

  it('flush() does not wait for a backoff', async () => {
    const { capture, posthog } = await start({ retryBaseMs: 600_000, retryMaxMs: 600_000 });
    posthog.fail({ status: 503 });
    capture.capture({ event: 'a', distinctId: 'a' });
    await posthog.waitForRequests(1);
    // The first flush may come before the answer; the next ones find the batch waiting for its retry.
    while (capture.stats().pending > 0) await capture.flush({ timeoutMs: 50 });
    expect(capture.stats()).toMatchObject({ delivered: 1, pending: 0 });
  });

  it('close() waits for events captured while it drains', async () => {
    const { app, capture, posthog } = await start({ flushIntervalMs: 60_000 });
    posthog.failWhen(({ index }) => {
      if (index > 0) return null;
      capture.capture({ event: 'during', distinctId: 'a' });
      return { delayMs: 80 };
    });
    capture.capture({ event: 'first', distinctId: 'a' });
    await app.close();
    expect(posthog.events.map(({ event }) => event)).toEqual(['first', 'during']);
  });

  it('ready() releases all callers, even if the released ones capture nothing', async () => {
    const { capture } = await start({ maxQueueEvents: 10 });
    captureMany(capture, 10);
    await Promise.all(Array.from({ length: 100 }, () => capture.ready()));
    expect(capture.stats()).toMatchObject({ dropped: 0 });
  });

  it('a probe is not sent if all its events have expired', async () => {
    const { capture, posthog, lines } = await start({ maxEventAgeMs: 1, maxRetries: 0, coolDownMs: 5 });
    posthog.failAlways({ status: 503 });
    capture.capture({ event: 'old', distinctId: 'a' });
    await capture.flush();
    while (capture.stats().pending > 0) await wait(1);
    expect(lines.filter((line) => line.includes('responds again'))).toEqual([]);
  });
});

it('captureNow never sends an event after reporting its failure', async () => {
  const { capture, posthog } = await start({ retryBaseMs: 3000, retryMaxMs: 3000 });
  posthog.fail({ status: 503 });
  const [gone, kept] = await Promise.all([
    capture.captureNow({ event: 'gone', distinctId: 'a' }, { timeoutMs: 1400 }),
    capture.captureNow({ event: 'kept', distinctId: 'b' }),
  ]);
  expect([gone.error, kept.error]).toEqual(['PostHog API error: HTTP 503', null]);
  expect(posthog.events.map(({ event }) => event)).toEqual(['kept']);
});

it.each([[null], [{ timeoutMs: null }], [{ timeoutMs: 10n }], [{ signal: {} }], [{ signal: null }], [5]])(
  'waiting calls never reject, whatever their options: %p',
  async (options) => {
    const { capture } = await start();
    expect(await capture.captureNow({ event: 'a', distinctId: 'a' }, options as never)).toMatchObject({
      success: true,
    });
    expect(await capture.flush(options as never)).toMatchObject({ pending: 0 });
    await capture.ready(options as never);
    expectBalanced(capture);
  },
);

it('an onDrop whose own events are dropped does not recurse endlessly', async () => {
  let calls = 0;
  const { capture } = await start({
    onDrop: () => {
      calls += 1;
      capture.capture({ event: '', distinctId: 'a' });
    },
  });
  capture.capture({ event: '', distinctId: 'a' });
  expect(calls).toBe(1);
  expect(capture.stats()).toMatchObject({ captured: 2, dropped: 2 });
});

it('input cannot cause a log line per event', async () => {
  const { capture, lines } = await start();
  for (let index = 0; index < 500; index += 1) {
    capture.capture({ event: 'a', distinctId: 'a', [`field_${index}`]: 1 });
  }
  expect(lines.length).toBeLessThanOrEqual(101);
});

it('input cannot hide an outage or a loss', async () => {
  const { capture, posthog, lines, app } = await start({ maxRetries: 0, shutdownTimeoutMs: 50 });
  for (let index = 0; index < 500; index += 1) {
    capture.capture({ event: 'a', distinctId: 'a', [`field_${index}`]: 1 });
  }
  await capture.flush();
  posthog.failAlways({ status: 401 });
  capture.capture({ event: 'a', distinctId: 'a' });
  await capture.flush();
  expect(lines).toContainEqual(expect.stringContaining('HTTP 401'));
  await app.close();
  expect(lines).toContainEqual(expect.stringMatching(/^Shut down: .* 1 were lost/));
});
