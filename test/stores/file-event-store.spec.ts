import { cp, mkdtemp, readdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type EventStore, type QueuedEvent } from 'nestjs-posthog-capture';
import { fileEventStore, type FileEventStoreOptions } from 'nestjs-posthog-capture/store';
import { Seeded, SEED } from '../support/seeded.js';

const REQUEST = { project: 'abc', maxEvents: 100_000, maxBytes: 1_000_000_000 };
const open: EventStore[] = [];
let path = '';

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'file-event-store-'));
});
afterEach(async () => {
  jest.restoreAllMocks();
  for (const store of open.splice(0)) await store.close();
  await rm(path, { recursive: true, force: true });
});

async function opened(options: Partial<FileEventStoreOptions> = {}, request: object = {}) {
  const store = fileEventStore({ path, ...options });
  open.push(store);
  return { store, ...(await store.recover({ ...REQUEST, ...request })) };
}

/** Creates and closes a store with events in it, as after an outage. Returns the path of its file. */
async function left(events: readonly QueuedEvent[], perTurn = events.length): Promise<string> {
  const before = await namesOf('.events');
  const { store } = await opened({}, { maxEvents: 0 });
  for (let from = 0; from < events.length; from += perTurn) await store.append(events.slice(from, from + perTurn));
  await store.close();
  const [name = ''] = (await namesOf('.events')).filter((one) => !before.includes(one));
  return join(path, name);
}

const namesOf = async (ending: string) => (await readdir(path)).filter((name) => name.endsWith(ending));
const many = (count: number, from = 0, size?: number) =>
  Array.from({ length: count }, (_, index) => eventOf(from + index, size));
const idsOf = (events: readonly QueuedEvent[]) => events.map(({ id }) => id);

describe('damage', () => {
  /** Changes the bytes of a file. */
  async function change(file: string, edit: (bytes: Buffer) => Buffer): Promise<void> {
    await writeFile(file, edit(await readFile(file)));
  }
  const flip = (at: number) => (bytes: Buffer) => {
    bytes[at]! ^= 1;
    return bytes;
  };
  /** Recovers and removes all events. Returns them with all warnings. */
  async function drained() {
    const { store, events, warnings } = await opened();
    await store.remove(events);
    const later = await store.recover(REQUEST);
    expect(later.events).toEqual([]);
    await store.close();
    return { events, warnings: [...warnings, ...later.warnings] };
  }

  it('of one bit costs at most the events that were written together, and is reported', async () => {
    const events = many(40);
    const texts = new Set(events.map(({ payload }) => payload));
    const file = await left(events, 10);
    const intact = await readFile(file);
    const random = new Seeded();
    const places = [0, 8, 12, 16, 20, 24, 28, 32, 36, 40, intact.length - 1, intact.length - 4];
    for (const at of [...places, ...Array.from({ length: 150 }, () => random.below(intact.length))]) {
      for (const name of await readdir(path)) await rm(join(path, name));
      const copy = await left([eventOf(99)]);
      await writeFile(copy, flip(at)(Buffer.from(intact)));
      const { events: recovered, warnings } = await drained();
      const what = `bit of byte ${at}`;
      expect([what, recovered.filter(({ payload }) => !texts.has(payload))]).toEqual([what, []]);
      if (at >= 8 && at < 12) {
        // The version.
        expect(warnings).toEqual([expect.stringContaining('newer version')]);
        continue;
      }
      expect([what, recovered.length >= 30]).toEqual([what, true]);
      expect(idsOf(recovered)).toEqual(idsOf(events).filter((id) => idsOf(recovered).includes(id)));
      if (recovered.length < 40) {
        expect([what, warnings]).toEqual([what, [expect.stringMatching(/1 damaged block of events.*set aside/)]]);
        expect(await namesOf('.damaged')).toHaveLength(1);
      }
    }
  }, 60_000);

  it.each<[string, (bytes: Buffer) => Buffer, number]>([
    ['random bytes', (bytes) => randomBytes(bytes.length), 0],
    ['zeros', (bytes) => Buffer.alloc(bytes.length), 0],
    [
      'an intact beginning and random bytes',
      (bytes) => Buffer.concat([bytes.subarray(0, 20_000), randomBytes(50_000)]),
      20,
    ],
    ['an intact beginning and zeros', (bytes) => Buffer.concat([bytes.subarray(0, 20_000), Buffer.alloc(50_000)]), 20],
    ['half of it', (bytes) => bytes.subarray(0, bytes.length / 2), 90],
    ['all but the last byte of the last block', (bytes) => bytes.subarray(0, bytes.length - 5), 190],
    ['its first hundred bytes', (bytes) => bytes.subarray(0, 100), 0],
    ['its second half', (bytes) => bytes.subarray(bytes.length / 2), 90],
    [
      'itself with random bytes in between',
      (bytes) => {
        randomBytes(5000).copy(bytes, bytes.length / 2);
        return bytes;
      },
      180,
    ],
  ])('recovers what is intact of a file that was replaced by %s, and sets the file aside', async (_, edit, atLeast) => {
    const events = many(200);
    const file = await left(events, 10);
    await change(file, edit);
    const bytes = await readFile(file);
    const { events: recovered, warnings } = await drained();
    expect(recovered.length).toBeGreaterThanOrEqual(atLeast);
    expect(events).toEqual(expect.arrayContaining([...recovered]));
    expect(warnings).toEqual([expect.stringMatching(/damaged block.*set aside as ".*\.damaged"/)]);
    const [aside = ''] = await namesOf('.damaged');
    expect((await readFile(join(path, aside))).length).toBe(bytes.length);
    expect((await stat(join(path, aside))).mode & 0o777).toBe(0o600);
    // It is not read again.
    expect(await opened()).toMatchObject({ events: [], warnings: [] });
  });

  it('is not seen in a write that was not finished when the process was killed', async () => {
    const events = many(30);
    const file = await left(events, 10);
    const intact = await readFile(file);
    const third = intact.lastIndexOf('FRM1');
    // The header is written last: without it, the file ends after the second block, whatever follows.
    const [second = 0] = [...intact.toString('latin1').matchAll(/FRM1/g)].map(({ index }) => index).slice(1);
    const endMark = intact.subarray(intact.length - 4);
    for (const written of [0, 1, 100, 4000, intact.length - third - 24]) {
      for (const name of await readdir(path)) await rm(join(path, name));
      const copy = await left([eventOf(99)]);
      const torn = Buffer.concat([intact.subarray(0, third), endMark, Buffer.alloc(16), intact.subarray(third + 20)]);
      await writeFile(copy, torn.subarray(0, third + 20 + written));
      const { events: recovered, warnings } = await drained();
      expect(idsOf(recovered)).toEqual(idsOf(events.slice(0, 20)));
      expect(warnings).toEqual([]);
      expect(await namesOf('.damaged')).toEqual([]);
    }
    expect(second).toBeGreaterThan(0);
  });

  it('is not an empty file, which a process leaves that is killed while it creates it', async () => {
    await truncate(await left([eventOf(1)]), 0);
    expect(await opened()).toMatchObject({ events: [], warnings: [] });
    expect(await namesOf('.events')).toEqual([]);
  });

  it('leaves files of a newer version alone, warns once, and that version finds them', async () => {
    const file = await left([eventOf(1)]);
    await change(file, (bytes) => {
      bytes[8] = 2;
      return bytes;
    });
    const { store, events, warnings } = await opened();
    expect({ events, warnings }).toEqual({ events: [], warnings: [expect.stringContaining('newer version')] });
    expect((await store.recover(REQUEST)).warnings).toEqual([]);
    await store.close();
    await change(file, (bytes) => {
      bytes[8] = 1;
      return bytes;
    });
    expect((await opened()).events).toEqual([eventOf(1)]);
  });

  it('does not touch unknown files', async () => {
    await writeFile(join(path, 'notes.txt'), 'mine');
    await writeFile(join(path, 'data.events'), 'mine');
    const { store, warnings } = await opened();
    await store.close();
    expect(warnings).toEqual([]);
    expect((await readdir(path)).sort()).toEqual(['data.events', 'notes.txt']);
  });
});

describe('size', () => {
  it.each([100, 3000, 20_000])(
    'limits files with events of %d bytes to maxBytes, and uses freed space again',
    async (size) => {
      const maxBytes = 1_000_000;
      const { store } = await opened({ maxBytes });
      const kept: QueuedEvent[] = [];
      let refused = 0;
      const count = Math.ceil(50_000 / size);
      for (let index = 0; index < 100_000; index += count) {
        const events = many(count, index, size);
        try {
          await store.append(events);
          kept.push(...events);
        } catch (error) {
          expect((error as Error).message).toBe('it is full (maxBytes is 1000000)');
          refused += 1;
          await store.remove(kept.splice(0, kept.length / 2));
          if (refused === 5) break;
        }
      }
      expect(refused).toBe(5);
      const onDisk = await diskUsage();
      expect(onDisk).toBeLessThanOrEqual(maxBytes);
      expect(onDisk).toBeGreaterThan(maxBytes * 0.6);
      await store.close();
      expect(idsOf((await opened()).events)).toEqual(idsOf(kept));
    },
    30_000,
  );

  it('does not grow while events come and go', async () => {
    const { store } = await opened({ maxBytes: 800_000 });
    const pending: QueuedEvent[] = [];
    for (let index = 0; index < 200; index += 1) {
      const events = many(50, index * 50);
      await store.append(events);
      pending.push(...events);
      if (pending.length > 100) await store.remove(pending.splice(0, 50));
    }
    expect(await namesOf('.events')).not.toHaveLength(1);
    expect(await diskUsage()).toBeLessThan(400_000);
    await store.remove(pending);
    await store.close();
    expect(await readdir(path)).toEqual([]);
  });

  async function diskUsage(): Promise<number> {
    const sizes = await Promise.all(
      (await namesOf('.events')).map(async (name) => (await stat(join(path, name))).size),
    );
    return sizes.reduce((sum, bytes) => sum + bytes, 0);
  }
});

it('keeps no event of a turn that it refused, whatever was removed in it', async () => {
  const { store } = await opened({ maxBytes: 200_000 });
  const kept = many(100);
  await store.append(kept);
  const refused = many(3, 100, 100_000);
  const answer = store.append(refused);
  void store.remove([...refused.slice(0, 1), ...kept.slice(0, 50)]);
  await expect(answer).rejects.toThrow('it is full');
  await store.remove(refused);
  await store.append(many(50, 200));
  await store.close();
  expect(idsOf((await opened()).events)).toEqual(idsOf([...kept.slice(50), ...many(50, 200)]));
});

it.each([1, 2, 3, 4, 5])(
  `keeps exactly the pending events in their order, whenever the process is killed (FAULT_SEED=${SEED}, run %d)`,
  async (run) => {
    const random = new Seeded(run);
    const pick = (most: number) => random.below(most + 1);
    let { store } = await opened({ maxBytes: 400_000 });
    let pending: QueuedEvent[] = [];
    let next = 0;
    for (let step = 0; step < 120; step += 1) {
      const events = many(1 + pick(150), next, pick(600));
      next += events.length;
      try {
        await store.append(events);
        pending.push(...events);
      } catch (error) {
        expect((error as Error).message).toMatch('it is full');
      }
      const from = random.chance(0.7) ? 0 : pick(pending.length);
      await store.remove(pending.splice(from, pick(300)));
      if (!random.chance(0.2)) continue;
      if (random.chance(0.5)) {
        // The files as a kill would leave them: without a living owner.
        const copy = `${path}-killed`;
        await cp(path, copy, { recursive: true, filter: (file) => !file.endsWith('.lock') });
        const killed = fileEventStore({ path: copy });
        const { events: recovered, warnings } = await killed.recover(REQUEST);
        await killed.close();
        await rm(copy, { recursive: true });
        expect(warnings).toEqual([]);
        expect(idsOf(recovered)).toEqual(idsOf(pending));
      } else {
        await store.close();
        const again = await opened({ maxBytes: 400_000 });
        expect(idsOf(again.events)).toEqual(idsOf(pending));
        expect(again.warnings).toEqual([]);
        pending = [...again.events];
        ({ store } = again);
      }
    }
  },
  60_000,
);

describe('owners', () => {
  const pass = (ms: number) => {
    const now = performance.now();
    jest.spyOn(performance, 'now').mockImplementation(() => now + ms);
  };
  /** Gives the files of a closed store to another owner, and creates its lock. */
  async function ownedBy(owner: string, lock: string | null): Promise<string> {
    const file = await left([eventOf(1)]);
    await rename(file, file.replace(/[^.]+\.events$/, `${owner}.events`));
    const lockFile = join(path, `${owner}.lock`);
    if (lock !== null) await writeFile(lockFile, lock);
    return lockFile;
  }

  it('adopts the files of an owner without a lock immediately', async () => {
    await ownedBy('a1-00000000-b1', null);
    expect((await opened()).events).toEqual([eventOf(1)]);
  });

  it('adopts the files of an owner on another machine after a minute without a heartbeat, whatever its clock says', async () => {
    const lock = await ownedBy('a1-00000000-b1', '');
    for (const clock of [0, Date.now() + 75_000, Date.now() - 3_600_000]) {
      await utimes(lock, new Date(clock), new Date(clock));
      const { store, events } = await opened();
      pass(59_000);
      expect([events, (await store.recover(REQUEST)).events]).toEqual([[], []]);
      await utimes(lock, new Date(clock + 1000), new Date(clock + 1000));
      pass(61_000);
      expect((await store.recover(REQUEST)).events).toEqual([]);
      await store.close();
      jest.restoreAllMocks();
    }
    const { store } = await opened();
    pass(61_000);
    expect((await store.recover(REQUEST)).events).toEqual([eventOf(1)]);
  });

  it('lets nobody adopt the files of a living owner, even if its heartbeat stopped long ago', async () => {
    const living = await opened();
    await living.store.append([eventOf(1)]);
    const other = await opened();
    pass(3_600_000);
    expect((await other.store.recover(REQUEST)).events).toEqual([]);
    await living.store.close();
    expect((await other.store.recover(REQUEST)).events).toEqual([eventOf(1)]);
  });

  it('works in a directory whose path is too long for a socket', async () => {
    path = join(path, 'x'.repeat(120));
    const living = await opened();
    await living.store.append([eventOf(1)]);
    const other = await opened();
    expect(other.events).toEqual([]);
    await living.store.close();
    expect((await other.store.recover(REQUEST)).events).toEqual([eventOf(1)]);
    await other.store.close();
    expect(await readdir(path)).toHaveLength(1);
    path = join(path, '..');
  });

  it('adopts the events of a worker thread that was terminated, while the process goes on, and leaves no file', async () => {
    const source = `
      const { connect, createServer } = require('node:net');
      const { renameSync } = require('node:fs');
      const { parentPort, workerData } = require('node:worker_threads');
      const server = createServer().listen({ path: workerData + '.new', exclusive: true });
      renameSync(workerData + '.new', workerData);
      parentPort.postMessage('ready');`;
    const file = await left([eventOf(1)]);
    const [, kernel = ''] = /([^-.]+)-[^-.]+\.events$/.exec(file) ?? [];
    const owner = `a1-${kernel}-b1`;
    await rename(file, file.replace(/[^.]+\.events$/, `${owner}.events`));
    const worker = new Worker(source, { eval: true, workerData: join(path, `${owner}.lock`) });
    await new Promise((resolve) => worker.once('message', resolve));
    const { store, events } = await opened();
    expect(events).toEqual([]);
    await worker.terminate();
    const recovered = await store.recover(REQUEST);
    expect(recovered.events).toEqual([eventOf(1)]);
    await store.remove(recovered.events);
    await store.recover(REQUEST);
    await store.close();
    expect(await readdir(path)).toEqual([]);
  });

  it('touches its files every second, so that programs that delete old files spare them', async () => {
    const { store } = await opened();
    await store.append([eventOf(1)]);
    for (const name of await readdir(path)) await utimes(join(path, name), new Date(0), new Date(0));
    await until(async () => {
      const times = await Promise.all(
        (await readdir(path)).map(async (name) => (await stat(join(path, name))).mtimeMs),
      );
      return times.length === 2 && times.every((time) => time > Date.now() - 5000);
    });
  });

  it.each(['.events', '.lock', ''])(
    'writes its events again if its files *%s were deleted, and says so',
    async (ending) => {
      const { store } = await opened();
      const events = many(300);
      await store.append(events.slice(0, 200));
      await store.remove(events.slice(0, 100).reverse());
      await store.append(events.slice(200));
      const deleted = await namesOf(ending);
      for (const name of deleted) await rm(join(path, name));
      await until(async () => (await readdir(path)).length === 2);
      const { warnings } = await store.recover(REQUEST);
      const rescued = [expect.stringContaining('Its 200 events were written again')];
      expect(warnings).toEqual(ending === '.lock' ? [] : rescued);
      expect((await opened()).events).toEqual([]);
      await store.append([eventOf(300)]);
      await store.close();
      expect(idsOf((await opened()).events)).toEqual(idsOf(many(201, 100)));
    },
  );

  it('writes its events again if another process has adopted them by mistake', async () => {
    const { store } = await opened();
    await store.append([eventOf(1), eventOf(2)]);
    for (const name of await namesOf('.lock')) await rm(join(path, name));
    const other = await opened();
    expect(other.events).toEqual([eventOf(1), eventOf(2)]);
    await other.store.remove(other.events.slice(0, 1));
    await until(async () => (await store.recover(REQUEST)).warnings.length === 1);
    await store.append([eventOf(3)]);
    await store.close();
    await other.store.close();
    // One of them twice, which PostHog merges, and none missing.
    expect(idsOf((await opened()).events).sort()).toEqual(['id_1', 'id_2', 'id_2', 'id_3']);
  });
});

describe('many leftovers', () => {
  it('need one descriptor at a time, and only those are adopted that there is capacity for', async () => {
    for (let index = 0; index < 60; index += 1) await left(many(4, index * 4));
    const descriptors = async () => (await readdir('/proc/self/fd')).length;
    const before = await descriptors();
    const { store, events } = await opened({}, { maxEvents: 150 });
    expect(idsOf(events)).toEqual(idsOf(many(150)));
    if (process.platform === 'linux') expect(await descriptors()).toBeLessThanOrEqual(before + 2);
    const [owner = ''] = (await namesOf('.lock')).map((name) => name.replace('.lock', ''));
    const owned = () => namesOf(`.abc.${owner}.events`);
    expect(await owned()).toHaveLength(38);
    await store.remove(events);
    expect(await owned()).toHaveLength(1);
    const rest = await store.recover(REQUEST);
    expect(idsOf(rest.events)).toEqual(idsOf(many(90, 150)));
    await store.remove(rest.events);
    await store.recover(REQUEST);
    await store.close();
    expect(await readdir(path)).toEqual([]);
  });

  it('returns early so that they do not delay the boot, and says that there is more', async () => {
    for (let index = 0; index < 3; index += 1) await left([eventOf(index)]);
    let now = performance.now();
    jest.spyOn(performance, 'now').mockImplementation(() => (now += 600));
    const { store, events, more } = await opened();
    expect([events.length, more]).toEqual([1, true]);
    const next = await store.recover(REQUEST);
    expect([next.events.length, next.more]).toEqual([1, true]);
    jest.restoreAllMocks();
    expect(await store.recover(REQUEST)).toMatchObject({ events: [eventOf(2)], more: false });
  });

  it('are recovered from oldest to newest, although segments are used again', async () => {
    const { store } = await opened({ maxBytes: 800_000 });
    const pending: QueuedEvent[] = [];
    for (let index = 0; index < 40; index += 1) {
      const events = many(50, index * 50);
      await store.append(events);
      pending.push(...events);
      await store.remove(pending.splice(0, pending.length - 400));
    }
    expect((await namesOf('.events')).length).toBeGreaterThan(2);
    await store.close();
    const first = await opened({}, { maxEvents: 130 });
    await first.store.remove(first.events.slice(0, 30));
    await first.store.close();
    expect(idsOf((await opened()).events)).toEqual(idsOf(pending.slice(30)));
  });
});

describe('a deleted directory', () => {
  const events = many(250);
  let directory = '';
  beforeEach(() => {
    directory = join(path, 'store');
  });

  /** A store that records its calls of `onLost`. */
  async function listened(options: Partial<FileEventStoreOptions> = {}) {
    const store = fileEventStore({ path: directory, ...options });
    open.push(store);
    const told: { message: string; lost: readonly QueuedEvent[] }[] = [];
    const onLost = (error: unknown, lost: readonly QueuedEvent[]): void => {
      told.push({ message: (error as Error).message, lost });
    };
    return { store, told, ...(await store.recover({ ...REQUEST, onLost })) };
  }

  it('loses and reports its events if they cannot be written again', async () => {
    const { store, told } = await listened();
    await store.append(events);
    await store.remove(events.slice(0, 50));
    await rm(directory, { recursive: true });
    await writeFile(directory, '');
    await until(() => Promise.resolve(told.length > 0));
    expect(told).toEqual([{ message: expect.stringMatching(/EEXIST|ENOTDIR/) as unknown, lost: events.slice(50) }]);
    await rm(directory);
    await store.append(events.slice(50));
    await store.close();
    expect((await listened()).events).toEqual(events.slice(50));
  });

  it('loses only the newest events, which exceed maxBytes', async () => {
    const former = await listened();
    await former.store.append(events);
    await former.store.close();
    // Files of earlier processes do not count towards maxBytes.
    const { store, told, events: old } = await listened({ maxBytes: 300_000 });
    const all = [...old, ...many(250, 1000)];
    await store.append(all.slice(250));
    await rm(directory, { recursive: true });
    await until(() => Promise.resolve(told.length > 0));
    expect(told.map(({ message }) => message)).toEqual(['it is full (maxBytes is 300000)']);
    const lost = told.flatMap((one) => one.lost);
    await store.close();
    const { events: kept } = await listened();
    expect(kept.length).toBeGreaterThan(250);
    expect(idsOf([...kept, ...lost]).sort()).toEqual(idsOf(all).sort());
  });
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error('it never came about');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function randomBytes(length: number): Buffer {
  const random = new Seeded(7);
  return Buffer.from(Uint8Array.from({ length }, () => random.below(256)));
}

function eventOf(index: number, size = 600): QueuedEvent {
  const payload = JSON.stringify({ event: `event_${index}`, text: 'x'.repeat(size) });
  return {
    id: `id_${index}`,
    name: `event_${index}`,
    orderKey: `person_${index % 3}`,
    format: 'v0',
    payload,
    bytes: Buffer.byteLength(payload),
    capturedAt: 1_700_000_000_000 + index,
  };
}
