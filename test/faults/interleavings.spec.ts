import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { type QueuedEvent } from 'nestjs-posthog-capture';
import { type BatchOutcome, type SendBatch } from '../../lib/delivery/delivery.js';
import { type DeliveryOptions, DeliveryPipeline } from '../../lib/delivery/delivery-pipeline.js';
import { senderOf, SILENT_OBSERVER } from '../support/silent-observer.js';

// Within one turn of the event loop no order is guaranteed: every order is tried, one microtask apart.
beforeEach(() => void jest.useFakeTimers({ now: 0 }));
afterEach(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
});

const OPTIONS: DeliveryOptions = {
  flushAt: 1,
  flushIntervalMs: 1000,
  maxBatchEvents: 2,
  maxBatchBytes: 1000,
  maxQueueEvents: 1000,
  maxQueueBytes: 10_000,
  concurrency: 3,
  maxRetries: 3,
  retryBaseMs: 20_000,
  retryMaxMs: 30_000,
  coolDownMs: 1000,
  maxEventAgeMs: null,
  shutdownTimeoutMs: 10_000,
};
/** More than a delivery, the scheduler and a flush take together. */
const MOST_HOPS = 10;
const FAILURE = { message: 'no', remedy: 'none' };
const LONG_MS = 86_400_000;

type Answer = (events: readonly QueuedEvent[]) => BatchOutcome;
const taken: Answer = () => ({ kind: 'settled', rejected: [], retry: [] });
const failed: Answer = () => ({ kind: 'retryable', failure: FAILURE });
const pause: Answer = () => ({ kind: 'retryable', failure: FAILURE, retryAfterMs: 500 });
const longPause: Answer = () => ({ kind: 'retryable', failure: FAILURE, retryAfterMs: LONG_MS });
const refused: Answer = () => ({ kind: 'refused', failure: FAILURE });
const halfTaken: Answer = ([, second]) => {
  return { kind: 'settled', rejected: [], retry: second ? [second.id] : [], retryAfterMs: LONG_MS };
};
const ANSWERS = [taken, failed, pause, longPause, refused, halfTaken] as const;

const event = (id: string): QueuedEvent => {
  return { id, name: id, orderKey: id, format: 'v0', payload: '{}', bytes: 2, capturedAt: Date.now() };
};

/** Lets `count` other continuations of this turn run first. */
async function hops(count: number): Promise<void> {
  for (let hop = 0; hop < count; hop += 1) await Promise.resolve();
}

/** A pipeline with three requests of two events in flight, which the test answers; later ones are accepted. */
async function threeInFlight() {
  jest.spyOn(Math, 'random').mockReturnValue(1);
  const answers = new Map<string, (answer: Answer) => void>();
  const send: SendBatch = ({ events }, { signal }) => {
    const id = events[0]?.id ?? '';
    if (answers.size === 3) return Promise.resolve(taken(events));
    return new Promise((resolve) => {
      answers.set(id, (answer) => resolve(answer(events)));
      signal.addEventListener('abort', () => resolve(failed(events)), { once: true });
    });
  };
  const pipeline = new DeliveryPipeline(OPTIONS, senderOf(send), SILENT_OBSERVER);
  for (const id of ['a1', 'a2', 'b1', 'b2', 'c1', 'c2']) pipeline.accept(event(id));
  await jest.advanceTimersByTimeAsync(10);
  expect([...answers.keys()]).toEqual(['a1', 'b1', 'c1']);
  return { pipeline, answer: (id: string, answer: Answer) => answers.get(id)?.(answer) };
}

const PAIRS = [failed, pause].flatMap((first) =>
  ANSWERS.map((second) => [first.name, second.name, first, second] as const),
);

it.each(PAIRS)(
  'continues without a flush when one batch waits (%s), another is answered (%s), and a third event follows at once',
  async (_first, _second, first, second) => {
    const stuck: string[] = [];
    for (const third of [...ANSWERS, null]) {
      for (const flushesAgain of [false, true]) {
        for (let hop = 0; hop < MOST_HOPS; hop += 1) {
          const { pipeline, answer } = await threeInFlight();
          answer('a1', first);
          if (!third) answer('c1', taken);
          await jest.advanceTimersByTimeAsync(10);
          answer('b1', second);
          await hops(hop);
          if (third) answer('c1', third);
          else void pipeline.flush(50);
          await jest.advanceTimersByTimeAsync(100);
          // During the pause or the cool-down, if there is one.
          if (flushesAgain) void pipeline.flush(50);
          await jest.advanceTimersByTimeAsync(60_000);
          if (pipeline.stats().pending > 0) {
            stuck.push(`${third?.name ?? 'a flush'} after ${hop} hops${flushesAgain ? ', and a flush' : ''}`);
          }
          await close(pipeline);
        }
      }
    }
    expect(stuck).toEqual([]);
  },
);

it.each(PAIRS)(
  'closes within its time limit when one batch waits (%s) and another is answered (%s)',
  async (_first, _second, first, second) => {
    for (let hop = 0; hop < MOST_HOPS; hop += 1) {
      const { pipeline, answer } = await threeInFlight();
      answer('a1', first);
      await jest.advanceTimersByTimeAsync(10);
      answer('b1', second);
      await hops(hop);
      await close(pipeline);
    }
  },
);

async function close(pipeline: DeliveryPipeline): Promise<void> {
  let closed = false;
  void pipeline.close().then(() => (closed = true));
  // Fractions of a millisecond are rounded.
  await jest.advanceTimersByTimeAsync(OPTIONS.shutdownTimeoutMs + 10);
  expect(closed).toBe(true);
  expect(pipeline.stats()).toMatchObject({ pending: 0, inFlight: 0 });
  expect(jest.getTimerCount()).toBe(0);
}
