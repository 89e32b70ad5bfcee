import { mkdir, open as openFile, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it, jest } from '@jest/globals';
import { eventOf, idsOf, manyEvents as many } from '../support/stored-events.js';
import { until } from '../support/until.js';
import { REQUEST, useStoreDirectory } from '../support/store-directory.js';

const files = useStoreDirectory();
const { opened, left, namesOf } = files;

/** Lets reads of open files fail. `fails` gets the position and the number of the read. */
async function failReads(code: string, fails: (position: unknown, count: number) => boolean): Promise<void> {
  const handle = await openFile(files.path, 'r');
  const prototype = Object.getPrototypeOf(handle) as { read: (...args: unknown[]) => Promise<unknown> };
  await handle.close();
  const { read } = prototype;
  let count = 0;
  jest.spyOn(prototype, 'read').mockImplementation(function (this: unknown, ...args: unknown[]) {
    count += 1;
    if (fails(args[3], count)) return Promise.reject(Object.assign(new Error(code), { code }));
    return Reflect.apply(read, this, args);
  });
}

describe('a file that fails', () => {
  it('while it is opened is kept, named in one warning, and hides no other file', async () => {
    await mkdir(join(files.path, 'a1-00000000-b1-1.abc.a1-00000000-b1.events'));
    await left([eventOf(1)]);
    const { store, events, warnings } = await opened();
    expect(events).toEqual([eventOf(1)]);
    expect(warnings).toEqual([expect.stringMatching(/cannot be used \(EISDIR\): ".+a1-00000000-b1-1/)]);
    expect(await store.recover(REQUEST)).toEqual({ events: [], warnings: [], more: false });
    expect(await namesOf('.events')).toHaveLength(2);
  });

  it('while it is renamed is kept, named in one warning, and hides no other file', async () => {
    const { store } = await opened();
    const [owner = ''] = (await namesOf('.lock')).map((name) => name.replace('.lock', ''));
    const [origin = ''] = basename(await left([eventOf(1)])).split('.');
    await left([eventOf(2)]);
    await mkdir(join(files.path, `${origin}.abc.${owner}.events`));
    const { events, warnings } = await store.recover(REQUEST);
    expect(events).toEqual([eventOf(2)]);
    expect(warnings).toEqual([expect.stringMatching(/cannot be used \(EISDIR\): /)]);
    await rm(join(files.path, `${origin}.abc.${owner}.events`), { recursive: true });
    expect((await store.recover(REQUEST)).events).toEqual([eventOf(1)]);
  });

  it('while it is read loses only what cannot be read, and is set aside', async () => {
    const bad = await left(many(300, 0, 2000));
    await left([eventOf(1000)]);
    await failReads('EIO', (position) => Number(position) > 300_000);
    const { store, events } = await opened();
    jest.restoreAllMocks();
    expect(events.length).toBeGreaterThan(128);
    expect(events.at(-1)).toEqual(eventOf(1000));
    await store.remove(events);
    const { events: rest, warnings } = await store.recover(REQUEST);
    expect({ rest, warnings }).toEqual({ rest: [], warnings: [expect.stringMatching(/1 damaged block/)] });
    expect(await namesOf('.damaged')).toEqual([expect.stringContaining(basename(bad).split('.')[0]!)]);
  });

  it('because of a shortage hides no event that was found before it', async () => {
    await left([eventOf(1)]);
    await left([eventOf(2)]);
    await failReads('ENOMEM', (_, count) => count > 1);
    const store = files.store();
    const { events, more } = await store.recover(REQUEST);
    expect({ events, more }).toEqual({ events: [eventOf(1)], more: true });
    await expect(store.recover(REQUEST)).rejects.toMatchObject({ temporary: true });
    jest.restoreAllMocks();
    expect((await store.recover(REQUEST)).events).toEqual([eventOf(2)]);
  });

  it('while a removal is written delays the deletion of no other file', async () => {
    const bad = await left([eventOf(1), eventOf(2)]);
    await left([eventOf(3)]);
    const { store, events } = await opened();
    const [name = ''] = (await namesOf('.events')).filter((one) => one.startsWith(basename(bad).split('.')[0]!));
    await rm(join(files.path, name));
    await mkdir(join(files.path, name));
    await expect(store.remove([events[0]!, events[2]!])).rejects.toThrow('EISDIR');
    expect(await namesOf('.events')).toEqual([name]);
    await rm(join(files.path, name), { recursive: true });
  });
});

it('stops taking over files when the store is closed, and leaves no descriptor', async () => {
  for (let index = 0; index < 20; index += 1) await left(many(200, index * 200));
  const descriptors = async () => (await readdir('/proc/self/fd')).length;
  const before = process.platform === 'linux' ? await descriptors() : 0;
  const store = files.store();
  const recovering = store.recover({ ...REQUEST, maxEvents: 1000 });
  await store.close();
  const found = (await recovering).events;
  expect(found.length).toBeLessThan(1000);
  if (process.platform === 'linux') expect(await descriptors()).toBe(before);
  expect(idsOf((await opened()).events)).toEqual(idsOf(many(4000)));
});

it('keeps the events of a file that was deleted while it was read in part', async () => {
  await left(many(300));
  const { store, events } = await opened({}, { maxEvents: 100 });
  for (const name of await namesOf('.events')) await rm(join(files.path, name));
  await until(async () => (await namesOf('.events')).length === 1);
  const rest = await store.recover(REQUEST);
  await expect(store.remove([events[0]!, rest.events[0]!])).resolves.toBeUndefined();
  await until(async () => (await store.recover(REQUEST)).warnings.length > 0);
  await store.close();
  expect(idsOf((await opened()).events)).toEqual([...idsOf(many(99, 1)), ...idsOf(many(199, 101))]);
});

it('deletes a file of version 0.1 whose events were removed in several turns', async () => {
  const name = 'mx0-0123456789ab.abc0123456789def.mx0-0123456789ab.mdb';
  await writeFile(join(files.path, name), gunzipSync(await readFile(new URL('version-0.1.mdb.gz', import.meta.url))));
  const { store, events } = await opened({}, { project: 'abc0123456789def' });
  for (const event of [...events].reverse()) await store.remove([event]);
  expect(await namesOf('.mdb')).toEqual([]);
});

it('deletes the lock of a process that was killed while it created it, but not that of a living one', async () => {
  await writeFile(join(files.path, 'a1-00000000-b1.lock.new'), '');
  await writeFile(join(files.path, 'a1-00000000-b2.lock.new'), '');
  await utimes(join(files.path, 'a1-00000000-b1.lock.new'), new Date(0), new Date(0));
  await opened();
  expect(await namesOf('.new')).toEqual(['a1-00000000-b2.lock.new']);
});
