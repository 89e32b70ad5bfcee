import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { type QueuedEvent } from 'nestjs-posthog-capture';
import { fileEventStore } from 'nestjs-posthog-capture/store';
import { Seeded, SEED } from '../support/seeded.js';
import { eventOf, idsOf, manyEvents as many } from '../support/stored-events.js';
import { REQUEST, useStoreDirectory } from '../support/store-directory.js';

const files = useStoreDirectory();
const { opened, left, namesOf } = files;

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
      for (const name of await readdir(files.path)) await rm(join(files.path, name));
      const copy = await left([eventOf(99)]);
      await writeFile(copy, flip(at)(Buffer.from(intact)));
      const { events: recovered, warnings } = await drained();
      const what = `bit of byte ${at}`;
      expect([what, recovered.filter(({ payload }) => !texts.has(payload))]).toEqual([what, []]);
      expect([what, recovered.length >= 30]).toEqual([what, true]);
      expect(idsOf(recovered)).toEqual(idsOf(events).filter((id) => idsOf(recovered).includes(id)));
      if (recovered.length < 40) {
        expect([what, warnings]).toEqual([what, [expect.stringMatching(/1 damaged block of events.*set aside/)]]);
        expect(await namesOf('.damaged')).toHaveLength(1);
      }
    }
  });

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
    expect((await readFile(join(files.path, aside))).length).toBe(bytes.length);
    expect((await stat(join(files.path, aside))).mode & 0o777).toBe(0o600);
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
      for (const name of await readdir(files.path)) await rm(join(files.path, name));
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
    // That version has another checksum.
    const change8And16 = (bytes: Buffer): Buffer => {
      bytes[8]! ^= 3;
      bytes[16]! ^= 3;
      return bytes;
    };
    await change(file, change8And16);
    const { store, events, warnings } = await opened();
    expect({ events, warnings }).toEqual({ events: [], warnings: [expect.stringContaining('newer version')] });
    expect((await store.recover(REQUEST)).warnings).toEqual([]);
    await store.close();
    await change(file, change8And16);
    expect((await opened()).events).toEqual([eventOf(1)]);
  });

  it('does not touch unknown files', async () => {
    await writeFile(join(files.path, 'notes.txt'), 'mine');
    await writeFile(join(files.path, 'data.events'), 'mine');
    const { store, warnings } = await opened();
    await store.close();
    expect(warnings).toEqual([]);
    expect((await readdir(files.path)).sort()).toEqual(['data.events', 'notes.txt']);
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
    expect(await readdir(files.path)).toEqual([]);
  });

  it.each([
    ['smaller', 900_000, 700],
    ['larger', 500_000, 900_000],
  ])('is available to %s events than those that were removed', async (_, size, nextSize) => {
    const { store } = await opened({ maxBytes: 1_000_000 });
    const first = [eventOf(0, size)];
    await store.append(first);
    const second = [eventOf(1)];
    await store.append(second);
    await store.remove(first);
    if (nextSize > size) await store.remove(second);
    const next = many(Math.max(1, Math.floor(700_000 / nextSize)), 2, nextSize - 100);
    for (let from = 0; from < next.length; from += 100) await store.append(next.slice(from, from + 100));
    expect(await diskUsage()).toBeLessThanOrEqual(1_000_000);
    await store.close();
    expect(idsOf((await opened()).events).sort()).toEqual(idsOf([...(nextSize > size ? [] : second), ...next]).sort());
  });

  it('determines the size of a file, so that a large one needs few descriptors', async () => {
    const { store } = await opened({ maxBytes: 1024 ** 3 });
    for (let from = 0; from < 12; from += 1) await store.append([eventOf(from, 1_000_000)]);
    expect(await namesOf('.events')).toHaveLength(1);
  });

  async function diskUsage(): Promise<number> {
    const sizes = await Promise.all(
      (await namesOf('.events')).map(async (name) => (await stat(join(files.path, name))).size),
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
        const copy = `${files.path}-killed`;
        await cp(files.path, copy, { recursive: true, filter: (file) => !file.endsWith('.lock') });
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
);

function randomBytes(length: number): Buffer {
  const random = new Seeded(7);
  return Buffer.from(Uint8Array.from({ length }, () => random.below(256)));
}
