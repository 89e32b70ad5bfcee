import { type DynamicModule, type INestApplicationContext, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  CaptureService,
  getCaptureToken,
  PostHogCaptureModule,
  type PostHogCaptureModuleOptions,
} from 'nestjs-posthog-capture';
import { PostHogRelayModule, type PostHogRelayModuleOptions } from 'nestjs-posthog-capture/relay';
import { type FakePostHog, overrideCapture } from 'nestjs-posthog-capture/testing';
import { captureSource } from '../../lib/inspector/capture-source.js';
import { EventFeed } from '../../lib/live/event-feed.js';
import { masker } from '../../lib/live/mask.js';
import {
  captureMany,
  closeAll,
  expectBalanced,
  KEY,
  onClose,
  startPostHog,
  watchAnswers,
  watchedOptions,
} from '../support/harness.js';
import { MemoryEventStore } from '../support/memory-event-store.js';
import { ScriptedQueue } from '../support/scripted-queue.js';
import { until } from '../support/until.js';

afterEach(closeAll);

interface Part {
  readonly app: INestApplicationContext;
  readonly capture: CaptureService;
  readonly lines: string[];
}

async function bootPart(module: DynamicModule | Type, name: string | undefined, lines: string[]): Promise<Part> {
  const app = await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
  onClose(() => app.close());
  const capture = app.get<CaptureService>(getCaptureToken(name));
  watchAnswers(capture);
  return { app, capture, lines };
}

function startPod(queue: ScriptedQueue, options: PostHogCaptureModuleOptions = {}): Promise<Part> {
  const lines: string[] = [];
  const settings = { apiKey: KEY, queue, ...watchedOptions(options, lines) };
  return bootPart(PostHogCaptureModule.forRoot(settings), undefined, lines);
}

function startRelay(
  queue: ScriptedQueue,
  posthog: FakePostHog,
  options: PostHogRelayModuleOptions = {},
): Promise<Part> {
  const lines: string[] = [];
  const { logger } = watchedOptions({}, lines);
  const quick = { retryBaseMs: 4, retryMaxMs: 40, coolDownMs: 60, flushIntervalMs: 5 };
  const settings = { apiKey: KEY, host: posthog.url, source: queue, ...quick, logger, ...options };
  return bootPart(PostHogRelayModule.forRoot(settings), 'relay', lines);
}

describe('a pod', () => {
  it('hands events to the queue at the end of the turn, in one batch, and sends nothing to PostHog', async () => {
    const posthog = await startPostHog();
    const queue = new ScriptedQueue();
    const { capture } = await startPod(queue, { host: posthog.url, flushAt: 500, flushIntervalMs: 60_000 });
    captureMany(capture, 300);
    expect(queue.batches).toEqual([]);
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(queue.batches.map(({ events }) => events.length)).toEqual([300]);
    await capture.flush();
    expect(capture.stats()).toMatchObject({
      captured: 300,
      delivered: 300,
      pending: 0,
      requests: { byStatus: { ok: 1 } },
    });
    expect(queue.entries).toHaveLength(300);
    expect(posthog.requests).toEqual([]);
  });

  it('does not call onDelivery', async () => {
    const queue = new ScriptedQueue();
    const deliveries: unknown[] = [];
    const { capture } = await startPod(queue, { onDelivery: (delivery) => void deliveries.push(delivery) });
    captureMany(capture, 3);
    await capture.flush();
    expect(capture.stats().delivered).toBe(3);
    expect(deliveries).toEqual([]);
  });

  it('keeps events while the queue is down, within its limits, and hands them over soon after', async () => {
    const queue = new ScriptedQueue();
    const { capture, lines } = await startPod(queue, { maxQueueEvents: 100, coolDownMs: 60_000, maxRetries: 0 });
    queue.mode = 'down';
    captureMany(capture, 150);
    await capture.flush();
    expect(capture.stats()).toMatchObject({ pending: 100, delivered: 0, droppedByReason: { queue_full: 50 } });
    expectBalanced(capture);
    expect(lines).toContainEqual(
      'The queue is down. 100 events are kept and will be sent when the shared queue responds. Remedy: start it.',
    );
    queue.mode = 'ok';
    await until(() => capture.stats().pending === 0);
    expect(queue.entries).toHaveLength(100);
    expect(lines).toContainEqual('The shared queue responds again. 100 events will be sent.');
  });

  it('captures without a delay while the queue hangs', async () => {
    const queue = new ScriptedQueue();
    const { capture } = await startPod(queue);
    queue.hang();
    captureMany(capture, 1);
    await until(() => queue.batches.length === 1);
    // Synchronously, whatever the queue does.
    captureMany(capture, 1000);
    expect(capture.stats()).toMatchObject({ pending: 1001, dropped: 0 });
    queue.wake();
    await until(() => capture.stats().pending === 0);
  });

  it('hands over what is left when it is closed', async () => {
    const queue = new ScriptedQueue();
    const { app, capture } = await startPod(queue);
    captureMany(capture, 20);
    await app.close();
    expect(queue.entries).toHaveLength(20);
    expect(queue.released).toBeGreaterThan(0);
    expect(capture.stats()).toMatchObject({ delivered: 20, pending: 0 });
  });

  it('closes within shutdownTimeoutMs while the queue fails at once', async () => {
    const queue = new ScriptedQueue();
    const { app, capture } = await startPod(queue, { shutdownTimeoutMs: 50 });
    captureMany(capture, 1);
    await capture.flush();
    queue.mode = 'down';
    captureMany(capture, 3);
    await app.close();
    expect(capture.stats()).toMatchObject({ delivered: 1, droppedByReason: { shutdown: 3 }, pending: 0 });
  });

  it('keeps events in its store too, while the queue is down', async () => {
    const queue = new ScriptedQueue();
    const store = new MemoryEventStore();
    queue.mode = 'down';
    const first = await startPod(queue, { store, maxRetries: 0 });
    captureMany(first.capture, 5);
    await first.app.close();
    expect(first.capture.stats()).toMatchObject({ pending: 5, dropped: 0 });
    queue.mode = 'ok';
    const second = await startPod(queue, { store });
    await second.capture.flush();
    expect(second.capture.stats()).toMatchObject({ recovered: 5, delivered: 5 });
    expect(queue.entries).toHaveLength(5);
  });

  it('is down while the queue refuses it', async () => {
    const queue = new ScriptedQueue();
    queue.mode = 'refused';
    const { capture } = await startPod(queue);
    captureMany(capture, 5);
    await capture.flush();
    expect(capture.stats()).toMatchObject({ pending: 5, lastFailure: { message: 'NOPERM', refusesAll: true } });
  });

  it('puts the events of two projects apart', async () => {
    const queue = new ScriptedQueue();
    const one = await startPod(queue);
    const other = await startPod(queue, { apiKey: 'phc_another' });
    captureMany(one.capture, 1);
    captureMany(other.capture, 1);
    await Promise.all([one.capture.flush(), other.capture.flush()]);
    const [first, second] = queue.entries.map(({ project }) => project);
    expect(first).toMatch(/^[0-9a-f]{16}$/);
    expect(second).toMatch(/^[0-9a-f]{16}$/);
    expect(first).not.toBe(second);
  });
});

describe('captureNow on a pod', () => {
  it('asks PostHog itself, with the retries of the options, whatever the state of the queue', async () => {
    const posthog = await startPostHog();
    const queue = new ScriptedQueue();
    queue.mode = 'down';
    const { capture } = await startPod(queue, {
      host: posthog.url,
      retryBaseMs: 1,
      maxRetries: 1,
      shutdownTimeoutMs: 50,
    });
    captureMany(capture, 1);
    posthog.fail({ status: 503 });
    expect(await capture.captureNow({ event: 'paid', distinctId: 'ann' })).toMatchObject({ success: true });
    expect(posthog.rows).toMatchObject([{ event: 'paid' }]);
    expect(capture.stats()).toMatchObject({ delivered: 1, pending: 1 });
    expectBalanced(capture);
  });

  it('says that it needs the key, which a queue with a project does not', async () => {
    const queue = new ScriptedQueue('shop');
    const { capture } = await startPod(queue, { apiKey: undefined });
    expect(await capture.captureNow({ event: 'paid', distinctId: 'ann' })).toMatchObject({
      success: false,
      error: expect.stringContaining('needs the API key: set apiKey (POSTHOG_API_KEY)'),
    });
    captureMany(capture, 2);
    await capture.flush();
    expect(queue.entries.map(({ project }) => project)).toEqual(['shop', 'shop']);
    expect(capture.stats()).toMatchObject({ captured: 3, delivered: 2, droppedByReason: { undelivered: 1 } });
    expectBalanced(capture);
  });
});

describe('a relay', () => {
  it('sends the events of all pods to PostHog, and keeps the books', async () => {
    const posthog = await startPostHog();
    const queue = new ScriptedQueue();
    const pods = await Promise.all([1, 2].map(() => startPod(queue, { host: posthog.url })));
    const deliveries: string[] = [];
    const relay = await startRelay(queue, posthog, { onDelivery: ({ uuids }) => void deliveries.push(...uuids) });
    const uuids = pods.flatMap(({ capture }) => captureMany(capture, 50, 5));
    await posthog.waitFor(() => posthog.rows.length === 100);
    await until(() => queue.entries.length === 0);
    expect(relay.capture.stats()).toMatchObject({ captured: 0, recovered: 100, delivered: 100, pending: 0 });
    expect(deliveries.sort()).toEqual(uuids.sort());
    expect(posthog.rows.map(({ uuid }) => uuid).sort()).toEqual(uuids.sort());
    expect(posthog.violations).toEqual([]);
  });

  it('converts events of pods with another captureMode', async () => {
    const posthog = await startPostHog();
    const queue = new ScriptedQueue();
    const pod = await startPod(queue, { host: posthog.url, captureMode: 'v1' });
    captureMany(pod.capture, 3);
    await startRelay(queue, posthog);
    await posthog.waitFor(() => posthog.rows.length === 3);
    expect(posthog.requests.map(({ path }) => path)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^\/batch/)]),
    );
  });

  it('leaves what it has not delivered to another one', async () => {
    const posthog = await startPostHog();
    const queue = new ScriptedQueue();
    const pod = await startPod(queue, { host: posthog.url });
    posthog.failAlways({ status: 503 });
    captureMany(pod.capture, 10);
    const first = await startRelay(queue, posthog, { maxRetries: 0 });
    await until(() => first.capture.stats().recovered === 10);
    await first.app.close();
    expect(queue.entries.map(({ owner }) => owner)).toEqual(Array.from({ length: 10 }, () => null));
    posthog.failAlways(null);
    await startRelay(queue, posthog);
    await posthog.waitFor(() => posthog.rows.length === 10);
  });

  it('that is closed waits for its requests, sends nothing more, and leaves the rest in the queue', async () => {
    const posthog = await startPostHog();
    const queue = new ScriptedQueue();
    const pod = await startPod(queue, { host: posthog.url });
    captureMany(pod.capture, 100);
    await pod.capture.flush();
    posthog.failAlways({ delayMs: 150 });
    const relay = await startRelay(queue, posthog, { maxBatchEvents: 10, concurrency: 1 });
    await posthog.waitFor(() => posthog.requests.length === 1);
    await relay.app.close();
    expect(posthog.requests.length).toBeLessThanOrEqual(2);
    const { delivered, pending } = relay.capture.stats();
    expect(delivered).toBe(posthog.rows.length);
    expect(queue.entries).toHaveLength(100 - delivered);
    // Two batches more than were in flight.
    expect(pending).toBeGreaterThan(0);
    expect(pending).toBeLessThanOrEqual(30);
    expect(queue.entries.every(({ owner }) => owner === null)).toBe(true);
    expectBalanced(relay.capture);
    expect(relay.lines).toContainEqual(
      `Shut down: ${delivered} events were delivered and 0 dropped since the start; ${pending} are left to other relays, in the shared queue.`,
    );
  });

  it('sends what it has captured itself before it closes', async () => {
    const posthog = await startPostHog();
    const relay = await startRelay(new ScriptedQueue(), posthog, { flushIntervalMs: 60_000, flushAt: 500 });
    captureMany(relay.capture, 3);
    await relay.app.close();
    expect(posthog.rows).toHaveLength(3);
  });

  it('starts while the queue is down, says so, and goes on when it works', async () => {
    const posthog = await startPostHog();
    const queue = new ScriptedQueue();
    const pod = await startPod(queue, { host: posthog.url });
    captureMany(pod.capture, 4);
    await pod.capture.flush();
    queue.mode = 'down';
    const relay = await startRelay(queue, posthog);
    await until(() => relay.lines.length > 0);
    expect(relay.lines).toContainEqual(
      expect.stringContaining(
        'The shared queue fails: down. Nothing is taken from it, and delivered events stay in it',
      ),
    );
    queue.mode = 'ok';
    await posthog.waitFor(() => posthog.rows.length === 4);
  });

  it('runs beside the pod in one application', async () => {
    const posthog = await startPostHog();
    const queue = new ScriptedQueue();
    const settings = { apiKey: KEY, host: posthog.url, logger: watchedOptions({}, []).logger };
    @Module({
      imports: [
        PostHogRelayModule.forRootAsync({ useFactory: () => ({ ...settings, flushIntervalMs: 5, source: queue }) }),
        PostHogCaptureModule.forRootAsync({ useFactory: () => ({ ...settings, queue }) }),
      ],
    })
    class AppModule {}
    const { app, capture } = await bootPart(AppModule, undefined, []);
    const relay = app.get<CaptureService>(getCaptureToken('relay'));
    capture.capture({ event: 'paid', distinctId: 'ann' });
    await posthog.waitFor(() => posthog.rows.length === 1);
    await until(() => relay.stats().delivered === 1);
    expect(capture.stats()).toMatchObject({ captured: 1, delivered: 1, queue: { role: 'pod' } });
    expect(relay.stats()).toMatchObject({ captured: 0, recovered: 1, queue: { role: 'relay' } });
    // The pod's last events are in the queue whichever of the two closes first.
    capture.capture({ event: 'left', distinctId: 'ann' });
    await app.close();
    expect(posthog.rows.length + queue.entries.length).toBe(2);
  });

  it.each<[string, unknown, string[]]>([
    ['without a source', { apiKey: KEY }, ['source']],
    ['with something else', { apiKey: KEY, source: 7 }, ['source']],
    ['without a key', { source: new ScriptedQueue() }, ['apiKey']],
    [
      'with the options of a pod',
      { apiKey: KEY, source: new ScriptedQueue(), queue: new ScriptedQueue(), store: '/x' },
      ['queue', 'store'],
    ],
    ['with every mistake at once', { flushAt: 'x', store: '/x', source: 7 }, ['store', 'source', 'apiKey', 'flushAt']],
    ['without anything', {}, ['source', 'apiKey']],
  ])('does not boot %s', async (_what, options, named) => {
    const module = PostHogRelayModule.forRoot(options as PostHogRelayModuleOptions);
    const boot = NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
    const error = (await boot.catch((thrown: unknown) => thrown)) as { problems: string[] };
    expect(error.problems.map((problem) => problem.split(/[ :]/)[0]).sort()).toEqual([...named].sort());
  });

  it('that is disabled needs nothing and does nothing', async () => {
    const { app, capture } = await bootPart(PostHogRelayModule.forRoot({ enabled: false }), 'relay', []);
    expect(capture.stats().queue).toBeNull();
    await app.close();
  });
});

describe('the shared queue is seen', () => {
  const sampled = { events: 1200, bytes: 90_000, oldestMs: 4000, relays: 2 };
  const FULL = { severity: 'degraded', message: 'The queue is full', remedy: 'raise maxBytes' } as const;

  it('in stats() and by the inspector, with its problems', async () => {
    const queue = new ScriptedQueue();
    Object.assign(queue, { sampled: { ...sampled, state: 'full' }, problems: [FULL] });
    const { capture, lines } = await startPod(queue);
    await until(() => capture.stats().queue?.events === 1200);
    expect(capture.stats().queue).toEqual({
      ...sampled,
      role: 'pod',
      state: 'full',
      partitionsHeld: 0,
      problems: [FULL],
    });
    expect(lines).toContainEqual('The queue is full. Remedy: raise maxBytes.');
    const probe = captureSource(capture, undefined).attach(
      new EventFeed({ maxEvents: 5, maxLength: 1000 }, masker(undefined)),
    );
    captureMany(capture, 1);
    await capture.flush();
    expect(probe.state()).toMatchObject({
      tone: 'warn',
      text: 'The shared queue responds; nothing waiting',
      detail: 'Shared queue: full, 1200 events (90.0 kB), oldest 4 s, 2 relays. The queue is full: raise maxBytes',
    });
    queue.mode = 'down';
    captureMany(capture, 1);
    await capture.flush();
    expect(probe.state().text).toMatch(/^The shared queue cannot be reached: cooling down/);
    probe.detach();
    queue.mode = 'ok';
  });

  it('by a relay, with its partitions', async () => {
    const posthog = await startPostHog();
    const queue = new ScriptedQueue();
    queue.sampled = { ...sampled, bytes: null, oldestMs: 0, events: 0, relays: 1 };
    const { capture } = await startRelay(queue, posthog);
    await until(() => capture.stats().queue?.relays === 1);
    const probe = captureSource(capture, 'relay').attach(
      new EventFeed({ maxEvents: 5, maxLength: 1000 }, masker(undefined)),
    );
    expect(probe.state()).toMatchObject({ detail: 'Shared queue: 0 events, 1 relay, 1 partition held here' });
    probe.detach();
  });
});

it('overrideCapture replaces pod and relay', async () => {
  const queue = new ScriptedQueue();
  const builder = Test.createTestingModule({
    imports: [PostHogCaptureModule.forRoot({ queue }), PostHogRelayModule.forRoot({ source: queue })],
  });
  const pod = overrideCapture(builder);
  overrideCapture(builder, { name: 'relay' });
  const app = (await builder.compile()).createNestApplication({ logger: false });
  await app.init();
  app.get(CaptureService).capture({ event: 'paid', distinctId: 'ann' });
  await app.close();
  expect(pod.events).toMatchObject([{ event: 'paid' }]);
  expect(queue.batches).toEqual([]);
});

describe('AI events', () => {
  const captureAi = (capture: CaptureService, count: number): void => {
    for (let n = 0; n < count; n += 1) capture.captureAi({ event: '$ai_span', distinctId: `person_${n}` });
  };

  it('are apart in the queue, and a relay sends them to their endpoint', async () => {
    const posthog = await startPostHog();
    const queue = new ScriptedQueue('shop');
    const pod = await startPod(queue, { host: posthog.url, captureMode: 'v1' });
    captureMany(pod.capture, 3);
    captureAi(pod.capture, 4);
    await pod.capture.flush();
    const projects = queue.entries.map(({ project }) => project);
    expect(projects.sort()).toEqual([...Array<string>(3).fill('shop'), ...Array<string>(4).fill('shop+ai')]);
    expect(pod.capture.stats()).toMatchObject({ captured: 7, delivered: 7, pending: 0 });
    const relay = await startRelay(queue, posthog);
    await posthog.waitFor(() => posthog.rows.length === 7);
    await until(() => queue.entries.length === 0);
    expect(posthog.rows.filter(({ endpoint }) => endpoint === 'ai').map(({ event }) => event)).toEqual(
      Array(4).fill('$ai_span'),
    );
    expect(relay.capture.stats()).toMatchObject({ recovered: 7, delivered: 7, pending: 0 });
    expect(posthog.violations).toEqual([]);
    expectBalanced(pod.capture);
    expectBalanced(relay.capture);
  });

  it('delay no other event at a relay while their endpoint hangs, and stay in the queue when it closes', async () => {
    const posthog = await startPostHog();
    posthog.failWhen(({ endpoint }) => (endpoint === 'ai' ? { hang: true } : null));
    const queue = new ScriptedQueue();
    const pod = await startPod(queue, { host: posthog.url });
    captureAi(pod.capture, 20);
    await pod.capture.flush();
    const limits = { maxQueueEvents: 10, maxBatchEvents: 2, concurrency: 2, shutdownTimeoutMs: 100 };
    const relay = await startRelay(queue, posthog, limits);
    await posthog.waitFor(() => posthog.requests.length === 2);
    captureMany(pod.capture, 50, 7);
    await posthog.waitFor(() => posthog.rows.length === 50);
    expect(relay.capture.stats().ai?.pending).toBeGreaterThan(0);
    expectBalanced(relay.capture);
    await relay.app.close();
    await until(() => queue.entries.length === 20);
    expect(relay.capture.stats()).toMatchObject({ delivered: 50, dropped: 0 });
    expectBalanced(relay.capture);
  });

  it('go to PostHog itself with captureAiNow, which does not wait behind other calls', async () => {
    const posthog = await startPostHog();
    const queue = new ScriptedQueue();
    const { capture } = await startPod(queue, { host: posthog.url, concurrency: 1, shutdownTimeoutMs: 100 });
    expect(await capture.captureAiNow({ event: '$ai_span', distinctId: 'ann' })).toMatchObject({ success: true });
    expect(posthog.rows).toMatchObject([{ event: '$ai_span', endpoint: 'ai' }]);
    posthog.failWhen(({ endpoint }) => (endpoint === 'ai' ? { hang: true } : null));
    const abort = new AbortController();
    const hanging = capture.captureAiNow({ event: '$ai_span', distinctId: 'ann' }, { signal: abort.signal });
    await posthog.waitFor(() => posthog.requests.length === 2);
    expect(await capture.captureNow({ event: 'paid', distinctId: 'ann' })).toMatchObject({ success: true });
    abort.abort();
    expect(await hanging).toMatchObject({ success: false });
    expect(queue.entries).toEqual([]);
    expectBalanced(capture);
  });
});
