import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { type QueuedEvent } from '../../../lib/delivery/delivery.js';
import { type DeliveryObserver } from '../../../lib/delivery/delivery.js';
import { DeliveryPipeline } from '../../../lib/delivery/delivery-pipeline.js';
import { DELIVERY_OPTIONS as OPTIONS } from '../../support/delivery-options.js';
import { senderOf, SILENT_OBSERVER } from '../../support/silent-observer.js';
import { MemoryEventStore, SharedMemory } from '../../support/memory-event-store.js';

const EVENT: QueuedEvent = { id: '1', name: 'a', orderKey: 'a', format: 'v0', payload: '{}', bytes: 2, capturedAt: 0 };

const noop = (): void => undefined;

beforeEach(() => void jest.useFakeTimers());
afterEach(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
});

it('leaves no timer behind after close()', async () => {
  const pipeline = new DeliveryPipeline(
    OPTIONS,
    senderOf(() => Promise.resolve({ kind: 'settled', rejected: [], retry: [] })),
    SILENT_OBSERVER,
  );
  pipeline.accept(EVENT);
  expect(jest.getTimerCount()).toBe(1);
  expect(await pipeline.close()).toMatchObject({ delivered: 1, pending: 0 });
  expect(jest.getTimerCount()).toBe(0);
});

it('sends after flushIntervalMs, and not before', async () => {
  const { pipeline, sent } = taking();
  pipeline.accept(EVENT);
  await jest.advanceTimersByTimeAsync(999);
  expect(sent).toEqual([]);
  await jest.advanceTimersByTimeAsync(1);
  expect(sent).toEqual([1]);
});

it.each([
  ['is set back', (real: number) => real - 3_600_000],
  ['runs ahead', (real: number) => real + 86_400_000],
])('measures a cool-down by the monotonic clock when the wall clock %s', async (_, jump) => {
  const { pipeline, sent } = failing('refused');
  pipeline.accept(EVENT);
  await jest.advanceTimersByTimeAsync(1000);
  expect(sent).toHaveLength(1);
  jest.setSystemTime(jump(Date.now()));
  await jest.advanceTimersByTimeAsync(29_999);
  expect(sent).toHaveLength(1);
  await jest.advanceTimersByTimeAsync(1);
  expect(sent).toHaveLength(2);
});

it('sends a probe when the cool-down is over, even if the clock ticks between two reads', async () => {
  const { pipeline, sent } = failing('refused');
  pipeline.accept(EVENT);
  await jest.advanceTimersByTimeAsync(1000);
  let now = Date.now() - 1;
  jest.spyOn(Date, 'now').mockImplementation(() => (now += 30_000 / 2));
  await jest.advanceTimersByTimeAsync(30_000);
  expect(sent).toHaveLength(2);
});

it('closes within its time limit when the clock is set back', async () => {
  const { pipeline } = failing('hang');
  pipeline.accept(EVENT);
  const closing = pipeline.close();
  jest.setSystemTime(Date.now() - 3_600_000);
  await jest.advanceTimersByTimeAsync(OPTIONS.shutdownTimeoutMs);
  expect(pipeline.accept(EVENT)).toBe(false);
  expect(await closing).toMatchObject({ dropped: { shutdown: 1 } });
});

function capture(pipeline: DeliveryPipeline, events: number, first = 0): void {
  for (let n = first; n < first + events; n += 1) pipeline.accept({ ...EVENT, id: String(n), orderKey: String(n) });
}

/** Accepts every batch, and records its size. */
function taking(options: Partial<typeof OPTIONS> = {}) {
  const sent: number[] = [];
  const pipeline = new DeliveryPipeline(
    { ...OPTIONS, ...options },
    senderOf((batch) => {
      sent.push(batch.events.length);
      return Promise.resolve({ kind: 'settled', rejected: [], retry: [] });
    }),
    SILENT_OBSERVER,
  );
  return { pipeline, sent };
}

function failing(how: 'refused' | 'hang', options: Partial<typeof OPTIONS> = {}) {
  const sent: QueuedEvent[][] = [];
  const failure = { message: 'no', remedy: 'none' };
  const pipeline = new DeliveryPipeline(
    { ...OPTIONS, ...options },
    senderOf(({ events }, { signal }) => {
      sent.push([...events]);
      if (how === 'refused') return Promise.resolve({ kind: 'refused', failure });
      return new Promise((resolve) =>
        signal.addEventListener('abort', () => resolve({ kind: 'retryable', failure }), { once: true }),
      );
    }),
    SILENT_OBSERVER,
  );
  return { pipeline, sent };
}

it.each([
  ['leaves when it is full', 500, 0, [500]],
  ['leaves soon when no more events arrive', 100, 5, [100]],
  ['waits a moment for more events', 499, 5, [499]],
  ['leaves full, and the rest soon after', 620, 5, [500, 120]],
  ['leaves full, and a rest below flushAt after the interval', 599, 1000, [500, 99]],
])('a batch %s', async (_, events, afterMs, expected) => {
  const { pipeline, sent } = taking();
  capture(pipeline, events);
  // A timer of no time takes a millisecond.
  if (afterMs > 0) {
    await jest.advanceTimersByTimeAsync(afterMs - 1);
    expect(sent).toEqual(expected.slice(0, -1));
  }
  await jest.advanceTimersByTimeAsync(1);
  expect(sent).toEqual(expected);
  await pipeline.close();
});

it.each([
  ['events', { maxQueueEvents: 240 }],
  ['bytes', { maxQueueBytes: 240 * EVENT.bytes }],
])('does not wait for more when that could fill the queue with %s', async (_, limit) => {
  const { pipeline, sent } = taking(limit);
  capture(pipeline, 120);
  await jest.advanceTimersByTimeAsync(1);
  expect(sent).toEqual([120]);
  await pipeline.close();
});

it.each([
  ['events', { maxQueueEvents: 241 }],
  ['bytes', { maxQueueBytes: 241 * EVENT.bytes }],
])('does not wait for more when events in flight leave little capacity for %s', async (_, limit) => {
  const { pipeline, sent } = failing('hang', { ...limit, flushAt: 121 });
  capture(pipeline, 121);
  await jest.advanceTimersByTimeAsync(1);
  // 120 more would fit.
  capture(pipeline, 59, 121);
  await jest.advanceTimersByTimeAsync(10);
  expect(sent.map(({ length }) => length)).toEqual([121]);
  capture(pipeline, 1, 180);
  await jest.advanceTimersByTimeAsync(1);
  expect(sent.map(({ length }) => length)).toEqual([121, 60]);
});

it.each([
  ['events', { maxQueueEvents: 100 }],
  ['bytes', { maxQueueBytes: 100 * EVENT.bytes }],
])('drops nothing at a steady rate while the queue has capacity for twice the %s in flight', async (_, limit) => {
  const dropped: string[] = [];
  const pipeline = new DeliveryPipeline(
    { ...OPTIONS, ...limit },
    senderOf(async () => {
      await new Promise((resolve) => void setTimeout(resolve, 45));
      return { kind: 'settled', rejected: [], retry: [] };
    }),
    { ...SILENT_OBSERVER, dropped: ({ uuid }) => dropped.push(uuid ?? '') },
  );
  for (let n = 0; n < 1000; n += 1) {
    capture(pipeline, 1, n);
    await jest.advanceTimersByTimeAsync(1);
  }
  expect(dropped).toEqual([]);
  expect(pipeline.stats().delivered).toBeGreaterThan(900);
});

const CALL = { timeoutMs: 60_000 };

it.each<[string, (pipeline: DeliveryPipeline) => void]>([
  ['an event larger than the queue', (pipeline) => pipeline.accept({ ...EVENT, bytes: OPTIONS.maxQueueBytes + 1 })],
  [
    'a call that was aborted before',
    (pipeline) => pipeline.deliverNow(EVENT, { ...CALL, signal: AbortSignal.abort() }),
  ],
  [
    'a call that is aborted before it is sent',
    (pipeline) => {
      const abort = new AbortController();
      void pipeline.deliverNow(EVENT, { ...CALL, signal: abort.signal });
      abort.abort();
    },
  ],
])('leaves no timer behind for %s after close()', async (_, late) => {
  const { pipeline } = taking();
  await pipeline.close();
  late(pipeline);
  expect(pipeline.stats().pending).toBe(0);
  await jest.advanceTimersByTimeAsync(1);
  expect(jest.getTimerCount()).toBe(0);
});

it('leaves events out of a split batch when their callers have given up', async () => {
  const sent: string[][] = [];
  const failure = { message: 'no', remedy: 'none' };
  const pipeline = new DeliveryPipeline(
    OPTIONS,
    senderOf(async ({ events }) => {
      sent.push(events.map(({ id }) => id));
      await new Promise((resolve) => void setTimeout(resolve, 500));
      return sent.length === 1 ? { kind: 'tooLarge', failure } : { kind: 'settled', rejected: [], retry: [] };
    }),
    SILENT_OBSERVER,
  );
  const short = pipeline.deliverNow({ ...EVENT, id: 'short' }, { timeoutMs: 100 });
  const long = pipeline.deliverNow({ ...EVENT, id: 'long' }, CALL);
  await jest.advanceTimersByTimeAsync(2000);
  expect(await short).toMatchObject({ delivered: false, reason: 'undelivered' });
  expect(await long).toEqual({ delivered: true });
  expect(sent).toEqual([['short', 'long'], ['long']]);
});

/** Retry-After pauses one batch for 20 s, then another is refused, which starts a cool-down of 2 s. */
async function pausedAndCooling(coolingDown: DeliveryObserver['coolingDown'] = noop) {
  const failure = { message: 'no', remedy: 'none' };
  const sent: string[] = [];
  const pipeline = new DeliveryPipeline(
    { ...OPTIONS, flushAt: 1, maxBatchEvents: 1, coolDownMs: 2000 },
    senderOf(async ({ events }) => {
      sent.push(events[0]?.id ?? '');
      if (sent.length === 1) return { kind: 'retryable', failure, retryAfterMs: 20_000 };
      await new Promise((resolve) => void setTimeout(resolve, 100));
      return sent.length === 2 ? { kind: 'refused', failure } : { kind: 'settled', rejected: [], retry: [] };
    }),
    { ...SILENT_OBSERVER, coolingDown },
  );
  capture(pipeline, 2);
  await jest.advanceTimersByTimeAsync(100);
  expect(sent).toEqual(['0', '1']);
  return { pipeline, sent };
}

it('a cool-down does not shorten a pause that the receiver asked for', async () => {
  const coolingDown = jest.fn<DeliveryObserver['coolingDown']>();
  const { pipeline, sent } = await pausedAndCooling(coolingDown);
  expect(coolingDown).toHaveBeenCalledWith(expect.anything(), 19_900, 2);
  expect(pipeline.stats().coolDownUntil).toBe(Date.now() + 19_900);
  await jest.advanceTimersByTimeAsync(19_899);
  expect(sent).toHaveLength(2);
  await jest.advanceTimersByTimeAsync(1);
  expect(sent).toHaveLength(3);
});

it.each<[string, (pipeline: DeliveryPipeline) => Promise<unknown>]>([
  ['flush()', (pipeline) => pipeline.flush(1000)],
  ['close()', (pipeline) => pipeline.close()],
])('%s sends a probe during a pause longer than the cool-down', async (_, end) => {
  const { pipeline, sent } = await pausedAndCooling();
  const ended = end(pipeline);
  await jest.advanceTimersByTimeAsync(1000);
  expect(await ended).toMatchObject({ delivered: 2 });
  expect(sent).toHaveLength(4);
});

it('leaves nothing in the store that is captured and delivered while it closes, whenever that is', async () => {
  for (let hops = 0; hops < 40; hops += 1) {
    const memory = new SharedMemory();
    let delivered = 0;
    const late = async (): Promise<void> => {
      for (let hop = 0; hop < hops; hop += 1) await Promise.resolve();
      pipeline.accept({ ...EVENT, id: 'late' });
    };
    const observer: DeliveryObserver = {
      ...SILENT_OBSERVER,
      delivered: ({ length }) => {
        delivered += length;
        if (delivered === 1) void late();
      },
    };
    const pipeline = new DeliveryPipeline(
      OPTIONS,
      senderOf(() => Promise.resolve({ kind: 'settled', rejected: [], retry: [] })),
      observer,
      { store: new MemoryEventStore(memory), project: 'one', adapt: (event) => event, describeError: String },
    );
    await pipeline.recover();
    pipeline.accept(EVENT);
    const closing = pipeline.close();
    await jest.advanceTimersByTimeAsync(OPTIONS.shutdownTimeoutMs);
    await closing;
    expect([hops, delivered, memory.events.size]).toEqual([hops, 2, 0]);
  }
});
