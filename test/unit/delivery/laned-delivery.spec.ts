import { afterEach, expect, it } from '@jest/globals';
import { type QueuedEvent } from 'nestjs-posthog-capture';
import { type BatchOutcome } from '../../../lib/delivery/delivery.js';
import { DeliveryPipeline } from '../../../lib/delivery/delivery-pipeline.js';
import { LanedDelivery } from '../../../lib/delivery/lanes/laned-delivery.js';
import { senderOf, SILENT_OBSERVER } from '../../support/silent-observer.js';
import { idsOf, manyEvents } from '../../support/stored-events.js';

const OPTIONS = {
  flushAt: 100,
  flushIntervalMs: 60_000,
  maxBatchEvents: 100,
  maxBatchBytes: 100_000,
  maxQueueEvents: 1000,
  maxQueueBytes: 1_000_000,
  concurrency: 1,
  maxRetries: 0,
  retryBaseMs: 1,
  retryMaxMs: 1,
  coolDownMs: 60_000,
  maxEventAgeMs: null,
  shutdownTimeoutMs: 10_000,
};
const ACCEPTED: BatchOutcome = { kind: 'settled', rejected: [], retry: [] };
const FAILED: BatchOutcome = { kind: 'retryable', failure: { message: 'no', remedy: 'none' } };

const open: LanedDelivery[] = [];
afterEach(() => Promise.all(open.splice(0).map((delivery) => delivery.close())));

const isSecond = ({ format }: QueuedEvent): boolean => format === 'second';
const eventsOf = (format: string, count: number): QueuedEvent[] =>
  manyEvents(count).map((event) => ({ ...event, id: `${format}_${event.id}`, format }));

/** @param answer called for each batch, by its format */
function setUp(answer: (format: string) => BatchOutcome | Promise<BatchOutcome> = () => ACCEPTED) {
  const sent: string[][] = [];
  const opened: (readonly [number, boolean])[] = [];
  const pipeline = (shutdownTimeoutMs: number, requests?: DeliveryPipeline['requests']) =>
    new DeliveryPipeline(
      { ...OPTIONS, shutdownTimeoutMs },
      senderOf(async ({ events, format }) => {
        sent.push(idsOf(events));
        return answer(format);
      }),
      SILENT_OBSERVER,
      undefined,
      undefined,
      requests,
    );
  const first = pipeline(OPTIONS.shutdownTimeoutMs);
  const delivery = new LanedDelivery(
    first,
    {
      takes: isSecond,
      open: (shutdownTimeoutMs, isLate) => {
        opened.push([shutdownTimeoutMs, isLate]);
        return pipeline(shutdownTimeoutMs, first.requests);
      },
    },
    OPTIONS,
  );
  open.push(delivery);
  const accept = (events: readonly QueuedEvent[]): void => events.forEach((event) => delivery.accept(event));
  return { delivery, sent, opened, accept };
}

it('opens the second lane with its first event, and flushes both', async () => {
  const { delivery, sent, opened, accept } = setUp();
  accept(eventsOf('first', 2));
  expect([opened, delivery.stats().secondLane]).toEqual([[], null]);
  accept(eventsOf('second', 2));
  expect(opened).toEqual([[10_000, false]]);
  const bytes = eventsOf('second', 2).reduce((sum, event) => sum + event.bytes, 0);
  expect(delivery.stats()).toMatchObject({
    pending: 4,
    pendingBytes: 2 * bytes,
    secondLane: { pending: 2, pendingBytes: bytes },
  });
  expect(await delivery.flush(10_000)).toEqual({ delivered: 4, pending: 0, dropped: {}, error: null });
  expect(sent).toEqual([
    ['first_id_0', 'first_id_1'],
    ['second_id_0', 'second_id_1'],
  ]);
  expect(delivery.stats()).toMatchObject({ delivered: 4, pending: 0, requests: { total: 2 } });
});

it('reports the failure of the lane that fails', async () => {
  const { delivery, accept } = setUp((format) => (format === 'second' ? FAILED : ACCEPTED));
  accept([...eventsOf('first', 2), ...eventsOf('second', 1)]);
  expect(await delivery.flush(10_000)).toEqual({ delivered: 2, pending: 1, dropped: {}, error: 'no' });
  expect(delivery.stats()).toMatchObject({
    delivered: 2,
    pending: 1,
    coolDownUntil: expect.any(Number),
    lastFailure: { message: 'no' },
  });
});

it('hands the events of both over, and settles each where it is', () => {
  const { delivery, accept } = setUp();
  const events = [...eventsOf('first', 2), ...eventsOf('second', 2)];
  accept(events);
  const remainder = delivery.handOver.begin(false);
  expect(idsOf(remainder.events)).toEqual(idsOf(events));
  remainder.settle(new Set([events[0]!, events[2]!]), 5);
  expect(delivery.stats()).toMatchObject({ delivered: 2, pending: 2, secondLane: { pending: 1 } });
});

it('shuts both down within one time, also a lane that is opened meanwhile', async () => {
  const answers: ((outcome: BatchOutcome) => void)[] = [];
  const { delivery, opened, accept } = setUp(() => new Promise((resolve) => answers.push(resolve)));
  accept(eventsOf('first', 1));
  const closing = delivery.close();
  await new Promise(setImmediate);
  accept(eventsOf('second', 1));
  const [[timeLeftMs, isLate]] = opened as [[number, boolean]];
  expect(isLate).toBe(true);
  expect(timeLeftMs).toBeLessThanOrEqual(10_000);
  while (answers.length < 2) await new Promise(setImmediate);
  for (const answer of answers) answer(ACCEPTED);
  await closing;
  expect(delivery.stats()).toMatchObject({ delivered: 2, pending: 0 });
});
