import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { type QueuedEvent } from 'nestjs-posthog-capture';
import { type BatchOutcome } from '../../../lib/delivery/delivery.js';
import { type DeliveryOptions, DeliveryPipeline } from '../../../lib/delivery/delivery-pipeline.js';
import { type EventStore, type ReadableStore } from '../../../lib/delivery/durability/event-store.js';
import { DELIVERY_OPTIONS } from '../../support/delivery-options.js';
import { senderOf, SILENT_OBSERVER } from '../../support/silent-observer.js';
import { idsOf, manyEvents } from '../../support/stored-events.js';

const OPTIONS: DeliveryOptions = {
  ...DELIVERY_OPTIONS,
  flushAt: 1,
  lingerMs: 0,
  maxBatchEvents: 4,
  maxQueueEvents: 100,
  concurrency: 2,
};
const SETTLED: BatchOutcome = { kind: 'settled', rejected: [], retry: [] };

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** A pipeline over a store with these events, whose requests are answered by the test. */
async function started(events: readonly QueuedEvent[], more?: Partial<EventStore>, options?: Partial<DeliveryOptions>) {
  const left = [...events];
  const store: ReadableStore = {
    recover: ({ maxEvents }) => Promise.resolve({ events: left.splice(0, maxEvents), warnings: [] }),
    remove: () => undefined,
    close: () => Promise.resolve(),
    ...more,
  };
  const sent: string[] = [];
  const answers: (() => void)[] = [];
  const sender = senderOf(({ events: batch }) => {
    sent.push(...idsOf(batch));
    return new Promise((resolve) => answers.push(() => resolve(SETTLED)));
  });
  const durability = { store, project: 'one', adapt: (event: QueuedEvent) => event, describeError: String };
  /** Until nothing happens any more. */
  const settle = async (): Promise<void> => {
    for (let turns = 0; turns < 20; turns += 1) await jest.advanceTimersByTimeAsync(1);
  };
  const pipeline = new DeliveryPipeline({ ...OPTIONS, ...options }, sender, SILENT_OBSERVER, durability);
  await pipeline.recover();
  await settle();
  return {
    pipeline,
    sent,
    recovered: () => events.length - left.length,
    /** Answers this many requests at once. */
    answer: async (requests = 1) => {
      for (const respond of answers.splice(0, requests)) respond();
      await settle();
    },
  };
}

const persons = (count: number, from = 0): QueuedEvent[] =>
  manyEvents(count, from).map((event) => ({ ...event, orderKey: event.id }));
const onePerson = (count: number): QueuedEvent[] => manyEvents(count).map((event) => ({ ...event, orderKey: 'one' }));

it('takes at least two batches more than are in flight from a store that is filled elsewhere', async () => {
  const events = persons(60);
  const { sent, recovered, answer } = await started(events);
  expect([sent.length, recovered()]).toEqual([8, 16]);
  await answer();
  expect([sent.length, recovered()]).toEqual([12, 20]);
  while (sent.length < 60) await answer();
  expect(sent).toEqual(idsOf(events));
});

it('takes a full batch for each of many requests, which may all end before the store is read again', async () => {
  let isRead = true;
  const events = persons(60);
  const left = [...events];
  const recover: ReadableStore['recover'] = ({ maxEvents }) =>
    isRead ? Promise.resolve({ events: left.splice(0, maxEvents), warnings: [] }) : new Promise(() => undefined);
  const { sent, answer } = await started(events, { recover }, { concurrency: 5 });
  expect([sent.length, left.length]).toEqual([20, 20]);
  isRead = false;
  await answer(5);
  expect(sent).toEqual(idsOf(events.slice(0, 40)));
});

it('takes more while the events it has wait for those in flight', async () => {
  const events = [...onePerson(30), ...persons(30, 30)];
  const { sent, answer } = await started(events);
  // The first request has four events of one person, whose others must wait.
  expect(sent).toEqual(['id_0', 'id_1', 'id_2', 'id_3', 'id_30', 'id_31']);
  for (let requests = 0; requests < 60; requests += 1) await answer();
  expect(sent.toSorted()).toEqual(idsOf(events).toSorted());
});

it('takes all that there is capacity for from a store of its own, because new events must follow', async () => {
  const { sent, recovered } = await started(persons(60), { append: () => undefined });
  expect([sent.length, recovered()]).toEqual([8, 50]);
});
