import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type BatchOutcome, type QueuedEvent, type Sender } from '../../../lib/delivery/delivery.js';
import { type DeliveryOptions, DeliveryPipeline } from '../../../lib/delivery/delivery-pipeline.js';
import { type ReadableStore } from '../../../lib/delivery/durability/event-store.js';
import { DELIVERY_OPTIONS } from '../../support/delivery-options.js';
import { senderOf, SILENT_OBSERVER } from '../../support/silent-observer.js';
import { eventOf, idsOf, manyEvents } from '../../support/stored-events.js';

/** Settings of a pod, which hands its events to a queue. */
const HOP: DeliveryOptions = {
  ...DELIVERY_OPTIONS,
  flushAt: 1,
  lingerMs: 0,
  retryBaseMs: 100,
  retryMaxMs: 1000,
  coolDownMs: 1000,
};
const SETTLED: BatchOutcome = { kind: 'settled', rejected: [], retry: [] };
const DOWN = { message: 'the queue is down', remedy: 'none', anySize: true };

describe('without a time to linger', () => {
  it('a batch leaves at the end of the turn, before timers', async () => {
    const order: string[] = [];
    const pipeline = new DeliveryPipeline(
      HOP,
      senderOf(({ events }) => {
        order.push(`sent ${events.length}`);
        return Promise.resolve(SETTLED);
      }),
      SILENT_OBSERVER,
    );
    await new Promise((resolve) => setImmediate(resolve));
    const timer = new Promise<void>((resolve) => setTimeout(() => resolve(void order.push('timer')), 1000));
    const turn = new Promise<void>((resolve) => setImmediate(() => resolve(void order.push('turn'))));
    for (const event of manyEvents(3)) pipeline.accept(event);
    expect(order).toEqual([]);
    await turn;
    await timer;
    expect(order).toEqual(['turn', 'sent 3', 'timer']);
    await pipeline.close();
  });
});

describe('in simulated time', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('leaves no timer behind, and sends what arrives during a request when it is over', async () => {
    const sent: number[] = [];
    const answers: (() => void)[] = [];
    const pipeline = new DeliveryPipeline(
      { ...HOP, concurrency: 1 },
      senderOf(({ events }) => {
        sent.push(events.length);
        return new Promise((resolve) => answers.push(() => resolve(SETTLED)));
      }),
      SILENT_OBSERVER,
    );
    pipeline.accept(eventOf(1));
    await jest.advanceTimersByTimeAsync(0);
    for (const event of manyEvents(5, 10)) pipeline.accept(event);
    await jest.advanceTimersByTimeAsync(0);
    expect(sent).toEqual([1]);
    answers.shift()?.();
    await jest.advanceTimersByTimeAsync(0);
    expect(sent).toEqual([1, 5]);
    answers.shift()?.();
    await pipeline.close();
    expect(jest.getTimerCount()).toBe(0);
  });

  it('does not blame the size of a batch that the receiver would refuse in any size', async () => {
    const sent: number[] = [];
    let isDown = true;
    const pipeline = new DeliveryPipeline(
      HOP,
      senderOf(({ events }) => {
        sent.push(events.length);
        // Lets single events through: without the hint, the size of the others would be to blame.
        return Promise.resolve(isDown && events.length > 1 ? { kind: 'retryable', failure: DOWN } : SETTLED);
      }),
      SILENT_OBSERVER,
    );
    for (const event of manyEvents(100)) pipeline.accept(event);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(new Set(sent)).toEqual(new Set([100]));
    expect(pipeline.stats()).toMatchObject({ pending: 100, batchLimit: null, lastFailure: DOWN });
    isDown = false;
    await jest.advanceTimersByTimeAsync(1000);
    expect(pipeline.stats()).toMatchObject({ delivered: 100, batchLimit: null, lastFailure: null });
  });

  it('sends only those events of a batch again that were not accepted', async () => {
    const sent: string[][] = [];
    const pipeline = new DeliveryPipeline(
      HOP,
      senderOf(({ events }) => {
        sent.push(idsOf(events));
        const retry = sent.length === 1 ? ['id_1', 'id_3'] : [];
        return Promise.resolve({ kind: 'settled', rejected: [], retry, failure: DOWN });
      }),
      SILENT_OBSERVER,
    );
    for (const event of manyEvents(4)) pipeline.accept(event);
    await jest.advanceTimersByTimeAsync(0);
    expect(pipeline.stats()).toMatchObject({ delivered: 2, pending: 2, lastFailure: DOWN, coolDownUntil: null });
    await jest.advanceTimersByTimeAsync(HOP.retryBaseMs);
    expect(sent).toEqual([
      ['id_0', 'id_1', 'id_2', 'id_3'],
      ['id_1', 'id_3'],
    ]);
    expect(pipeline.stats()).toMatchObject({ delivered: 4, pending: 0 });
  });

  describe('captureNow with a way of its own', () => {
    function hop(express: BatchOutcome, queue: BatchOutcome = SETTLED) {
      const sent: string[] = [];
      const released: string[] = [];
      const recording = (name: string, outcome: BatchOutcome): Sender => ({
        ...senderOf(({ events }) => {
          sent.push(...events.map(({ id }) => `${name} ${id}`));
          return Promise.resolve(outcome);
        }),
        release: () => void released.push(name),
      });
      const pipeline = new DeliveryPipeline(HOP, recording('queue', queue), SILENT_OBSERVER, undefined, {
        sender: recording('express', express),
        options: {
          maxBatchEvents: 10,
          maxBatchBytes: 1_000_000,
          concurrency: 1,
          maxRetries: 0,
          retryBaseMs: 1,
          retryMaxMs: 1,
        },
      });
      return { pipeline, sent, released };
    }

    it('does not pass through the queue', async () => {
      const { pipeline, sent, released } = hop(SETTLED);
      pipeline.accept(eventOf(1));
      const result = pipeline.deliverNow(eventOf(2), { timeoutMs: 1000 });
      await jest.advanceTimersByTimeAsync(0);
      expect(await result).toEqual({ delivered: true });
      expect(sent.sort()).toEqual(['express id_2', 'queue id_1']);
      await pipeline.close();
      expect(new Set(released)).toEqual(new Set(['queue', 'express']));
    });

    it('does not tell anything about the queue', async () => {
      const { pipeline } = hop(SETTLED, { kind: 'refused', failure: DOWN });
      pipeline.accept(eventOf(1));
      await jest.advanceTimersByTimeAsync(0);
      const { coolDownUntil } = pipeline.stats();
      expect(coolDownUntil).not.toBeNull();
      void pipeline.deliverNow(eventOf(2), { timeoutMs: 1000 });
      await jest.advanceTimersByTimeAsync(10);
      expect(pipeline.stats()).toMatchObject({ coolDownUntil, lastFailure: { message: DOWN.message }, delivered: 1 });
    });

    it('fails by itself', async () => {
      const { pipeline } = hop({ kind: 'retryable', failure: { message: 'PostHog is down', remedy: 'none' } });
      const result = pipeline.deliverNow(eventOf(2), { timeoutMs: 1000 });
      await jest.advanceTimersByTimeAsync(10);
      expect(await result).toMatchObject({ delivered: false, reason: 'undelivered', message: 'PostHog is down' });
      pipeline.accept(eventOf(1));
      await jest.advanceTimersByTimeAsync(10);
      expect(pipeline.stats()).toMatchObject({ delivered: 1, pending: 0, coolDownUntil: null });
    });
  });

  it('looks into a store as often as the store asks for, and at once when there is room again', async () => {
    const lookedAt: number[] = [];
    const left: QueuedEvent[] = [];
    let lookAgainMs = 100;
    const store: ReadableStore = {
      get lookAgainMs() {
        return lookAgainMs;
      },
      recover: ({ maxEvents }) => {
        lookedAt.push(Date.now());
        return Promise.resolve({ events: left.splice(0, maxEvents), warnings: [] });
      },
      remove: () => undefined,
      close: () => Promise.resolve(),
    };
    const sent: number[] = [];
    const pipeline = new DeliveryPipeline(
      { ...HOP, maxQueueEvents: 200, maxBatchEvents: 50, concurrency: 1 },
      senderOf(({ events }) => {
        sent.push(events.length);
        return Promise.resolve(SETTLED);
      }),
      SILENT_OBSERVER,
      { store, project: 'one', adapt: (event: QueuedEvent) => event, describeError: String },
    );
    jest.setSystemTime(0);
    await pipeline.recover();
    await jest.advanceTimersByTimeAsync(250);
    expect(lookedAt).toEqual([0, 100, 200]);
    lookAgainMs = 1000;
    await jest.advanceTimersByTimeAsync(1049);
    expect(lookedAt).toEqual([0, 100, 200, 300]);
    left.push(...manyEvents(1000));
    // Far less than until the next look.
    await jest.advanceTimersByTimeAsync(90);
    expect(pipeline.stats()).toMatchObject({ delivered: 1000, pending: 0 });
    await pipeline.close();
  });
});
