import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32, gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type QueuedEvent } from 'nestjs-posthog-capture';
import { BlockWriter } from '../../lib/records/event-block.js';
import { FormerFile } from '../../lib/stores/lmdb/former-file.js';
import { openLmdb, writeGaps } from '../support/lmdb.js';
import { Seeded } from '../support/seeded.js';

let directory = '';
let path = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lmdb-take-over-'));
  path = join(directory, 'a.abc.b.mdb');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function eventOf(index: number): QueuedEvent {
  const payload = JSON.stringify({ event: `event_${index}`, properties: { text: 'ü'.repeat(index % 300) } });
  return {
    id: `id-${index}`,
    name: `event_${index}`,
    orderKey: `user_${index % 7}`,
    format: 'v0',
    payload,
    bytes: Buffer.byteLength(payload),
    capturedAt: 1_700_000_000_000 + index,
  };
}

const eventsOf = (from: number, count: number) => Array.from({ length: count }, (_, index) => eventOf(from + index));

/** Writes blocks of a hundred events, and lists of removed events, as version 0.1 did. */
async function write(count: number, gaps: Readonly<Record<number, readonly number[]>> = {}): Promise<void> {
  const writer = new BlockWriter('abc');
  await put((database) => {
    for (let key = 1; key <= count; key += 1) database.putSync(key, writer.write(eventsOf(key * 100, 100)));
    for (const [key, indices] of Object.entries(gaps)) database.putSync(-Number(key), writeGaps(indices));
  });
}

async function put(work: (database: ReturnType<typeof openLmdb>) => void): Promise<void> {
  const database = openLmdb(path);
  database.transactionSync(() => work(database));
  await database.close();
}

async function read(project = 'abc') {
  const file = await FormerFile.open(path, project);
  try {
    const isOfOtherVersion = await file.isOfOtherVersion();
    const blocks: (readonly QueuedEvent[])[] = [];
    for await (const block of file.blocks()) blocks.push(block);
    return {
      blocks,
      events: blocks.flat(),
      damaged: file.damaged,
      ofOtherVersion: file.ofOtherVersion,
      isOfOtherVersion,
    };
  } finally {
    await file.close();
  }
}

/** A block whose version differs, with a valid checksum. */
function ofVersion(version: number, block: Buffer): Buffer {
  const rest = Buffer.from(block.subarray(9).toString('latin1').replace('[2,', `[${version},`), 'latin1');
  return Buffer.concat([Buffer.from(`${crc32(rest).toString(16).padStart(8, '0')} `), rest]);
}

describe('a file of version 0.1', () => {
  it('contains the events that were not removed, block by block', async () => {
    await write(30, { 3: [0, 99], 7: Array.from({ length: 100 }, (_, index) => index), 12: [50] });
    const { blocks, damaged, ofOtherVersion, isOfOtherVersion } = await read();
    expect({ damaged, ofOtherVersion, isOfOtherVersion }).toEqual({
      damaged: 0,
      ofOtherVersion: 0,
      isOfOtherVersion: false,
    });
    expect(blocks).toHaveLength(29);
    expect(blocks[2]).toEqual(eventsOf(301, 98));
    expect(blocks[6]).toEqual(eventsOf(800, 100));
    expect(blocks.flat()).toHaveLength(2897);
  });

  it('is readable as a killed process left it', async () => {
    // Written by version 0.1 itself: blocks of different sizes, from which every third event and the events 48 to 147 were removed.
    await writeFile(path, gunzipSync(await readFile(new URL('version-0.1.mdb.gz', import.meta.url))));
    const left = eventsOf(0, 642).filter(
      (_, index) => index === 641 || (index % 3 !== 0 && (index < 48 || index > 147)),
    );
    const { events, damaged, isOfOtherVersion } = await read('abc0123456789def');
    expect({ damaged, isOfOtherVersion }).toEqual({ damaged: 0, isOfOtherVersion: false });
    expect(events).toEqual(left);
  });

  it('may be empty', async () => {
    await writeFile(path, '');
    expect(await read()).toMatchObject({ events: [], damaged: 0, isOfOtherVersion: false });
  });

  it('stays as it is', async () => {
    await write(3);
    const before = { bytes: await readFile(path), mtimeMs: (await stat(path)).mtimeMs };
    await read();
    expect((await stat(path)).mtimeMs).toBe(before.mtimeMs);
    expect((await readFile(path)).equals(before.bytes)).toBe(true);
    expect((await readdir(directory)).filter((name) => !name.startsWith('a.abc.b.mdb'))).toEqual([]);
  });

  it('loses one block by one flipped bit in an event', async () => {
    await write(10);
    const bytes = await readFile(path);
    bytes[bytes.indexOf('event_450"') + 3]! ^= 4;
    await writeFile(path, bytes);
    const { events, damaged, ofOtherVersion } = await read();
    expect(events.map(({ id }) => id)).toEqual([...eventsOf(100, 300), ...eventsOf(500, 600)].map(({ id }) => id));
    expect({ damaged, ofOtherVersion }).toEqual({ damaged: 1, ofOtherVersion: 0 });
  });

  it('never contains an event whose bytes have changed, nor one that was never written', async () => {
    await write(10, { 4: [1, 2, 3] });
    const bytes = await readFile(path);
    const payloads = new Set(eventsOf(100, 1000).map(({ id, payload }) => id + payload));
    for (let seed = 1; seed <= 60; seed += 1) {
      const random = new Seeded(seed);
      const copy = Buffer.from(bytes);
      for (let flip = 0; flip < 2 ** random.below(8); flip += 1)
        copy[random.below(copy.length)]! ^= 1 << random.below(8);
      await writeFile(path, copy);
      const { events, damaged } = await read();
      expect(events.filter(({ id, payload }) => !payloads.has(id + payload))).toEqual([]);
      if (events.length < 997) expect(damaged).toBeGreaterThan(0);
    }
  });

  it('contains a block whose key is damaged', async () => {
    await put((database) => {
      database.putSync(1, new BlockWriter('abc').write(eventsOf(1, 100)));
      database.putSync(-2.5, new BlockWriter('abc').write(eventsOf(101, 100)));
    });
    const { events, damaged } = await read();
    expect(events).toHaveLength(200);
    expect(damaged).toBe(0);
  });

  it('is not damaged if a newer version wrote it', async () => {
    const writer = new BlockWriter('abc');
    await put((database) => {
      for (const key of [1, 2, 3]) database.putSync(key, ofVersion(4, writer.write(eventsOf(key * 100, 100))));
      database.putSync(-2, writeGaps([1]));
    });
    expect(await read()).toEqual({ blocks: [], events: [], damaged: 0, ofOtherVersion: 3, isOfOtherVersion: true });
  });

  it('is damaged if a version number has a flipped bit', async () => {
    await write(2);
    const bytes = await readFile(path);
    const at = bytes.indexOf('[2,"abc"');
    bytes[at + 1] = '3'.charCodeAt(0);
    await writeFile(path, bytes);
    expect(await read()).toMatchObject({ damaged: 1, ofOtherVersion: 0, isOfOtherVersion: false });
  });

  it('does not contain events of another project', async () => {
    await write(2);
    expect(await read('def')).toMatchObject({ events: [], damaged: 2 });
  });
});

describe('errors', () => {
  it('passes on errors of the file system', async () => {
    await expect(FormerFile.open(join(directory, 'missing.mdb'), 'abc')).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('reports a file without any LMDB content as damaged', async () => {
    await writeFile(path, 'mine');
    await expect(FormerFile.open(path, 'abc')).rejects.toMatchObject({ name: 'LmdbFormatError', reason: 'damaged' });
  });

  it('does not wait for the writer of a named pipe', async () => {
    await promisify(execFile)('mkfifo', [path]);
    await expect(FormerFile.open(path, 'abc')).rejects.toMatchObject({
      name: 'LmdbFormatError',
      reason: 'unsupported',
    });
  });

  it('does not leave a file descriptor open', async () => {
    await write(2);
    await cp(path, `${path}.copy`);
    const openFiles = async () => (await readdir('/proc/self/fd')).length;
    const before = await openFiles();
    for (let round = 0; round < 20; round += 1) {
      await read();
      await writeFile(`${path}.copy`, 'mine');
      await FormerFile.open(`${path}.copy`, 'abc').catch(() => undefined);
    }
    expect(await openFiles()).toBeLessThanOrEqual(before + 3);
  });
});
