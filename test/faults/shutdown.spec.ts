import { once } from 'node:events';
import { createServer, get, type RequestListener } from 'node:http';
import { type AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import {
  CaptureService,
  PostHogCaptureModule,
  type PostHogCaptureModuleOptions,
  TrackEvent,
} from 'nestjs-posthog-capture';
import { type Fault } from 'nestjs-posthog-capture/testing';
import { Books } from '../support/books.js';
import {
  captureMany,
  closeAll,
  expectBalanced,
  type Harness,
  KEY,
  onClose,
  start,
  startPostHog,
  watchedOptions,
} from '../support/harness.js';
import { MemoryEventStore } from '../support/memory-event-store.js';
import { SEED, Seeded } from '../support/seeded.js';
import { until } from '../support/until.js';

afterEach(closeAll);

const FAULTS: [Fault, ...Fault[]] = [
  { status: 503 },
  { status: 429, retryAfter: 999_999 },
  { reset: 'before' },
  { reset: 'after' },
  { redirect: '/elsewhere' },
];

describe.each(['v0', 'v1'] as const)('close(), %s', (captureMode) => {
  it.each([0, 1, 3])(
    `loses nothing within shutdownTimeoutMs while half of all requests fail, maxRetries %i (FAULT_SEED=${SEED})`,
    async (maxRetries) => {
      const random = new Seeded();
      const books = new Books();
      const { app, capture, posthog } = await start({
        captureMode,
        maxRetries,
        maxBatchEvents: 10,
        coolDownMs: 60_000,
        ...books.listeners,
      });
      books.follow(capture);
      books.captureOne('person_0');
      await capture.flush();
      posthog.failWhen(() => (random.chance(1 / 2) ? random.pick(FAULTS) : null));
      for (let index = 0; index < 400; index += 1) books.captureOne(`person_${index % 90}`);
      await app.close();
      books.check(posthog);
      expect(capture.stats()).toMatchObject({ delivered: 401, dropped: 0, pending: 0 });
    },
  );
});

it('sends the remaining events when PostHog recovers within shutdownTimeoutMs', async () => {
  const { app, capture, posthog } = await start({ coolDownMs: 60_000 });
  captureMany(capture, 1);
  await capture.flush();
  posthog.failAlways({ status: 503 });
  captureMany(capture, 50);
  await capture.flush();
  expect(capture.stats()).toMatchObject({ pending: 50 });
  const asked = posthog.requests.length;
  const closing = app.close();
  await posthog.waitForRequests(asked + 3);
  posthog.failAlways(null);
  await closing;
  expect(capture.stats()).toMatchObject({ delivered: 51, dropped: 0, pending: 0 });
  expectBalanced(capture);
});

it('does not wait for a PostHog that has never responded', async () => {
  const { app, capture, posthog } = await start({ coolDownMs: 60_000 });
  posthog.failAlways({ status: 503 });
  captureMany(capture, 50);
  await app.close();
  expect(capture.stats()).toMatchObject({ droppedByReason: { shutdown: 50 }, pending: 0 });
  expectBalanced(capture);
});

it.each([
  ['before shutdown', 1],
  ['before and during shutdown', 2],
])('makes one more attempt if Retry-After, received %s, exceeds the remaining time', async (_, times) => {
  const { app, capture, posthog } = await start({ retryMaxMs: 60_000, shutdownTimeoutMs: 15_000 });
  posthog.fail(Array.from({ length: times }, () => ({ status: 429, retryAfter: 30 })));
  captureMany(capture, 10);
  await until(() => capture.stats().lastFailure !== null);
  expect(capture.stats()).toMatchObject({ pending: 10 });
  await app.close();
  expect(capture.stats()).toMatchObject({ delivered: 10, dropped: 0, pending: 0 });
  expect(posthog.requests).toHaveLength(times + 1);
});

it('sends events that were captured while the store was closing', async () => {
  const store = new MemoryEventStore();
  const books = new Books();
  const { app, capture, posthog } = await start({ store, ...books.listeners });
  books.follow(capture);
  books.captureOne('early');
  store.close = async () => {
    books.captureOne('late');
    await wait(20);
    books.captureOne('later');
  };
  await app.close();
  // At this point Nest ends the process.
  expect(capture.stats()).toMatchObject({ delivered: 3, pending: 0 });
  books.check(posthog);
});

it.each([
  ['remain in the store', () => new MemoryEventStore(), '1 remain in the store for the next start, 0 were lost'],
  ['are lost', () => undefined, '1 were lost'],
])('reports events captured during shutdown that %s', async (_, store, words) => {
  const { app, capture, posthog, lines } = await start({ store: store(), shutdownTimeoutMs: 1500 });
  posthog.failWhen(({ index }) => {
    if (index > 0) return { hang: true };
    captureMany(capture, 1);
    return null;
  });
  captureMany(capture, 1);
  await app.close();
  expect(lines.at(-1)).toBe(`Shut down: 1 events were delivered, ${words}.`);
  expectBalanced(capture);
});

/** An application whose HTTP server is its own, and not closed by Nest, as in Nest's recipe for several servers. */
async function serveBySelf(options: PostHogCaptureModuleOptions): Promise<Harness & { respond: () => void }> {
  let respond = (): void => undefined;
  const posthog = await startPostHog();
  const lines: string[] = [];
  const drops: Harness['drops'] = [];
  @Controller()
  class Orders {
    @Get()
    @TrackEvent('order')
    @TrackEvent('order_any', { on: 'any' })
    wait(): Promise<string> {
      return new Promise((resolve) => (respond = () => resolve('done')));
    }
  }
  @Module({
    imports: [PostHogCaptureModule.forRoot({ apiKey: KEY, host: posthog.url, ...watchedOptions(options, lines) })],
    controllers: [Orders],
  })
  class AppModule {}
  const app = await NestFactory.create(AppModule, new ExpressAdapter(), { logger: false, abortOnError: false });
  onClose(() => app.close());
  await app.init();
  const server = createServer(app.getHttpAdapter().getInstance() as RequestListener).listen(0, '127.0.0.1');
  onClose(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  await once(server, 'listening');
  const request = get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', agent: false });
  request.on('error', () => undefined);
  await once(server, 'request');
  return { app, capture: app.get(CaptureService), posthog, lines, drops, respond: () => respond() };
}

it('waits for the responses that are open', async () => {
  const { app, capture, posthog, respond } = await serveBySelf({ shutdownTimeoutMs: 60_000 });
  capture.capture({ event: 'early', distinctId: 'user_1' });
  const closing = app.close();
  // The queue is sent meanwhile.
  await posthog.waitForEvents(1);
  respond();
  await closing;
  expect(posthog.events.map(({ event }) => event).sort()).toEqual(['early', 'order', 'order_any']);
  expectBalanced(capture);
});

it('waits no longer than shutdownTimeoutMs for a response that does not end', async () => {
  const { app, capture, posthog } = await serveBySelf({ shutdownTimeoutMs: 300 });
  capture.capture({ event: 'early', distinctId: 'user_1' });
  // On a busy machine, it may take longer than the time for the shutdown.
  await capture.flush();
  const before = performance.now();
  await app.close();
  expect(performance.now() - before).toBeLessThan(10_000);
  expect(posthog.events.map(({ event }) => event)).toEqual(['early']);
  expectBalanced(capture);
});
