import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { type EventStore, type QueuedEvent } from 'nestjs-posthog-capture';
import { lmdbEventStore, type LmdbEventStoreOptions } from 'nestjs-posthog-capture/lmdb';

const REQUEST = { project: 'abc', maxEvents: 100_000, maxBytes: 1_000_000_000 };
const open: EventStore[] = [];
let path = '';

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'lmdb-event-store-'));
});
afterEach(async () => {
  jest.useRealTimers();
  jest.restoreAllMocks();
  for (const store of open.splice(0)) await store.close();
  await rm(path, { recursive: true, force: true });
});

async function opened(options: Partial<LmdbEventStoreOptions> = {}) {
  const store = lmdbEventStore({ path, ...options });
  open.push(store);
  return { store, ...(await store.recover(REQUEST)) };
}

/** Creates and closes a store with events in it, as after an outage. Returns the path of its file. */
async function left(events: readonly QueuedEvent[]): Promise<string> {
  const { store } = await opened();
  await store.append(events);
  await store.close();
  const [name = ''] = (await readdir(path)).filter((one) => one.endsWith('.mdb'));
  return join(path, name);
}

const namesOf = async (ending: string) => (await readdir(path)).filter((name) => name.endsWith(ending));

describe('damaged files', () => {
  const randomBytes = (length: number, seed: number) => {
    let state = seed;
    return Buffer.from(Uint8Array.from({ length }, () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) >> 16));
  };
  const flipped = (bytes: Buffer, count: number, seed: number) => {
    const copy = Buffer.from(bytes);
    randomBytes(count * 4, seed).forEach((_, index, all) => {
      if (index % 4 === 0) copy[all.readUInt32LE(index) % copy.length]! ^= 1 << (index % 8);
    });
    return copy;
  };

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ['random bytes', (bytes) => randomBytes(bytes.length, 1)],
    ['zeros', (bytes) => Buffer.alloc(bytes.length)],
    [
      'an intact beginning and random bytes',
      (bytes) => Buffer.concat([bytes.subarray(0, 8192), randomBytes(100_000, 2)]),
    ],
    ['an intact beginning and zeros', (bytes) => Buffer.concat([bytes.subarray(0, 8192), Buffer.alloc(100_000)])],
    ['half of it', (bytes) => bytes.subarray(0, bytes.length / 2)],
    ['all but the last page', (bytes) => bytes.subarray(0, bytes.length - 4096)],
    ['its first hundred bytes', (bytes) => bytes.subarray(0, 100)],
  ])('sets aside a file that was replaced by %s, and goes on', async (_, damage) => {
    const file = await left(Array.from({ length: 200 }, (_unused, index) => eventOf(index)));
    const damaged = damage(await readFile(file));
    await writeFile(file, damaged);
    const { store, events, warnings } = await opened();
    expect(events).toEqual([]);
    expect(warnings).toEqual([expect.stringMatching(/damaged file.*set aside as ".*\.damaged"/)]);
    const [aside = ''] = await namesOf('.damaged');
    expect((await readFile(join(path, aside))).equals(damaged)).toBe(true);
    expect((await stat(join(path, aside))).mode & 0o777).toBe(0o600);
    await store.append([eventOf(1)]);
    await store.close();
    expect((await opened()).events).toEqual([eventOf(1)]);
  });

  it('never sends an event whose bytes have changed, and survives any change', async () => {
    const events = Array.from({ length: 50 }, (_unused, index) => eventOf(index));
    const texts = new Set(events.map(({ payload }) => payload));
    for (let seed = 1; seed <= 8; seed += 1) {
      const file = await left(events);
      await writeFile(file, flipped(await readFile(file), 20 * seed, seed));
      const { store, events: recovered, warnings: first } = await opened();
      const warnings = [...first];
      expect(recovered.filter(({ payload }) => !texts.has(payload))).toEqual([]);
      if (recovered.length < events.length) {
        await store.remove(recovered);
        warnings.push(...(await store.recover(REQUEST)).warnings);
        expect(warnings.join()).toMatch(/set aside/);
        expect(await namesOf('.damaged')).toHaveLength(1);
      } else {
        await store.remove(recovered);
      }
      await store.close();
      for (const name of await readdir(path)) await rm(join(path, name));
    }
  });

  it('sets aside records with missing pages, and sends the others', async () => {
    const events = Array.from({ length: 400 }, (_unused, index) => eventOf(index));
    const { store } = await opened();
    for (let from = 0; from < events.length; from += 100) await store.append(events.slice(from, from + 100));
    await store.close();
    const [name = ''] = await namesOf('.mdb');
    const bytes = await readFile(join(path, name));
    // In the middle of the third block: LMDB itself keeps no checksums.
    const at = bytes.indexOf('event_250"');
    await writeFile(join(path, name), bytes.fill(0, at, at + 4096));
    const { store: next, events: recovered } = await opened();
    expect(recovered.map(({ id }) => id)).toEqual(
      events.filter((_unused, index) => index < 200 || index >= 300).map(({ id }) => id),
    );
    await next.remove(recovered);
    expect((await next.recover(REQUEST)).warnings).toEqual([
      expect.stringMatching(/contained 1 damaged records.*set aside/),
    ]);
    expect(await namesOf('.damaged')).toHaveLength(1);
  });

  it('treats an empty file as a file without records', async () => {
    await truncate(await left([eventOf(1)]), 0);
    const { events, warnings } = await opened();
    expect({ events, warnings }).toEqual({ events: [], warnings: [] });
  });

  it('does not touch unknown files', async () => {
    await writeFile(join(path, 'notes.txt'), 'mine');
    await writeFile(join(path, 'data.mdb'), 'mine');
    const { store, warnings } = await opened();
    await store.close();
    expect(warnings).toEqual([]);
    expect((await readdir(path)).sort()).toEqual(['data.mdb', 'notes.txt']);
  });
});

describe('the process that inspects files', () => {
  /** Replaces it with a shell script that reports one intact file per dot and then kills itself. Returns a function that counts its runs. */
  async function isKilledBy(signal: string, dots = ''): Promise<() => Promise<number>> {
    const log = join(path, 'asked');
    const script = join(path, 'looks');
    await writeFile(log, '');
    await writeFile(script, `#!/bin/sh\nprintf .>>'${log}'\nprintf '${dots}'\nkill -s ${signal} $$\n`, { mode: 0o700 });
    jest.replaceProperty(process, 'execPath', script);
    return async () => (await readFile(log)).length;
  }
  const pass = (ms: number) => {
    const now = performance.now();
    jest.spyOn(performance, 'now').mockImplementation(() => now + ms);
  };

  it.each(['TERM', 'INT', 'HUP', 'QUIT', 'KILL', 'USR2'])(
    'leaves a file alone if it is killed by SIG%s, and inspects it again later',
    async (signal) => {
      await left([eventOf(1)]);
      await isKilledBy(signal);
      const { store, events, warnings } = await opened();
      expect({ events, warnings }).toEqual({
        events: [],
        warnings: [expect.stringContaining(`killed (SIG${signal})`)],
      });
      expect(await namesOf('.damaged')).toEqual([]);
      jest.restoreAllMocks();
      pass(10_000);
      expect(await store.recover(REQUEST)).toEqual({ events: [eventOf(1)], warnings: [] });
    },
  );

  it('leaves files that were not inspected to the next process', async () => {
    await left([eventOf(1)]);
    await isKilledBy('TERM');
    await (await opened()).store.close();
    jest.restoreAllMocks();
    expect((await opened()).events).toEqual([eventOf(1)]);
  });

  it('does not inspect a file that has been deleted', async () => {
    const file = await left([eventOf(1)]);
    const asked = await isKilledBy('TERM');
    const { store } = await opened();
    for (const name of await namesOf('.mdb')) if (file.includes(name.split('.')[0]!)) await rm(join(path, name));
    pass(10_000);
    expect(await store.recover(REQUEST)).toEqual({ events: [], warnings: [] });
    expect(await asked()).toBe(1);
  });

  it.each(['SEGV', 'BUS', 'ABRT', 'ILL', 'FPE', 'TRAP'])(
    'finds a file damaged when it crashes (SIG%s)',
    async (signal) => {
      await left([eventOf(1)]);
      await isKilledBy(signal);
      expect((await opened()).warnings).toEqual([expect.stringMatching(/damaged file.*set aside/)]);
    },
  );

  it('runs less and less often while it is killed, and the other files are recovered', async () => {
    const owners = await Promise.all([opened(), opened(), opened()]);
    for (const [index, { store }] of owners.entries()) await store.append([eventOf(index)]);
    await Promise.all(owners.map(({ store }) => store.close()));
    // The first file is intact, and the second kills the process.
    const asked = await isKilledBy('KILL', '.');
    const { store, events } = await opened();
    expect([events.length, await asked()]).toEqual([1, 1]);
    await store.recover(REQUEST);
    expect(await asked()).toBe(1);
    pass(10_000);
    // The third file now comes before the second.
    expect((await store.recover(REQUEST)).events).toHaveLength(1);
    expect(await asked()).toBe(2);
    let looks = 0;
    for (let seconds = 20; seconds < 3600; seconds += 10) {
      jest.restoreAllMocks();
      pass(seconds * 1000);
      const again = await isKilledBy('KILL');
      await store.recover(REQUEST);
      looks += await again();
    }
    expect(looks).toBeGreaterThan(10);
    expect(looks).toBeLessThan(40);
    expect(await namesOf('.damaged')).toEqual([]);
    jest.restoreAllMocks();
    pass(4_000_000);
    expect((await store.recover(REQUEST)).events).toHaveLength(1);
  });
});

describe('size', () => {
  it.each([100, 3000, 20_000])(
    'limits records of %d bytes to maxBytes, and reuses space that is freed',
    async (size) => {
      const maxBytes = 1_000_000;
      const { store } = await opened({ maxBytes });
      const kept: QueuedEvent[] = [];
      let refused = 0;
      const count = Math.ceil(50_000 / size);
      for (let index = 0; index < 100_000; index += count) {
        const events = Array.from({ length: count }, (_unused, at) => eventOf(index + at, size));
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
      const [file = ''] = await namesOf('.mdb');
      const { size: onDisk } = await stat(join(path, file));
      // A block needs consecutive pages, so a few free ones are not enough.
      expect(onDisk).toBeLessThan(maxBytes * 1.15);
      expect(onDisk).toBeGreaterThan(maxBytes * 0.6);
      await store.close();
      const { events } = await opened();
      expect(events.map(({ id }) => id)).toEqual(kept.map(({ id }) => id));
    },
    30_000,
  );
});

it('keeps no event of a turn that it refused, whatever was removed in it', async () => {
  const { store } = await opened({ maxBytes: 200_000 });
  const kept = Array.from({ length: 100 }, (_unused, index) => eventOf(index));
  await store.append(kept);
  const refused = Array.from({ length: 3 }, (_unused, index) => eventOf(100 + index, 100_000));
  const answer = store.append(refused);
  void store.remove([...refused.slice(0, 1), ...kept.slice(0, 50)]);
  await expect(answer).rejects.toThrow('it is full');
  await store.remove(refused);
  // The space of the refused events is free again.
  const later = Array.from({ length: 50 }, (_unused, index) => eventOf(200 + index));
  await store.append(later);
  await store.close();
  expect((await opened()).events.map(({ id }) => id)).toEqual([...kept.slice(50), ...later].map(({ id }) => id));
});

describe('owners', () => {
  /** Turns the files of a closed store into those of another owner. */
  async function ownedBy(identity: object, beatMsAgo: number): Promise<void> {
    const file = await left([eventOf(1)]);
    const owner = /\.([^.]+)\.mdb$/.exec(file)?.[1] ?? '';
    const ownerFile = join(path, `${owner}.owner`);
    await writeFile(
      ownerFile,
      JSON.stringify({ host: 'here', pid: 1, pidNamespace: null, startedAt: 'x', ...identity }),
    );
    const at = new Date(Date.now() - beatMsAgo);
    await utimes(ownerFile, at, at);
  }
  const here = async () => {
    const { store } = await opened();
    const [name = ''] = await namesOf('.owner');
    const identity = JSON.parse(await readFile(join(path, name), 'utf8')) as Record<string, unknown>;
    await store.close();
    return identity;
  };

  it.each([
    ['is on another host and has been silent for a minute', { host: 'elsewhere' }, 61_000, 1],
    ['is on another host and has a recent heartbeat', { host: 'elsewhere' }, 50_000, 0],
    ['is on this host and has ended', { pid: 2 ** 22 + 1 }, 0, 1],
    [
      'is on this host with another start time, as in a container, where every first process has the same pid',
      { startedAt: 'a:1' },
      0,
      1,
    ],
    ['is alive', {}, 3_600_000, 0],
    ['is in another container on this host and is silent', { pidNamespace: 'pid:[1]' }, 4000, 1],
    ['has an unreadable identity', { host: null }, 0, 0],
    ['has an unreadable identity and is silent', { host: null }, 61_000, 1],
  ])('adopts or leaves the files of an owner that %s', async (_, identity, beatMsAgo, adopted) => {
    await ownedBy({ ...(await here()), ...identity }, beatMsAgo);
    expect((await opened()).events).toHaveLength(adopted);
  });

  it('observes an owner in another container on this host: a heartbeat means that it is alive', async () => {
    await ownedBy({ ...(await here()), pidNamespace: 'pid:[1]' }, 0);
    const [name = ''] = await namesOf('.owner');
    const beat = setInterval(() => void utimes(join(path, name), new Date(), new Date()), 500);
    try {
      expect((await opened()).events).toEqual([]);
    } finally {
      clearInterval(beat);
    }
    expect((await opened()).events).toEqual([eventOf(1)]);
  });

  it('has a heartbeat every second', async () => {
    await opened();
    const [name = ''] = await namesOf('.owner');
    const file = join(path, name);
    await utimes(file, new Date(0), new Date(0));
    await until(async () => (await stat(file)).mtimeMs > Date.now() - 5000);
  });

  it('rewrites its events if it was taken for dead', async () => {
    const { store } = await opened();
    await store.append([eventOf(1), eventOf(2)]);
    for (const name of await readdir(path)) await rm(join(path, name));
    await until(async () => (await namesOf('.mdb')).length === 1);
    await store.append([eventOf(3)]);
    await store.remove([eventOf(9)]);
    await store.close();
    expect((await opened()).events).toEqual([eventOf(1), eventOf(2), eventOf(3)]);
  });

  it('rewrites its events in their order, without the removed ones', async () => {
    const { store } = await opened();
    const events = Array.from({ length: 300 }, (_unused, index) => eventOf(index));
    await store.append(events.slice(0, 200));
    await store.remove(events.slice(0, 100).reverse());
    await store.append(events.slice(200));
    for (const name of await readdir(path)) await rm(join(path, name));
    await until(async () => (await namesOf('.mdb')).length === 1);
    await store.close();
    expect((await opened()).events).toEqual(events.slice(100));
  });
});

describe('files that cannot be taken over immediately', () => {
  /** A store, files to take over, and the path of the lock of the second file, where a directory blocks it. */
  async function withLeftovers() {
    const { store } = await opened();
    const [note = ''] = await namesOf('.owner');
    const owners = await Promise.all([opened(), opened(), opened()]);
    for (const [index, one] of owners.entries()) await one.store.append([eventOf(index)]);
    const all = owners.map((_, index) => eventOf(index));
    for (const one of owners) await one.store.close();
    const names = (await namesOf('.mdb')).filter((name) => !name.includes(note.replace('.owner', ''))).sort();
    const [origin = '', project = ''] = names[1]!.split('.');
    const lock = join(path, `${origin}.${project}.${note.replace('.owner', '')}.mdb-lock`);
    return { store, all, names, lock };
  }
  const byId = (events: readonly QueuedEvent[]) => events.toSorted((a, b) => a.id.localeCompare(b.id));

  it('are taken over later if their locks could not be written', async () => {
    const { store, all, lock } = await withLeftovers();
    await mkdir(lock);
    await expect(store.recover(REQUEST)).rejects.toThrow(lock);
    await rm(lock, { recursive: true });
    expect(byId((await store.recover(REQUEST)).events)).toEqual(all);
  });

  it('are taken over later if they could not be opened, and the result of the inspection is reported then', async () => {
    const { store, all, names, lock } = await withLeftovers();
    await writeFile(join(path, names[0]!), 'damaged');
    // Blocks the lock as soon as the files have been inspected.
    const script = join(path, 'looks');
    const command = `'${process.execPath}' "$@" && rm -f '${lock}' && mkdir '${lock}'`;
    await writeFile(script, `#!/bin/sh\n${command}\n`, { mode: 0o700 });
    jest.replaceProperty(process, 'execPath', script);
    await expect(store.recover(REQUEST)).rejects.toThrow(lock);
    jest.restoreAllMocks();
    await rm(lock, { recursive: true });
    const { events, warnings } = await store.recover(REQUEST);
    expect(warnings).toEqual([expect.stringMatching(/damaged file/)]);
    expect(events).toHaveLength(2);
    expect(all).toEqual(expect.arrayContaining([...events]));
  });
});

describe('a deleted directory', () => {
  const events = Array.from({ length: 250 }, (_unused, index) => eventOf(index));
  let directory = '';
  beforeEach(() => {
    directory = join(path, 'store');
  });

  /** A store that records its calls of `onLost`. */
  async function listened(options: Partial<LmdbEventStoreOptions> = {}) {
    const store = lmdbEventStore({ path: directory, ...options });
    open.push(store);
    const told: { message: string; lost: readonly QueuedEvent[] }[] = [];
    const onLost = (error: unknown, lost: readonly QueuedEvent[]): void => {
      told.push({ message: (error as Error).message, lost });
    };
    return { store, told, ...(await store.recover({ ...REQUEST, onLost })) };
  }

  it('loses and reports its events if they cannot be rewritten', async () => {
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
    const all = [...old, ...Array.from({ length: 250 }, (_unused, index) => eventOf(1000 + index))];
    await store.append(all.slice(250));
    await rm(directory, { recursive: true });
    await until(() => Promise.resolve(told.length > 0));
    const { message, lost } = told[0]!;
    expect([told.length, message]).toEqual([1, 'it is full (maxBytes is 300000)']);
    expect(lost.length).toBeLessThan(250);
    await store.close();
    const { events: kept } = await listened();
    expect(kept.length).toBeGreaterThan(250);
    expect([...kept, ...lost]).toEqual(all);
  });
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error('it never came about');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
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
