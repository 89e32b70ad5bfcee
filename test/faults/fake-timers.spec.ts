import { setImmediate as realTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { TrackEvent } from 'nestjs-posthog-capture';
import { captureMany, closeAll, expectBalanced, start } from '../support/harness.js';
import { ADAPTERS, serve } from '../support/serve.js';

@Controller()
class Orders {
  @Get()
  @TrackEvent('order_read')
  read(): string {
    return 'order';
  }
}

afterEach(async () => {
  jest.useRealTimers();
  await closeAll();
});

describe('a fake clock that is reset', () => {
  it.each([
    ['an event that waits for flushIntervalMs', { flushIntervalMs: 100 }, 1],
    ['a full batch', { flushAt: 5, flushIntervalMs: 60_000 }, 5],
    ['events under way to a full batch', { flushAt: 2, maxBatchEvents: 10, flushIntervalMs: 60_000 }, 3],
  ])('does not keep back %s', async (_, options, count) => {
    const { capture, posthog } = await start(options);
    jest.useFakeTimers();
    captureMany(capture, count);
    jest.useRealTimers();
    await posthog.waitForEvents(count);
    captureMany(capture, count);
    await posthog.waitForEvents(2 * count);
    await capture.flush();
    expectBalanced(capture);
  });

  it.each([
    ['a retry', { maxRetries: 1, retryBaseMs: 100, coolDownMs: 60_000 }],
    ['the probe after a cool-down', { maxRetries: 0, coolDownMs: 100 }],
  ])('does not keep back %s', async (_, options) => {
    const { capture, posthog } = await start(options);
    posthog.fail([{ status: 503, delayMs: 50 }]);
    captureMany(capture, 1);
    await posthog.waitForRequests(1);
    jest.useFakeTimers();
    while (capture.stats().lastFailure === null) await realTurn();
    jest.useRealTimers();
    await posthog.waitForEvents(1);
    await capture.flush();
    expectBalanced(capture);
  });

  it('does not keep back events that are captured under another one', async () => {
    const { capture, posthog } = await start({ flushIntervalMs: 1000 });
    jest.useFakeTimers();
    captureMany(capture, 1);
    jest.useRealTimers();
    jest.useFakeTimers();
    captureMany(capture, 1);
    await jest.advanceTimersByTimeAsync(1000);
    await posthog.waitForEvents(2);
  });

  it('does not keep back captureNow and ready', async () => {
    const { capture } = await start({ maxQueueEvents: 2, flushIntervalMs: 60_000 });
    jest.useFakeTimers();
    captureMany(capture, 2);
    const done = Promise.all([capture.captureNow({ event: 'now', distinctId: 'user_1' }), capture.ready()]);
    jest.useRealTimers();
    expect((await done)[0].success).toBe(true);
  });
});

describe('a whole fake clock', () => {
  it.each(ADAPTERS)('does not stop requests, nor the start and the end of an application on %s', async (adapter) => {
    jest.useFakeTimers(adapter === 'fastify' ? { doNotFake: ['nextTick', 'queueMicrotask'] } : {});
    const { app, url, capture, posthog } = await serve({ adapter, controllers: [Orders], posthog: { requests: true } });
    expect(await (await fetch(url)).text()).toBe('order');
    const result = capture.captureNow({ event: 'now', distinctId: 'user_1' });
    await jest.advanceTimersByTimeAsync(0);
    expect((await result).success).toBe(true);
    await app.close();
    expect(posthog.events.map(({ event }) => event).sort()).toEqual(['http_request', 'now', 'order_read']);
  });

  it('is the clock of the intervals, and does not stop flush and close', async () => {
    const { app, capture, posthog } = await start({ flushIntervalMs: 60_000 });
    jest.useFakeTimers();
    captureMany(capture, 1);
    await jest.advanceTimersByTimeAsync(59_000);
    expect(posthog.requests).toHaveLength(0);
    await jest.advanceTimersByTimeAsync(1000);
    await posthog.waitForEvents(1);
    captureMany(capture, 1);
    await capture.flush();
    captureMany(capture, 1);
    await app.close();
    expect(posthog.events).toHaveLength(3);
    expectBalanced(capture);
  });
});
