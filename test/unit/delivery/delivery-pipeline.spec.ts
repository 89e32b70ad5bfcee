import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { type QueuedEvent } from '../../../lib/delivery/delivery.js';
import { DeliveryPipeline } from '../../../lib/delivery/delivery-pipeline.js';

const OPTIONS = {
  flushAt: 100,
  flushIntervalMs: 1000,
  maxBatchEvents: 500,
  maxBatchBytes: 100_000,
  maxQueueEvents: 1000,
  maxQueueBytes: 1_000_000,
  concurrency: 4,
  maxRetries: 3,
  retryBaseMs: 1000,
  retryMaxMs: 30_000,
  coolDownMs: 30_000,
  maxEventAgeMs: null,
  shutdownTimeoutMs: 10_000,
};
const IGNORE = { delivered: noop, dropped: noop, stalled: noop, recovered: noop, idle: noop };
const EVENT: QueuedEvent = { id: '1', name: 'a', orderKey: 'a', format: 'v0', payload: '{}', bytes: 2, capturedAt: 0 };

function noop(): void {
  // Nobody listens.
}

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

it('leaves no timer behind after close()', async () => {
  const pipeline = new DeliveryPipeline(
    OPTIONS,
    () => Promise.resolve({ kind: 'settled', rejected: [], retry: [] }),
    IGNORE,
  );
  pipeline.accept(EVENT);
  expect(jest.getTimerCount()).toBe(1);
  expect(await pipeline.close()).toMatchObject({ delivered: 1, pending: 0 });
  expect(jest.getTimerCount()).toBe(0);
});

it('sends at the latest after flushIntervalMs, and not before', async () => {
  const sent: number[] = [];
  const pipeline = new DeliveryPipeline(
    OPTIONS,
    (batch) => {
      sent.push(batch.events.length);
      return Promise.resolve({ kind: 'settled', rejected: [], retry: [] });
    },
    IGNORE,
  );
  pipeline.accept(EVENT);
  await jest.advanceTimersByTimeAsync(999);
  expect(sent).toEqual([]);
  await jest.advanceTimersByTimeAsync(1);
  expect(sent).toEqual([1]);
});
