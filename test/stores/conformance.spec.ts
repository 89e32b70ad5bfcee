import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'libsql';
import { type EventStore } from 'nestjs-posthog-capture';
import { fileEventStore } from 'nestjs-posthog-capture/store';
import { MemoryEventStore, SharedMemory } from '../support/memory-event-store.js';
import { MemoryQueue } from '../support/memory-queue.js';
import { outboxPlace } from '../support/outbox-place.js';
import { eventOf } from '../support/stored-events.js';
import { readOn } from '../support/store-directory.js';
import { describeRecovery, type EventPlace } from './recovery-contract.js';

/** A disk, and stores over it. */
interface Disk {
  store(): EventStore;
  remove(): Promise<void>;
}

const onDisk = (durability: 'tick' | 'capture') => async (): Promise<Disk> => {
  const path = await mkdtemp(join(tmpdir(), 'event-store-'));
  return {
    store: () => fileEventStore({ path, durability }),
    remove: () => rm(path, { recursive: true, force: true }),
  };
};

const inMemory = (): Promise<Disk> => {
  const memory = new SharedMemory();
  return Promise.resolve({ store: () => new MemoryEventStore(memory), remove: () => Promise.resolve() });
};

/** Events get there by processes that ended. */
async function filledByStores(create: () => Promise<Disk>): Promise<EventPlace> {
  const disk = await create();
  return {
    put: async (project, events) => {
      const store = disk.store();
      await store.recover({ project, maxEvents: 0, maxBytes: 0 });
      await store.append(events);
      await store.close();
    },
    source: () => disk.store(),
    remove: () => disk.remove(),
  };
}

const queueOf = (partitions: number) => (): Promise<EventPlace> => {
  const queue = new MemoryQueue(partitions);
  return Promise.resolve({
    put: (project, events) => {
      queue.put(project, events);
      return Promise.resolve();
    },
    source: () => queue.source(),
    expireClaims: () => {
      queue.loseLeases();
      return Promise.resolve(() => undefined);
    },
    remove: () => Promise.resolve(),
  });
};

describeRecovery('a store in memory', () => filledByStores(inMemory));
describeRecovery('a store in files', () => filledByStores(onDisk('tick')));
describeRecovery('a queue in memory', queueOf(4));
describeRecovery('a queue in memory with one partition', queueOf(1));
describeRecovery('an outbox in SQLite', () => outboxPlace('sqlite', new Database(':memory:')));

/** The contract of `append`, which every store must pass besides that of recovering. */
describe.each([
  ['in memory', inMemory],
  ['in files, per tick', onDisk('tick')],
  ['in files, per capture', onDisk('capture')],
])('an event store %s', (_, create) => {
  const EVERYTHING = { project: 'abc1', maxEvents: 100_000, maxBytes: 1_000_000_000 };
  let disk: Disk;
  const open: EventStore[] = [];

  const opened = async (project = EVERYTHING.project, limits: Partial<typeof EVERYTHING> = {}) => {
    const store = readOn(disk.store());
    open.push(store);
    const { events, warnings } = await store.recover({ ...EVERYTHING, ...limits, project });
    return { store, events, warnings };
  };

  beforeEach(async () => {
    disk = await create();
  });
  afterEach(async () => {
    for (const store of open.splice(0)) await store.close();
    await disk.remove();
  });

  it('recovers what was appended and not removed, in order and unchanged', async () => {
    const { store } = await opened();
    const events = Array.from({ length: 300 }, (_unused, index) => eventOf(index));
    await store.append(events.slice(0, 100));
    for (const event of events.slice(100)) void store.append([event]);
    await store.append([]);
    await store.remove(events.filter((_unused, index) => index % 3 === 0));
    await store.close();
    const { events: recovered, warnings } = await opened();
    expect(recovered).toEqual(events.filter((_unused, index) => index % 3 !== 0));
    expect(warnings).toEqual([]);
  });

  it('writes the events of the current turn on close', async () => {
    const { store } = await opened();
    const event = eventOf(1);
    void store.append([event]);
    await store.close();
    expect((await opened()).events).toEqual([event]);
  });

  it('keeps an event once, however often it is appended, and ignores the removal of unknown events', async () => {
    const { store } = await opened();
    const event = eventOf(1);
    await store.append([event, event]);
    await store.append([event]);
    await store.remove([eventOf(2)]);
    await store.close();
    const second = await opened();
    expect(second.events).toEqual([event]);
    await second.store.remove(second.events);
    await second.store.remove(second.events);
    await second.store.close();
    expect((await opened()).events).toEqual([]);
  });

  it('distinguishes two events with the same id', async () => {
    const { store } = await opened();
    const [first, second] = [eventOf(1), { ...eventOf(1), name: 'other' }];
    await store.append([first, second]);
    await store.remove([first]);
    await store.close();
    expect((await opened()).events).toEqual([second]);
  });

  it('removes the right one of several events with the same id', async () => {
    const { store } = await opened();
    const [first, second, third] = ['first', 'second', 'third'].map((name) => ({ ...eventOf(1), name }));
    await store.append([first!, second!, second!]);
    await store.remove([second!]);
    await store.append([third!]);
    await store.append([third!, first!]);
    await store.remove([first!, second!]);
    await store.append([third!]);
    await store.close();
    expect((await opened()).events).toEqual([third]);
  });

  it('forgets an event that is removed in the turn of its append, and keeps it if it is appended again', async () => {
    const { store } = await opened();
    const [first, second, third] = [eventOf(1), eventOf(2), eventOf(3)];
    void store.append([first, second, third]);
    void store.remove([first, second]);
    await store.append([first]);
    const alone = eventOf(4);
    void store.append([alone]);
    await store.remove([alone]);
    await store.close();
    expect((await opened()).events).toEqual([third, first]);
  });

  it('does not recover the events of a living owner', async () => {
    const [first, second] = [await opened(), await opened()];
    await first.store.append([eventOf(1)]);
    await second.store.append([eventOf(2)]);
    expect((await second.store.recover(EVERYTHING)).events).toEqual([]);
    await first.store.close();
    expect((await second.store.recover(EVERYTHING)).events).toEqual([eventOf(1)]);
    expect((await second.store.recover(EVERYTHING)).events).toEqual([]);
  });

  it('lets exactly one process recover the events of a dead one', async () => {
    const { store } = await opened();
    const events = Array.from({ length: 20 }, (_unused, index) => eventOf(index));
    await store.append(events);
    await store.close();
    const heirs = await Promise.all([opened(), opened(), opened()]);
    expect(heirs.flatMap((heir) => heir.events)).toEqual(events);
  });

  it('distinguishes the strings and times of adjacent events, whatever they contain', async () => {
    const { store } = await opened();
    const texts = ['', 'ü', '日本 \n', '\u{1F600}', 'plain', '1,2', '"]'];
    const events = texts.map((text, index) => {
      const payload = JSON.stringify({ text: text.repeat(index) });
      const capturedAt = 1_700_000_000_000 + (index - 3) * 10 ** (index + 6);
      const names = { id: `${text}${index}`, name: text, orderKey: texts.at(-index) ?? '' };
      return { ...eventOf(index), ...names, payload, bytes: Buffer.byteLength(payload), capturedAt };
    });
    await store.append(events);
    await store.close();
    expect((await opened()).events).toEqual(events);
  });

  it('accepts new events after a recovery', async () => {
    const { store } = await opened();
    await store.append([eventOf(1)]);
    await store.close();
    const second = await opened();
    await second.store.append([eventOf(2)]);
    await second.store.remove(second.events);
    await second.store.close();
    expect((await opened()).events).toEqual([eventOf(2)]);
  });
});
