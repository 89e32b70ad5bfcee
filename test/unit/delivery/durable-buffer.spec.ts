import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type EventStore, type QueuedEvent, type RecoveryRequest } from 'nestjs-posthog-capture';
import { DurableBuffer } from '../../../lib/delivery/durability/durable-buffer.js';
import { MemoryEventStore, SharedMemory } from '../../support/memory-event-store.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const EVENT: QueuedEvent = { id: '1', name: 'a', orderKey: 'a', format: 'v0', payload: '{}', bytes: 2, capturedAt: 0 };
const LEFT_ALONE_MS = 10_000;

function setUp(
  store: EventStore,
  adapt = (event: QueuedEvent): QueuedEvent => event,
  project = 'one',
): { durable: DurableBuffer; told: string[] } {
  const told: string[] = [];
  const durable = new DurableBuffer(
    { store, project, adapt, describeError: (error) => (error as Error).message },
    {
      storeFailed: (problem) => told.push(`fails: ${problem}`),
      storeWorks: () => told.push('works'),
      storeWarned: (warning) => told.push(warning),
    },
    () => undefined,
  );
  return { durable, told };
}

const ROOM = { maxEvents: 10, maxBytes: 1000 };

async function recovered(durable: DurableBuffer): Promise<readonly QueuedEvent[]> {
  const all: QueuedEvent[] = [];
  await durable.recover(ROOM, (events) => all.push(...events));
  return all;
}

it('reports a failure that follows one without consequences', async () => {
  const store = new MemoryEventStore();
  store.recover = () => Promise.reject(Object.assign(new Error('busy'), { temporary: true }));
  const { durable, told } = setUp(store);
  await recovered(durable);
  expect([told, durable.failing]).toEqual([['fails: busy'], true]);
  await jest.advanceTimersByTimeAsync(LEFT_ALONE_MS);
  expect([told, durable.failing]).toEqual([['fails: busy'], false]);
  store.append = () => {
    throw new Error('disk full');
  };
  durable.append(EVENT);
  expect([told, durable.failing]).toEqual([['fails: busy', 'fails: disk full'], true]);
});

it('is failing until the store has every event', async () => {
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

describe('a write in progress', () => {
  const eventOf = (id: string): QueuedEvent => ({ ...EVENT, id });
  const [first, second, third] = [eventOf('1'), eventOf('2'), eventOf('3')];

  /** A store whose appends settle on demand; those of one turn share a promise. */
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

  it('lacks all events of a promise that rejects, except those settled meanwhile', async () => {
    const { durable, appended, failNow, work } = late();
    for (const event of [first, second, third]) durable.append(event);
    durable.remove(first);
    await jest.advanceTimersByTimeAsync(0);
    // The store has not been told yet when the write fails.
    durable.remove(second);
    expect(durable.keepsAll).toBe(false);
    await failNow();
    expect([first, second, third].map((event) => durable.keeps(event))).toEqual([true, true, false]);
    work();
    await jest.advanceTimersByTimeAsync(LEFT_ALONE_MS);
    expect(appended).toEqual([third]);
    expect([durable.failing, durable.keepsAll]).toEqual([false, true]);
  });

  it('is one of several: each lacks its own events', async () => {
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

  it('counts as failed when it takes too long', async () => {
    const { durable, told } = late();
    durable.append(first);
    durable.remove(first);
    durable.append(second);
    await jest.advanceTimersByTimeAsync(5000);
    expect([told, durable.written]).toEqual([['fails: no answer within 5000 ms'], null]);
    expect([first, second].map((event) => durable.keeps(event))).toEqual([true, false]);
  });
});

describe('a store that loses events', () => {
  const eventOf = (id: string, format = 'v0'): QueuedEvent => ({ ...EVENT, id, format });

  /** A store that can lose its events. */
  function losing(memory = new SharedMemory()) {
    const store = new MemoryEventStore(memory);
    const recover = store.recover.bind(store);
    let onLost: RecoveryRequest['onLost'];
    store.recover = (request) => {
      onLost = request.onLost;
      return recover(request);
    };
    const lose = (): void => {
      const lost = [...memory.events.keys()];
      memory.events.clear();
      onLost?.(new Error('the disk is gone'), lost);
    };
    return { memory, store, lose };
  }
  const idsIn = ({ events }: SharedMemory) => [...events.keys()].map(({ id }) => id);

  it('fails, and gets the unsettled events again', async () => {
    const { memory, store, lose } = losing();
    const { durable, told } = setUp(store);
    await recovered(durable);
    const [first, second, third] = [eventOf('1'), eventOf('2'), eventOf('3')];
    for (const event of [first, second, third]) durable.append(event);
    // The store has not been told yet.
    durable.remove(first);
    lose();
    expect([told, durable.failing]).toEqual([['fails: the disk is gone'], true]);
    expect([second, third].map((event) => durable.keeps(event))).toEqual([false, false]);
    durable.remove(second);
    await jest.advanceTimersByTimeAsync(LEFT_ALONE_MS);
    expect(idsIn(memory)).toEqual(['3']);
    expect([told, durable.failing]).toEqual([['fails: the disk is gone', 'works'], false]);
  });

  it('gets events of an earlier version again, and removes them when they are settled', async () => {
    const shared = new SharedMemory();
    shared.events.set(eventOf('1'), { project: 'one', owner: null });
    const { memory, store, lose } = losing(shared);
    const { durable } = setUp(store, (event) => ({ ...event, format: 'v1' }));
    const [event] = await recovered(durable);
    lose();
    expect(durable.keeps(event!)).toBe(false);
    await jest.advanceTimersByTimeAsync(LEFT_ALONE_MS);
    expect([idsIn(memory), durable.keeps(event!)]).toEqual([['1'], true]);
    durable.remove(event!);
    await jest.advanceTimersByTimeAsync(0);
    expect(idsIn(memory)).toEqual([]);
  });
});

describe('a store in use', () => {
  const REFUSED = /in use by an instance with another key or host.*a store of its own/;
  const another = (store: EventStore) => setUp(store, undefined, 'two').durable;

  it('is refused to another project until it is closed', async () => {
    const store = new MemoryEventStore();
    const [one, two] = [setUp(store).durable, another(store)];
    await recovered(one);
    await expect(recovered(two)).rejects.toThrow(REFUSED);
    await recovered(one);
    await one.close();
    const three = another(store);
    await recovered(three);
    // These do not own it.
    await one.close();
    await two.close();
    await expect(recovered(setUp(store).durable)).rejects.toThrow(REFUSED);
  });

  it('passes to the next user of its project: a failed boot closes nothing', async () => {
    const store = new MemoryEventStore();
    await recovered(setUp(store).durable);
    const next = setUp(store).durable;
    expect(await recovered(next)).toEqual([]);
    await expect(recovered(another(store))).rejects.toThrow(REFUSED);
    await next.close();
    expect(await recovered(another(store))).toEqual([]);
  });

  it('is refused while it closes, and free when closing failed', async () => {
    const store = new MemoryEventStore();
    let fail: (error: Error) => void = () => undefined;
    store.close = () => new Promise((_, reject) => (fail = reject));
    const { durable } = setUp(store);
    await recovered(durable);
    const closing = durable.close();
    await jest.advanceTimersByTimeAsync(0);
    await expect(recovered(another(store))).rejects.toThrow(REFUSED);
    fail(new Error('disk full'));
    await closing;
    expect(await recovered(another(store))).toEqual([]);
  });

  it('is free when the first recovery rejected', async () => {
    const store = new MemoryEventStore();
    const recover = store.recover.bind(store);
    store.recover = () => Promise.reject(new Error('no such table'));
    await expect(recovered(setUp(store).durable)).rejects.toThrow('no such table');
    store.recover = recover;
    expect(await recovered(another(store))).toEqual([]);
  });
});

it('keeps events that arrive while it closes in memory, because their removal would not reach the store', async () => {
  const memory = new SharedMemory();
  const store: EventStore = new MemoryEventStore(memory);
  const keep = store.append.bind(store);
  let answer = (): void => undefined;
  store.append = (events) => new Promise<void>((resolve) => (answer = resolve)).then(() => keep(events));
  const { durable } = setUp(store);
  durable.append(EVENT);
  const closing = durable.close();
  const late = { ...EVENT, id: '2' };
  durable.append(late);
  durable.remove(EVENT);
  answer();
  await closing;
  expect([durable.keeps(late), memory.events.size]).toEqual([false, 0]);
});

describe('a write that succeeds after it counted as failed', () => {
  /** A store whose first append succeeds on demand. */
  function tardy() {
    const memory = new SharedMemory();
    const store: EventStore = new MemoryEventStore(memory);
    const keep = store.append.bind(store);
    let land = (): void => undefined;
    store.append = (events) => {
      store.append = keep;
      return new Promise<void>((resolve) => (land = resolve)).then(() => keep(events));
    };
    const landNow = async () => {
      land();
      await jest.advanceTimersByTimeAsync(0);
    };
    return { ...setUp(store), store, memory, landNow };
  }
  const PATIENCE_MS = 5000;

  it('is undone for events settled before', async () => {
    const { durable, memory, landNow } = tardy();
    const other = { ...EVENT, id: '2' };
    durable.append(EVENT);
    durable.append(other);
    await jest.advanceTimersByTimeAsync(PATIENCE_MS);
    durable.remove(EVENT);
    await landNow();
    expect([...memory.events.keys()]).toEqual([other, EVENT]);
    await jest.advanceTimersByTimeAsync(LEFT_ALONE_MS);
    expect([...memory.events.keys()]).toEqual([other]);
  });

  it('is undone for events settled later', async () => {
    const { durable, memory, landNow } = tardy();
    durable.append(EVENT);
    await jest.advanceTimersByTimeAsync(PATIENCE_MS);
    await landNow();
    durable.remove(EVENT);
    await durable.close();
    expect(memory.events.size).toBe(0);
  });

  it('is undone when it succeeds while the store closes', async () => {
    const { durable, store, memory, landNow } = tardy();
    const close = store.close.bind(store);
    // Stores take their calls in order.
    const removed: string[] = [];
    store.remove = (events) => void removed.push(...events.map(({ id }) => id));
    store.close = async () => {
      await landNow();
      for (const event of [...memory.events.keys()]) if (removed.includes(event.id)) memory.events.delete(event);
      await close();
    };
    durable.append(EVENT);
    await jest.advanceTimersByTimeAsync(PATIENCE_MS);
    durable.remove(EVENT);
    await durable.close();
    expect(memory.events.size).toBe(0);
  });

  it('is undone for events that were appended again and settled', async () => {
    const { durable, memory, landNow } = tardy();
    durable.append(EVENT);
    await jest.advanceTimersByTimeAsync(PATIENCE_MS + LEFT_ALONE_MS);
    durable.remove(EVENT);
    await jest.advanceTimersByTimeAsync(0);
    expect(memory.events.size).toBe(0);
    await landNow();
    expect(memory.events.size).toBe(0);
  });

  it('is followed for one minute only', async () => {
    const { durable, memory, landNow } = tardy();
    durable.append(EVENT);
    await jest.advanceTimersByTimeAsync(PATIENCE_MS);
    durable.remove(EVENT);
    await jest.advanceTimersByTimeAsync(60_000);
    expect(jest.getTimerCount()).toBe(0);
    await landNow();
    await jest.advanceTimersByTimeAsync(LEFT_ALONE_MS);
    expect(memory.events.size).toBe(1);
  });

  it('keeps unsettled events, and the store works again', async () => {
    const { durable, told, memory, landNow } = tardy();
    durable.append(EVENT);
    await jest.advanceTimersByTimeAsync(PATIENCE_MS);
    expect(durable.keeps(EVENT)).toBe(false);
    await landNow();
    expect(durable.keeps(EVENT)).toBe(true);
    await jest.advanceTimersByTimeAsync(LEFT_ALONE_MS);
    expect([told, durable.failing]).toEqual([['fails: no answer within 5000 ms', 'works'], false]);
    expect([...memory.events.keys()]).toEqual([EVENT]);
  });
});
