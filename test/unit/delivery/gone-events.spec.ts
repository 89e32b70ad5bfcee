import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type QueuedEvent } from 'nestjs-posthog-capture';
import { type BatchOutcome, type DeliveryObserver } from '../../../lib/delivery/delivery.js';
import { type DeliveryOptions, DeliveryPipeline } from '../../../lib/delivery/delivery-pipeline.js';
import { type RecoveryRequest, type ReadableStore } from '../../../lib/delivery/durability/event-store.js';
import { DELIVERY_OPTIONS } from '../../support/delivery-options.js';
import { senderOf, SILENT_OBSERVER } from '../../support/silent-observer.js';
import { eventOf, idsOf, manyEvents } from '../../support/stored-events.js';

const OPTIONS: DeliveryOptions = {
  ...DELIVERY_OPTIONS,
  flushAt: 1,
  lingerMs: 0,
  maxBatchEvents: 4,
  maxQueueEvents: 100,
  concurrency: 1,
};
const FAILURE = { message: 'no', remedy: 'none' };

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** A relay whose store returns the given events once, and whose requests are answered by the test. */
async function relay(events: readonly QueuedEvent[], observer: Partial<DeliveryObserver> = {}) {
  const removed: QueuedEvent[] = [];
  let onGone: NonNullable<RecoveryRequest['onGone']> = () => undefined;
  let left = [...events];
  let certainty: Promise<void> | undefined;
  const store: ReadableStore = {
    recover: (request) => {
      onGone = request.onGone ?? onGone;
      return Promise.resolve({ events: left.splice(0, request.maxEvents), warnings: [] });
    },
    remove: (gone) => void removed.push(...gone),
    confirm: () => certainty,
    close: () => Promise.resolve(),
  };
  const sent: string[][] = [];
  const answers: ((outcome: BatchOutcome) => void)[] = [];
  const pipeline = new DeliveryPipeline(
    OPTIONS,
    senderOf((batch, { signal }) => {
      sent.push(idsOf(batch.events));
      return new Promise((resolve) => {
        answers.push(resolve);
        signal.addEventListener('abort', () => resolve({ kind: 'retryable', failure: FAILURE }), { once: true });
      });
    }),
    { ...SILENT_OBSERVER, ...observer },
    // Each event is adapted: the store and the queue know different objects.
    { store, project: 'one', adapt: (event) => ({ ...event, format: 'v1' }), describeError: String },
  );
  await pipeline.recover();
  await jest.advanceTimersByTimeAsync(0);
  const answer = async (outcome: BatchOutcome = { kind: 'settled', rejected: [], retry: [] }): Promise<void> => {
    answers.shift()?.(outcome);
    await jest.advanceTimersByTimeAsync(0);
  };
  return {
    pipeline,
    sent,
    removed,
    answer,
    lose: (gone: readonly QueuedEvent[]) => onGone(gone),
    refill: (more: readonly QueuedEvent[]) => void (left = [...left, ...more]),
    doubt: () => {
      let settle = (): void => undefined;
      certainty = new Promise((resolve) => (settle = resolve));
      return () => {
        certainty = undefined;
        settle();
      };
    },
  };
}

/** Events of persons of their own. */
const several = (count: number): QueuedEvent[] => manyEvents(count).map((event) => ({ ...event, orderKey: event.id }));

describe('events that another process took over', () => {
  it('leave the queue: those that wait are not sent, and the counts balance', async () => {
    const events = several(8);
    const gone: string[][] = [];
    const { pipeline, sent, answer, lose } = await relay(events, { gone: (list) => gone.push(idsOf(list)) });
    expect(pipeline.stats()).toMatchObject({ recovered: 8, pending: 8, inFlight: 4 });
    lose(events.slice(5, 7));
    expect(pipeline.stats()).toMatchObject({ recovered: 6, pending: 6, inFlight: 4, delivered: 0 });
    await answer();
    await answer();
    expect(sent).toEqual([idsOf(events.slice(0, 4)), ['id_4', 'id_7']]);
    expect(gone).toEqual([['id_5', 'id_6']]);
    expect(pipeline.stats()).toMatchObject({ recovered: 6, delivered: 6, pending: 0, pendingBytes: 0, inFlight: 0 });
  });

  it('are not counted if a request in flight delivers them', async () => {
    const events = several(4);
    const delivered: string[] = [];
    const { pipeline, answer, lose, removed } = await relay(events, {
      delivered: (list) => delivered.push(...idsOf(list)),
    });
    lose(events.slice(0, 2));
    await answer();
    expect(delivered).toEqual(['id_2', 'id_3']);
    expect(removed.map(({ id }) => id)).toEqual(['id_2', 'id_3']);
    expect(pipeline.stats()).toMatchObject({ recovered: 2, delivered: 2, pending: 0, inFlight: 0 });
  });

  it('are not sent again if the request in flight fails, or are refused', async () => {
    const events = several(4);
    const dropped: unknown[] = [];
    const retried: string[][] = [];
    const { pipeline, sent, answer, lose } = await relay(events, {
      dropped: (drop) => dropped.push(drop),
      retrying: (list) => retried.push(idsOf(list)),
    });
    lose(events.slice(1, 3));
    await answer({ kind: 'retryable', failure: FAILURE });
    expect(retried).toEqual([['id_0', 'id_3']]);
    await jest.advanceTimersByTimeAsync(1000);
    expect(sent).toEqual([idsOf(events), ['id_0', 'id_3']]);
    lose([events[3]!]);
    await answer({ kind: 'settled', rejected: [{ id: 'id_3', detail: 'bad' }], retry: [] });
    expect(dropped).toEqual([]);
    expect(pipeline.stats()).toMatchObject({ recovered: 1, delivered: 1, pending: 0 });
  });

  it('end a batch of which nothing is left, and the next one is sent', async () => {
    const events = several(6);
    const { pipeline, sent, answer, lose } = await relay(events);
    lose(events.slice(0, 4));
    await answer({ kind: 'retryable', failure: FAILURE });
    expect(sent).toEqual([idsOf(events.slice(0, 4)), ['id_4', 'id_5']]);
    await answer();
    expect(pipeline.stats()).toMatchObject({ recovered: 2, delivered: 2, pending: 0, lastFailure: null });
  });

  it('do not end a cool-down when they were the probe', async () => {
    const events = several(6);
    const { pipeline, sent, answer, lose } = await relay(events);
    await answer({ kind: 'refused', failure: FAILURE });
    await jest.advanceTimersByTimeAsync(30_000);
    expect(sent).toHaveLength(2);
    lose(events.slice(0, 4));
    await answer({ kind: 'retryable', failure: FAILURE });
    expect(pipeline.stats().coolDownUntil).not.toBeNull();
    await jest.advanceTimersByTimeAsync(30_000);
    expect(sent.slice(1)).toEqual([['id_0'], ['id_4']]);
  });

  it('settle a flush that waits for them', async () => {
    const events = several(6);
    const { pipeline, answer, lose } = await relay(events);
    const flushed = pipeline.flush(10_000);
    lose(events.slice(4));
    await answer();
    expect(await flushed).toEqual({ delivered: 4, pending: 0, dropped: {}, error: null });
  });

  it('keep the order of a person whose other events stay', async () => {
    const events = [0, 1, 2, 3, 4, 5, 6, 7].map((index) => ({ ...eventOf(index), orderKey: 'one' }));
    const { sent, answer, lose } = await relay(events);
    lose([events[1]!, events[5]!]);
    await answer();
    await answer();
    expect(sent).toEqual([
      ['id_0', 'id_1', 'id_2', 'id_3'],
      ['id_4', 'id_6', 'id_7'],
    ]);
  });

  it('make room, which is filled from the store', async () => {
    const events = several(12);
    const { pipeline, lose, refill } = await relay(events);
    refill(manyEvents(30, 100));
    lose(events.slice(6, 10));
    expect(pipeline.stats().pending).toBe(8);
    await jest.advanceTimersByTimeAsync(0);
    expect(pipeline.stats()).toMatchObject({ recovered: 12, pending: 12 });
  });

  it('are ignored if they are unknown, or have their fate', async () => {
    const events = several(4);
    const { pipeline, answer, lose } = await relay(events);
    await answer();
    lose([...events, eventOf(99)]);
    expect(pipeline.stats()).toMatchObject({ recovered: 4, delivered: 4, pending: 0 });
  });
});

describe('a store that is not certain that events still belong to this process', () => {
  it('delays them, and they are sent once it is', async () => {
    const events = several(8);
    const { sent, answer, doubt } = await relay(events);
    const settle = doubt();
    await answer();
    await jest.advanceTimersByTimeAsync(4000);
    expect(sent).toHaveLength(1);
    settle();
    await jest.advanceTimersByTimeAsync(0);
    expect(sent).toHaveLength(2);
  });

  it('delays a retry, and what is gone by then is not sent', async () => {
    const events = several(4);
    const { sent, answer, doubt, lose } = await relay(events);
    const settle = doubt();
    await answer({ kind: 'retryable', failure: FAILURE });
    await jest.advanceTimersByTimeAsync(2000);
    lose(events.slice(0, 3));
    settle();
    await jest.advanceTimersByTimeAsync(0);
    expect(sent).toEqual([idsOf(events), ['id_3']]);
  });

  it('does not delay shutdown beyond its time', async () => {
    const { pipeline, doubt } = await relay(several(8));
    doubt();
    const closing = pipeline.close();
    await jest.advanceTimersByTimeAsync(OPTIONS.shutdownTimeoutMs);
    expect(await closing).toMatchObject({ delivered: 0, pending: 8 });
  });

  it('counts as a failure after a while', async () => {
    const { pipeline, sent, answer, doubt } = await relay(several(8));
    doubt();
    await answer();
    await jest.advanceTimersByTimeAsync(5000);
    expect(sent).toHaveLength(1);
    expect(pipeline.stats().lastFailure?.message).toMatch(/still belong to this process/);
  });
});

describe('a store that is filled elsewhere', () => {
  it('gets no events of this process, which are dropped at shutdown', async () => {
    const dropped: unknown[] = [];
    const { pipeline, sent, answer } = await relay([], { dropped: ({ reason }) => dropped.push(reason) });
    pipeline.accept(eventOf(1));
    await jest.advanceTimersByTimeAsync(0);
    expect(sent).toEqual([['id_1']]);
    expect(pipeline.stats().storeFailing).toBe(false);
    await answer({ kind: 'refused', failure: FAILURE });
    const closing = pipeline.close();
    await jest.advanceTimersByTimeAsync(0);
    await answer({ kind: 'refused', failure: FAILURE });
    await jest.advanceTimersByTimeAsync(OPTIONS.shutdownTimeoutMs);
    await closing;
    expect(dropped).toEqual(['shutdown']);
  });
});
