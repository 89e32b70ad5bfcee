import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { gunzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type QueuedEvent } from 'nestjs-posthog-capture';
import { type FileEventStoreOptions } from 'nestjs-posthog-capture/store';
import { eventOf, idsOf, manyEvents as many } from '../support/stored-events.js';
import { until } from '../support/until.js';
import { REQUEST, useStoreDirectory } from '../support/store-directory.js';

const files = useStoreDirectory();
const { opened, left, namesOf } = files;

/** Moves the clock forward. */
const pass = (ms: number) => {
  const now = performance.now() + ms;
  jest.spyOn(performance, 'now').mockImplementation(() => now);
};

describe('owners', () => {
  /** Gives the files of a closed store to another owner, and creates its lock. */
  async function ownedBy(owner: string, lock: string | null): Promise<string> {
    const file = await left([eventOf(1)]);
    await rename(file, file.replace(/[^.]+\.events$/, `${owner}.events`));
    const lockFile = join(files.path, `${owner}.lock`);
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
    files.path = join(files.path, 'x'.repeat(120));
    const living = await opened();
    await living.store.append([eventOf(1)]);
    const other = await opened();
    expect(other.events).toEqual([]);
    await living.store.close();
    expect((await other.store.recover(REQUEST)).events).toEqual([eventOf(1)]);
    await other.store.close();
    expect(await readdir(files.path)).toHaveLength(1);
    files.path = join(files.path, '..');
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
    const worker = new Worker(source, { eval: true, workerData: join(files.path, `${owner}.lock`) });
    await new Promise((resolve) => worker.once('message', resolve));
    const { store, events } = await opened();
    expect(events).toEqual([]);
    await worker.terminate();
    const recovered = await store.recover(REQUEST);
    expect(recovered.events).toEqual([eventOf(1)]);
    await store.remove(recovered.events);
    await store.recover(REQUEST);
    await store.close();
    expect(await readdir(files.path)).toEqual([]);
  });

  it('touches its files every second, so that programs that delete old files spare them', async () => {
    const { store } = await opened();
    await store.append([eventOf(1)]);
    for (const name of await readdir(files.path)) await utimes(join(files.path, name), new Date(0), new Date(0));
    await until(async () => {
      const times = await Promise.all(
        (await readdir(files.path)).map(async (name) => (await stat(join(files.path, name))).mtimeMs),
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
      for (const name of deleted) await rm(join(files.path, name));
      await until(async () => (await readdir(files.path)).length === 2);
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
    for (const name of await namesOf('.lock')) await rm(join(files.path, name));
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
    expect(await readdir(files.path)).toEqual([]);
  });

  it('returns early so that they do not delay the boot, and says that there is more', async () => {
    for (let index = 0; index < 3; index += 1) await left([eventOf(index)]);
    let now = performance.now();
    jest.spyOn(performance, 'now').mockImplementation(() => (now += 600));
    const store = files.store();
    const { events, more } = await store.recover(REQUEST);
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
    directory = join(files.path, 'store');
  });

  /** A store that records its calls of `onLost`. */
  async function listened(options: Partial<FileEventStoreOptions> = {}) {
    const told: { message: string; lost: readonly QueuedEvent[] }[] = [];
    const onLost = (error: unknown, lost: readonly QueuedEvent[]): void => {
      told.push({ message: (error as Error).message, lost });
    };
    return { told, ...(await opened({ path: directory, ...options }, { onLost })) };
  }

  it('loses and reports its events if they cannot be written again', async () => {
    const { store, told } = await listened();
    await store.append(events);
    await store.remove(events.slice(0, 50));
    await rm(directory, { recursive: true });
    await writeFile(directory, '');
    await until(() => told.length > 0);
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
    await until(() => told.length > 0);
    expect(told.map(({ message }) => message)).toEqual(['it is full (maxBytes is 300000)']);
    const lost = told.flatMap((one) => one.lost);
    await store.close();
    const { events: kept } = await listened();
    expect(kept.length).toBeGreaterThan(250);
    expect(idsOf([...kept, ...lost]).sort()).toEqual(idsOf(all).sort());
  });
});

describe('a directory of version 0.1', () => {
  const fixture = async () => gunzipSync(await readFile(new URL('version-0.1.mdb.gz', import.meta.url)));
  const FORMER = { project: 'abc0123456789def' };
  const ORIGIN = 'mx0-0123456789ab';

  /** Leaves a file of version 0.1 behind. Returns the number of its events. */
  async function former(ending = '.mdb', bytes?: Buffer): Promise<string> {
    const file = join(files.path, `${ORIGIN}.abc0123456789def.${ORIGIN}${ending}`);
    await writeFile(file, bytes ?? (await fixture()));
    await writeFile(`${file}-lock`, '');
    return file;
  }

  it.each(['.mdb', '.mdb.damaged'])(
    'is taken over once: its *%s files are recovered, and deleted when their events are sent',
    async (ending) => {
      await former(ending);
      const { store, events, warnings } = await opened({}, FORMER);
      expect(warnings).toEqual([]);
      expect(events.length).toBeGreaterThan(100);
      await store.remove(events.slice(0, 50));
      await store.close();
      // Removals are not written to these files: what was not deleted is sent again, and PostHog merges it.
      const again = await opened({}, FORMER);
      expect(again.events).toEqual(events);
      await again.store.remove(again.events);
      await again.store.close();
      expect((await readdir(files.path)).filter((name) => !name.endsWith('-lock'))).toEqual([]);
    },
  );

  it('waits for a process of that version that still runs', async () => {
    await former();
    const owner = join(files.path, `${ORIGIN}.owner`);
    await writeFile(owner, '{}');
    const { store, events } = await opened({}, FORMER);
    pass(59_000);
    expect([events, (await store.recover({ ...REQUEST, ...FORMER })).events]).toEqual([[], []]);
    await utimes(owner, new Date(), new Date(1000));
    pass(61_000);
    expect((await store.recover({ ...REQUEST, ...FORMER })).events).toEqual([]);
    pass(61_000);
    expect((await store.recover({ ...REQUEST, ...FORMER })).events.length).toBeGreaterThan(100);
    expect(await namesOf('.owner')).toEqual([]);
  });

  it('sets aside what is damaged, and reads it once', async () => {
    await former('.mdb', Buffer.alloc(100_000, 1));
    expect((await opened({}, FORMER)).warnings).toEqual([expect.stringMatching(/damaged.*\.mdb\.unreadable/)]);
    expect((await opened({}, FORMER)).warnings).toEqual([]);
    expect(await namesOf('.unreadable')).toHaveLength(1);
  });
});
