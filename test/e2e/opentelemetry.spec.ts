import { afterEach, describe, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { type Meter, metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import Database from 'libsql';
import { CaptureService, getCaptureToken, PostHogCaptureModule } from 'nestjs-posthog-capture';
import { observeCapture, PostHogCaptureMetricsModule } from 'nestjs-posthog-capture/opentelemetry';
import { sqlOutbox } from 'nestjs-posthog-capture/outbox';
import { PostHogRelayModule } from 'nestjs-posthog-capture/relay';
import { reportFlags } from '../../lib/capture/flag-stats.js';
import { QUIET_FLAGS } from '../support/flag-stats.js';
import { contextOf } from '../support/outbox.js';
import { capturedEvent, OutboxRows, projectAt } from '../support/outbox-rows.js';
import { silent } from '../support/recording.js';
import { ScriptedQueue } from '../support/scripted-queue.js';
import { UNREACHABLE } from '../../lib/queue/capture-queue.js';
import { boot, closeAll, KEY, onClose, start, startPostHog } from '../support/harness.js';
import { until } from '../support/until.js';

afterEach(async () => {
  metrics.disable();
  await closeAll();
});

const LATE = { flushIntervalMs: 60_000, flushAt: 500, coolDownMs: 60_000 };

interface Point {
  readonly attributes: object;
  readonly value: unknown;
}

/** OpenTelemetry's own SDK, exporting to memory. */
function startSdk(): { provider: MeterProvider; meter: Meter; collect: () => Promise<Map<string, Point[]>> } {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  onClose(() => provider.shutdown());
  const collect = async (): Promise<Map<string, Point[]>> => {
    exporter.reset();
    await provider.forceFlush();
    const exported = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics);
    return new Map(
      exported.flatMap((scope) =>
        scope.metrics.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints] as [string, Point[]]),
      ),
    );
  };
  return { provider, meter: provider.getMeter('test'), collect };
}

it('reports the values of stats(), in the units of the semantic conventions', async () => {
  const { capture, posthog } = await start({
    ...LATE,
    maxRetries: 1,
    maxQueueEvents: 50,
    beforeSend: (event) => (event.event === 'secret' ? null : event),
  });
  const { meter, collect } = startSdk();
  observeCapture(capture, meter);
  capture.capture({ event: 'a', distinctId: 'ann' });
  await capture.flush();
  capture.capture({ event: 'secret', distinctId: 'ann' });
  posthog.failAlways({ status: 503 });
  capture.capture({ event: 'b', distinctId: 'ann' });
  await capture.flush();
  const points = await collect();
  const values = Object.fromEntries(
    [...points]
      .filter(([name]) => !/duration|queue\.age|by_event/.test(name))
      .map(([name, all]) => [
        name,
        all.map(({ value, attributes }) => [value, ...(Object.values(attributes) as unknown[])]),
      ]),
  );
  expect(values).toEqual({
    'posthog.capture.events.captured': [[3]],
    'posthog.capture.events.recovered': [[0]],
    'posthog.capture.events.delivered': [[1]],
    'posthog.capture.events.dropped': [[1, 'before_send']],
    'posthog.capture.queue.events': [
      [1, 'waiting'],
      [0, 'in_flight'],
    ],
    'posthog.capture.queue.capacity': [[50]],
    'posthog.capture.queue.memory': [[capture.stats().pendingBytes]],
    'posthog.capture.request.retries': [[1]],
    'posthog.capture.cooling_down': [[1]],
    'posthog.capture.store.failing': [[0]],
  });
  const [age] = points.get('posthog.capture.queue.age') ?? [];
  expect(age?.value).toBeGreaterThan(0);
  expect(age?.value).toBeLessThan(60);
});

it('reports events by name, the names that came first, so that no count ever decreases', async () => {
  const { capture, lines } = await start({ ...LATE, beforeSend: (event) => (event.event === 'secret' ? null : event) });
  const { meter, collect } = startSdk();
  observeCapture(capture, meter, { name: 'billing' });
  const byEvent = async (): Promise<Record<string, unknown>> => {
    const points = [...(await collect())].filter(([name]) => name.startsWith('posthog.capture.by_event.'));
    return Object.fromEntries(points.map(([name, all]) => [name.slice(25), all.map((p) => [p.value, p.attributes])]));
  };
  const of = (event: string, more = {}): object => ({
    'posthog.capture.instance': 'billing',
    'posthog.capture.event.name': event,
    ...more,
  });
  capture.capture({ event: 'a', distinctId: 'ann' });
  capture.capture({ event: 'a' });
  capture.capture({ event: 'secret', distinctId: 'ann' });
  const { pendingBytes } = capture.stats();
  expect(await byEvent()).toEqual({
    captured: [
      [2, of('a')],
      [1, of('secret')],
    ],
    size: [
      [pendingBytes, of('a')],
      [0, of('secret')],
    ],
    personless: [
      [1, of('a')],
      [0, of('secret')],
    ],
    dropped: [[1, of('secret', { 'posthog.capture.drop.reason': 'before_send' })]],
  });
  for (let index = 0; index < 2000; index += 1) capture.capture({ event: `event_${index}`, distinctId: 'ann' });
  const { captured } = (await byEvent()) as { captured: [number, object][] };
  expect(captured).toHaveLength(51);
  expect(captured.slice(0, 3)).toEqual([
    [2, of('a')],
    [1, of('secret')],
    [1, of('event_0')],
  ]);
  expect(captured.at(-1)).toEqual([1952, of('(others)')]);
  expect(lines).toEqual([]);
});

it('reports the shared queue, as far as it is known', async () => {
  const queue = new ScriptedQueue();
  queue.sampled = { oldestMs: 2500, events: 7, bytes: 900, relays: 2 };
  const { capture } = await boot({ queue });
  const { meter, collect } = startSdk();
  observeCapture(capture, meter);
  const shared = async (): Promise<Record<string, unknown>> => {
    const points = [...(await collect())].filter(([name]) => name.startsWith('posthog.capture.relay.'));
    return Object.fromEntries(points.map(([name, all]) => [name.slice(22), all[0]?.value]));
  };
  await until(() => capture.stats().queue?.events !== null);
  expect(await shared()).toEqual({ lag: 2.5, events: 7, memory: 900, members: 2, failing: 0 });
});

it.each<[string, (queue: ScriptedQueue) => void]>([
  ['down', (queue) => (queue.sampled = { ...UNREACHABLE })],
  ['full', (queue) => (queue.sampled = { state: 'full' })],
  ['that may delete events', (queue) => (queue.problems = [{ severity: 'down', message: 'It may', remedy: 'set it' }])],
])('reports a shared queue %s as failing', async (_, fail) => {
  const queue = new ScriptedQueue();
  fail(queue);
  const { capture } = await boot({ queue });
  await until(() => capture.stats().queue?.state !== 'ok' || capture.stats().queue?.problems.length !== 0);
  const { meter, collect } = startSdk();
  observeCapture(capture, meter);
  expect((await collect()).get('posthog.capture.relay.failing')?.map(({ value }) => value)).toEqual([1]);
});

it('reports the feature flags of an instance that evaluates them', async () => {
  const { capture } = await boot({});
  const { meter, collect } = startSdk();
  observeCapture(capture, meter, { name: 'billing' });
  const ofFlags = async (): Promise<Record<string, unknown>> => {
    const points = [...(await collect())].filter(([name]) => name.startsWith('posthog.flags.'));
    return Object.fromEntries(points.map(([name, all]) => [name, all.map((point) => [point.value, point.attributes])]));
  };
  expect(await ofFlags()).toEqual({});
  const reads = [
    { key: 'checkout', value: 'blue', count: 3 },
    { key: 'checkout', value: false, count: 2 },
    { key: 'checkout', value: null, count: 1 },
  ];
  const flags = { ...QUIET_FLAGS, requests: 4, timeouts: 1, coolDownUntil: Date.now(), reads, otherReads: 7 };
  reportFlags(capture, () => flags);
  const instance = { 'posthog.capture.instance': 'billing' };
  const checkout = { ...instance, 'feature_flag.key': 'checkout' };
  expect(await ofFlags()).toEqual({
    'posthog.flags.reads': [
      [3, { ...checkout, 'feature_flag.result.variant': 'blue' }],
      [2, { ...checkout, 'feature_flag.result.variant': 'false' }],
      [1, checkout],
      [7, instance],
    ],
    'posthog.flags.requests': [[4, instance]],
    'posthog.flags.request.timeouts': [[1, instance]],
    'posthog.flags.cooling_down': [[1, instance]],
    'posthog.flags.definitions.age': [[60, instance]],
  });
});

it('reports the outbox of a relay', async () => {
  const posthog = await startPostHog();
  posthog.failWhen(() => ({ status: 503 }));
  const db = new Database(':memory:');
  const rows = new OutboxRows('sqlite', db);
  await rows.create();
  await rows.put(projectAt(posthog.url), [{ ...capturedEvent(1), capturedAt: Date.now() - 600_000 }, capturedEvent(2)]);
  const source = sqlOutbox({ run: db, dialect: 'sqlite' });
  const relay = PostHogRelayModule.forRoot({ apiKey: KEY, host: posthog.url, source, logger: silent });
  const app = await contextOf([relay]);
  const capture = app.get<CaptureService>(getCaptureToken('relay'));
  const { meter, collect } = startSdk();
  observeCapture(capture, meter);
  await until(() => capture.stats().queue?.relays === 1);
  const points = await collect();
  const valuesOf = (name: string): unknown[] =>
    (points.get(`posthog.capture.relay.${name}`) ?? []).map(({ value }) => value);
  expect(valuesOf('events')).toEqual([2]);
  expect(valuesOf('members')).toEqual([1]);
  expect(valuesOf('lag')[0]).toBeGreaterThanOrEqual(600);
  // A database does not tell.
  expect(valuesOf('memory')).toEqual([]);
});

it('reports the AI events, which wait in a queue of their own, from the first one on', async () => {
  const { capture } = await start(LATE);
  const { meter, collect } = startSdk();
  observeCapture(capture, meter);
  const ofAi = async (): Promise<unknown[]> => {
    const points = await collect();
    return ['posthog.capture.ai.events', 'posthog.capture.ai.memory'].map((name) => points.get(name)?.[0]?.value);
  };
  capture.capture({ event: 'a', distinctId: 'ann' });
  expect(await ofAi()).toEqual([undefined, undefined]);
  capture.captureAi({ event: '$ai_span', distinctId: 'ann' });
  expect(await ofAi()).toEqual([1, capture.stats().ai?.pendingBytes]);
});

it('records the duration of each request, with its status or error', async () => {
  const { capture, posthog } = await start({ ...LATE, maxRetries: 0, requestTimeoutMs: 3000 });
  const { meter, collect } = startSdk();
  observeCapture(capture, meter, { name: 'billing' });
  capture.capture({ event: 'a', distinctId: 'ann' });
  for (const fault of [{ status: 503 }, { hang: true }, null] as const) {
    posthog.failAlways(fault);
    await capture.flush();
  }
  const points = (await collect()).get('posthog.capture.request.duration') ?? [];
  expect(points.map(({ attributes }) => attributes)).toEqual([
    { 'posthog.capture.instance': 'billing', 'http.response.status_code': 503, 'error.type': '503' },
    { 'posthog.capture.instance': 'billing', 'error.type': 'timeout' },
    { 'posthog.capture.instance': 'billing', 'http.response.status_code': 200 },
  ]);
  const [, timeout] = points.map(({ value }) => value as { count: number; sum: number; buckets: object });
  expect(timeout).toMatchObject({ count: 1, buckets: { boundaries: expect.arrayContaining([0.005, 10]) } });
  expect(timeout?.sum).toBeGreaterThanOrEqual(2.95);
  // Seconds, not milliseconds.
  expect(timeout?.sum).toBeLessThan(300);
});

it('stops after one more collection', async () => {
  const { capture } = await start(LATE);
  const { meter, collect } = startSdk();
  const end = observeCapture(capture, meter);
  await capture.captureNow({ event: 'a', distinctId: 'ann' });
  end();
  await capture.captureNow({ event: 'b', distinctId: 'ann' });
  expect((await collect()).get('posthog.capture.events.delivered')).toMatchObject([{ value: 2 }]);
  await capture.captureNow({ event: 'c', distinctId: 'ann' });
  const later = await collect();
  expect(later.get('posthog.capture.events.delivered')?.[0]?.value ?? 2).toBe(2);
  expect(later.get('posthog.capture.request.duration')).toMatchObject([{ value: { count: 2 } }]);
});

@Module({})
class AppModule {}

describe('PostHogCaptureMetricsModule', () => {
  it('observes each instance with the global MeterProvider, up to the final counts at shutdown', async () => {
    const posthog = await startPostHog();
    const { provider, collect } = startSdk();
    metrics.setGlobalMeterProvider(provider);
    const options = { apiKey: KEY, host: posthog.url, logger: false, ...LATE } as const;
    const { logger, ...settings } = options;
    const app = await NestFactory.createApplicationContext(
      {
        module: AppModule,
        imports: [
          PostHogCaptureModule.forRoot(settings),
          PostHogCaptureModule.forRoot({ ...settings, name: 'billing', isGlobal: false }),
          PostHogCaptureMetricsModule.forRoot(),
          PostHogCaptureMetricsModule.forRoot({ name: 'billing' }),
        ],
      },
      { logger },
    );
    onClose(() => app.close());
    app.get(CaptureService).capture({ event: 'a', distinctId: 'ann' });
    app.get<CaptureService>(getCaptureToken('billing')).capture({ event: 'b', distinctId: 'ann' });
    await app.close();
    expect((await collect()).get('posthog.capture.events.delivered')).toMatchObject([
      { value: 1, attributes: {} },
      { value: 1, attributes: { 'posthog.capture.instance': 'billing' } },
    ]);
  });

  it('reports events delivered by a late attempt at shutdown, even if metrics are collected before that', async () => {
    const posthog = await startPostHog();
    const { meter, collect } = startSdk();
    const settings = { apiKey: KEY, host: posthog.url, ...LATE, maxRetries: 0 };
    const app = await NestFactory.createApplicationContext(
      {
        module: AppModule,
        imports: [
          PostHogCaptureModule.forRoot(settings),
          PostHogCaptureMetricsModule.forRoot({ meter }),
          // Each module that wants metrics may ask for them.
          PostHogCaptureMetricsModule.forRoot({ meter }),
        ],
      },
      { logger: false },
    );
    onClose(() => app.close());
    const capture = app.get(CaptureService);
    await capture.captureNow({ event: 'before', distinctId: 'ann' });
    posthog.failAlways({ status: 503 });
    for (let n = 0; n < 20; n += 1) capture.capture({ event: 'a', distinctId: 'ann' });
    const closing = app.close();
    for (let requests = 2; requests < 5; requests += 1) {
      await posthog.waitForRequests(requests);
      await collect();
    }
    posthog.failAlways(null);
    await closing;
    const last = await collect();
    expect(last.get('posthog.capture.events.delivered')).toMatchObject([{ value: 21 }]);
    const counted = last
      .get('posthog.capture.request.duration')
      ?.map(({ value }) => (value as { count: number }).count);
    expect(counted?.reduce((sum, count) => sum + count)).toBe(posthog.requests.length);
  });

  it('ignores a test double of the service', async () => {
    const { meter, collect } = startSdk();
    const module = await Test.createTestingModule({
      imports: [PostHogCaptureModule.forRoot({ apiKey: KEY }), PostHogCaptureMetricsModule.forRoot({ meter })],
    })
      .overrideProvider(CaptureService)
      .useValue({ capture: () => undefined })
      .compile();
    const app = module.createNestApplication({ logger: false });
    onClose(() => app.close());
    await app.init();
    expect(await collect()).toEqual(new Map());
    await app.close();
  });
});
