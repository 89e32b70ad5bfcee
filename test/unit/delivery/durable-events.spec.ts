import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { type EventStore, type QueuedEvent } from 'nestjs-posthog-capture';
import { DurableEvents } from '../../../lib/delivery/durable-events.js';
import { MemoryEventStore } from '../../support/memory-event-store.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const EVENT: QueuedEvent = { id: '1', name: 'a', orderKey: 'a', format: 'v0', payload: '{}', bytes: 2, capturedAt: 0 };
const LEFT_ALONE_MS = 10_000;

function setUp(store: EventStore): { durable: DurableEvents; told: string[] } {
  const told: string[] = [];
  const durable = new DurableEvents(
    { store, project: 'one', adapt: (event) => event },
    {
      storeFailed: (error) => told.push(`fails: ${(error as Error).message}`),
      storeWorks: () => told.push('works'),
      storeWarned: (warning) => told.push(warning),
    },
  );
  return { durable, told };
}

it('tells of a failure that follows one of which nothing came', async () => {
  const store = new MemoryEventStore();
  store.recover = () => Promise.reject(Object.assign(new Error('busy'), { temporary: true }));
  const { durable, told } = setUp(store);
  await durable.recover({ maxEvents: 1, maxBytes: 1 });
  expect([told, durable.failing]).toEqual([['fails: busy'], true]);
  await jest.advanceTimersByTimeAsync(LEFT_ALONE_MS);
  expect([told, durable.failing]).toEqual([['fails: busy'], false]);
  store.append = () => {
    throw new Error('disk full');
  };
  durable.append(EVENT);
  expect([told, durable.failing]).toEqual([['fails: busy', 'fails: disk full'], true]);
});

it('fails until the store holds what it missed', async () => {
  const store = new MemoryEventStore();
  const append = store.append.bind(store);
  store.append = () => {
    throw new Error('disk full');
  };
  const { durable, told } = setUp(store);
  durable.append(EVENT);
  await jest.advanceTimersByTimeAsync(LEFT_ALONE_MS);
  expect([told, durable.failing]).toEqual([['fails: disk full'], true]);
  store.append = append;
  await jest.advanceTimersByTimeAsync(LEFT_ALONE_MS);
  expect([told, durable.failing]).toEqual([['fails: disk full', 'works'], false]);
});
