import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
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

describe('a write that is answered late', () => {
  const eventOf = (id: string): QueuedEvent => ({ ...EVENT, id });
  const [first, second, third] = [eventOf('1'), eventOf('2'), eventOf('3')];

  /** Answers appends only when told to, all of one turn with one promise. */
  function late() {
    const store = new MemoryEventStore();
    const keep = store.append.bind(store);
    let fail: (error: Error) => void = () => undefined;
    let answer: Promise<void> | undefined;
    const answering: EventStore = store;
    answering.append = () => (answer ??= new Promise((_, reject) => (fail = reject)));
    const failNow = async () => {
      fail(new Error('disk full'));
      answer = undefined;
      await jest.advanceTimersByTimeAsync(0);
    };
    const appended: QueuedEvent[] = [];
    const work = () => {
      answering.append = (events) => {
        appended.push(...events);
        keep(events);
        return undefined;
      };
    };
    return { ...setUp(store), appended, failNow, work };
  }

  it('misses all that one promise stood for when it fails, but not what was answered for meanwhile', async () => {
    const { durable, appended, failNow, work } = late();
    for (const event of [first, second, third]) durable.append(event);
    durable.remove(first);
    await jest.advanceTimersByTimeAsync(0);
    // Not handed to the store yet when the write fails.
    durable.remove(second);
    expect(durable.keepsAll).toBe(false);
    await failNow();
    expect([first, second, third].map((event) => durable.keeps(event))).toEqual([true, true, false]);
    work();
    await jest.advanceTimersByTimeAsync(LEFT_ALONE_MS);
    expect(appended).toEqual([third]);
    expect([durable.failing, durable.keepsAll]).toEqual([false, true]);
  });

  it('is one of several: each misses its own', async () => {
    const { durable, appended, failNow, work } = late();
    durable.append(first);
    const failed = failNow();
    durable.append(second);
    await failed;
    expect([first, second].map((event) => durable.keeps(event))).toEqual([false, true]);
    durable.remove(second);
    await failNow();
    expect(durable.written).toBeNull();
    work();
    await jest.advanceTimersByTimeAsync(LEFT_ALONE_MS);
    expect(appended).toEqual([first]);
  });

  it('counts as failed when the answer takes too long', async () => {
    const { durable, told } = late();
    durable.append(first);
    durable.remove(first);
    durable.append(second);
    await jest.advanceTimersByTimeAsync(5000);
    expect([told, durable.written]).toEqual([['fails: no answer within 5000 ms'], null]);
    expect([first, second].map((event) => durable.keeps(event))).toEqual([true, false]);
  });
});
