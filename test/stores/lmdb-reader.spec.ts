import { type ChildProcess, spawn } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createRequire } from 'node:module';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LmdbFormatError } from '../../lib/stores/lmdb/format.js';
import { LmdbReader, type LmdbRecord } from '../../lib/stores/lmdb/reader.js';
import { LMDB_SETTINGS, openLmdb } from '../support/lmdb.js';
import { Seeded } from '../support/seeded.js';

let directory = '';
let path = '';
let running: ChildProcess | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lmdb-reader-'));
  path = join(directory, 'a.abc.b.mdb');
});
afterEach(async () => {
  running?.kill('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

type Records = ReadonlyMap<number, Buffer>;

async function read(): Promise<{ records: LmdbRecord[]; damaged: number }> {
  const file = await open(path);
  try {
    const reader = await LmdbReader.open(file);
    const records: LmdbRecord[] = [];
    for await (const record of reader.records()) records.push(record);
    return { records, damaged: reader.damaged };
  } finally {
    await file.close();
  }
}

/** Jest takes minutes to compare large buffers. */
const digest = (records: readonly LmdbRecord[]) =>
  records.map(({ key, value }) => `${key} ${value.length} ${createHash('sha1').update(value).digest('hex')}`);

/** Reads a file with LMDB itself. */
async function readByLmdb(): Promise<LmdbRecord[]> {
  const database = openLmdb(path);
  const records = Array.from(database.getRange(), ({ key, value }) => ({ key, value: Buffer.from(value) }));
  await database.close();
  return records;
}

function bytesOf(length: number, random: Seeded): Buffer {
  const key = Buffer.alloc(16);
  key.writeDoubleLE(random.next());
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

/** Writes in transactions of ten records. */
async function write(records: Iterable<readonly [number, Buffer | null]>, settings: object = {}): Promise<void> {
  const database = openLmdb(path, settings);
  const all = [...records];
  for (let from = 0; from < all.length; from += 10) {
    database.transactionSync(() => {
      for (const [key, value] of all.slice(from, from + 10)) {
        if (value) database.putSync(key, value);
        else database.removeSync(key);
      }
    });
  }
  await database.close();
}

function* blocks(count: number, maxBytes: number, random: Seeded): Iterable<readonly [number, Buffer]> {
  for (let key = 1; key <= count; key += 1) {
    yield [key, bytesOf(random.below(maxBytes) + 1, random)];
    if (random.chance(0.2)) yield [-key, Buffer.from(JSON.stringify([random.below(100)]))];
  }
}

describe('intact files', () => {
  it.each<[string, () => Iterable<readonly [number, Buffer | null]>]>([
    ['one record', () => [[1, Buffer.from('one')]]],
    ['thousands of small records', () => blocks(5000, 300, new Seeded(1))],
    ['values around half a page and a whole page', () => sizes()],
    ['large values', () => blocks(60, 500_000, new Seeded(2))],
    ['values of one length', () => Array.from({ length: 3000 }, (_, index) => [index + 1, Buffer.alloc(64, index)])],
    ['numbers of every magnitude', () => numbers()],
    ['removed and rewritten records', () => churn()],
    [
      'only removed records',
      () => [
        [1, Buffer.alloc(9000)],
        [1, null],
      ],
    ],
  ])('reads %s as LMDB does', async (_, records) => {
    await write(records());
    const { records: found, damaged } = await read();
    expect(digest(found)).toEqual(digest(await readByLmdb()));
    expect(damaged).toBe(0);
  });

  it.each([512, 1024, 8192, 16_384, 32_768, 65_536])('reads pages of %d bytes', async (pageSize) => {
    await write(blocks(300, 2 * pageSize, new Seeded(pageSize)), { pageSize });
    const { records, damaged } = await read();
    expect(records.length).toBeGreaterThan(300);
    expect(digest(records)).toEqual(digest(await readByLmdb()));
    expect(damaged).toBe(0);
  });

  it('reads a file that was opened, but never written', async () => {
    await openLmdb(path).close();
    expect(await read()).toEqual({ records: [], damaged: 0 });
  });

  it('reads an empty file', async () => {
    await writeFile(path, '');
    expect(await read()).toEqual({ records: [], damaged: 0 });
  });

  it('reads a file whose creation was interrupted', async () => {
    await openLmdb(path).close();
    await writeFile(path, (await readFile(path)).subarray(0, 4096));
    expect(await read()).toEqual({ records: [], damaged: 0 });
  });

  it.each([1, 2, 3])('reads all committed records of a process that was killed (%d)', async (round) => {
    const lmdb = createRequire(import.meta.url).resolve('lmdb');
    const script = `
      import { once } from 'node:events';
      import lmdb from ${JSON.stringify(pathToFileURL(lmdb).href)};
      const database = lmdb.open({ ...${JSON.stringify(LMDB_SETTINGS)}, path: ${JSON.stringify(path)} });
      for (let key = 1; ; key += 1) {
        database.transactionSync(() => {
          database.putSync(key, Buffer.alloc((key * 997) % 20_000 + 1, key));
          database.removeSync(key % 3 === 0 ? key - 2 : key - 400);
        });
        // What does not fit into the pipe is written only once the event loop turns.
        if (!process.stdout.write(key + '\\n')) await once(process.stdout, 'drain');
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    running = child;
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.length > 3000 * round) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const last = Number(output.slice(0, output.lastIndexOf('\n')).split('\n').at(-1));
    const { records, damaged } = await read();
    expect(damaged).toBe(0);
    expect(records.at(-1)?.key).toBeGreaterThanOrEqual(last);
    expect(digest(records)).toEqual(digest(await readByLmdb()));
  });
});

function* sizes(): Iterable<readonly [number, Buffer]> {
  for (const [index, middle] of [1, 2000, 2036, 4048, 4072, 4096, 8168, 8192, 65_512].entries()) {
    for (let add = 0; add < 40; add += 1) yield [index * 100 + add + 1, Buffer.alloc(middle + add, add)];
  }
}

function* numbers(): Iterable<readonly [number, Buffer]> {
  for (let power = 0; power <= 53; power += 1) {
    for (const key of [2 ** power - 1, 2 ** power, -(2 ** power), 1 - 2 ** power]) {
      if (key !== 0) yield [key, Buffer.from(String(key))];
    }
  }
}

function* churn(): Iterable<readonly [number, Buffer | null]> {
  const random = new Seeded(3);
  for (let round = 0; round < 3000; round += 1) {
    const key = random.below(200) + 1;
    yield [key, random.chance(0.5) ? bytesOf(random.below(10_000), random) : null];
  }
}

describe('damaged files', () => {
  const original = async (): Promise<{ bytes: Buffer; values: Records }> => {
    await write(blocks(150, 6000, new Seeded(4)));
    const values = new Map((await readByLmdb()).map(({ key, value }) => [key, value]));
    return { bytes: await readFile(path), values };
  };
  const changed = (records: readonly LmdbRecord[], values: Records) =>
    records.filter(({ key, value }) => !values.get(key)?.equals(value));

  it('never fails in another way than a format error, and changes no more records than there are flipped bits', async () => {
    const { bytes, values } = await original();
    let noticed = 0;
    for (let seed = 1; seed <= 60; seed += 1) {
      const random = new Seeded(seed);
      const copy = Buffer.from(bytes);
      const flips = 2 ** random.below(8);
      for (let flip = 0; flip < flips; flip += 1) copy[random.below(copy.length)]! ^= 1 << random.below(8);
      await writeFile(path, copy);
      const { records, damaged } = await read();
      expect(changed(records, values).length).toBeLessThanOrEqual(flips);
      if (damaged > 0) noticed += 1;
      if (damaged === 0) expect(records.length).toBe(values.size);
    }
    expect(noticed).toBeGreaterThan(2);
  });

  it('survives flipped bits in headers, tables and nodes', async () => {
    const { bytes } = await original();
    for (let seed = 1; seed <= 50; seed += 1) {
      const random = new Seeded(seed);
      const copy = Buffer.from(bytes);
      for (let flip = 0; flip < 60; flip += 1) {
        const page = random.below(copy.length / 4096) * 4096;
        copy[page + random.below(64)]! ^= 1 << random.below(8);
      }
      await writeFile(path, copy);
      const result = await read().catch((error: unknown) => error);
      if (result instanceof Error) expect(result).toBeInstanceOf(LmdbFormatError);
    }
  });

  it('reads what is left of truncated files', async () => {
    const { bytes, values } = await original();
    for (let length = 168; length < bytes.length; length += 3000) {
      await writeFile(path, bytes.subarray(0, length));
      const { records, damaged } = await read();
      expect(changed(records, values)).toEqual([]);
      // The commit before the last one may have up to ten records less.
      expect(records.length + damaged).toBeGreaterThanOrEqual(values.size - 10);
      if (records.length < values.size) expect(damaged).toBeGreaterThan(0);
    }
    for (const length of [1, 100, 167]) {
      await writeFile(path, bytes.subarray(0, length));
      await expect(read()).rejects.toMatchObject({ reason: 'damaged' });
    }
  });

  it('skips a record that is not complete, and counts it', async () => {
    await write([
      [1, Buffer.alloc(9000, 1)],
      [2, Buffer.alloc(9000, 2)],
      [3, Buffer.alloc(9000, 3)],
    ]);
    const bytes = await readFile(path);
    const last = bytes.lastIndexOf(Buffer.alloc(9000, 3));
    expect(last + 9000).toBeGreaterThan(bytes.length - 4096);
    await writeFile(path, bytes.subarray(0, last + 5000));
    const { records, damaged } = await read();
    expect(records.map(({ key }) => key)).toEqual([1, 2]);
    expect(damaged).toBe(1);
  });

  it('uses the commit before the last one if the root of the last one is damaged', async () => {
    await write(Array.from({ length: 40 }, (_, index) => [index + 1, Buffer.alloc(3000, index)]));
    const bytes = await readFile(path);
    const newest = bytes.readBigUInt64LE(24 + 128) > bytes.readBigUInt64LE(4096 + 24 + 128) ? 0 : 4096;
    const root = Number(bytes.readBigUInt64LE(newest + 24 + 112));
    await writeFile(path, bytes.fill(0, root * 4096, (root + 1) * 4096));
    const { records, damaged } = await read();
    expect(records.map(({ key }) => key)).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
    expect(damaged).toBeGreaterThan(0);
  });

  it.each([0, 4096])('uses the other meta page if the one at %d is damaged', async (offset) => {
    await write(Array.from({ length: 40 }, (_, index) => [index + 1, Buffer.alloc(3000, index)]));
    await writeFile(path, (await readFile(path)).fill(0, offset, offset + 4096));
    const { records, damaged } = await read();
    expect([30, 40]).toContain(records.length);
    expect(damaged).toBe(1);
  });

  it('notices the loss of the only commit', async () => {
    await write([[1, Buffer.from('one')]]);
    await writeFile(path, (await readFile(path)).fill(0, 4096, 8192));
    expect(await read()).toEqual({ records: [], damaged: 1 });
  });

  it('ends on pages that refer to themselves', async () => {
    await write(blocks(2000, 300, new Seeded(5)));
    const bytes = await readFile(path);
    const newest = bytes.readBigUInt64LE(24 + 128) > bytes.readBigUInt64LE(4096 + 24 + 128) ? 0 : 4096;
    const root = Number(bytes.readBigUInt64LE(newest + 24 + 112));
    const page = bytes.subarray(root * 4096, (root + 1) * 4096);
    expect(page.readUInt16LE(18)).toBe(1);
    for (let index = 0; index < page.readUInt16LE(20) / 2; index += 1) {
      page.writeUIntLE(root, 24 + page.readUInt16LE(24 + index * 2), 6);
    }
    await writeFile(path, bytes);
    expect((await read()).damaged).toBeGreaterThan(0);
  });

  it('limits what a page with overlapping nodes can contain', async () => {
    await write([[1, Buffer.alloc(1500, 1)]]);
    const bytes = await readFile(path);
    const newest = 4096;
    const root = Number(bytes.readBigUInt64LE(newest + 24 + 112));
    const page = bytes.subarray(root * 4096, (root + 1) * 4096);
    const node = page.readUInt16LE(24);
    page.writeUInt16LE(200, 20);
    for (let index = 0; index < 100; index += 1) page.writeUInt16LE(node, 24 + index * 2);
    await writeFile(path, bytes);
    const { records, damaged } = await read();
    expect(records).toHaveLength(1);
    expect(damaged).toBe(99);
  });

  it('reports random bytes, zeros and text as damaged', async () => {
    const contents = [
      Buffer.alloc(100_000),
      Buffer.from('mine'),
      ...[1, 2, 3].map((seed) => bytesOf(100_000, new Seeded(seed))),
    ];
    for (const content of contents) {
      await writeFile(path, content);
      await expect(read()).rejects.toMatchObject({ name: 'LmdbFormatError', reason: 'damaged' });
    }
  });

  it('survives random bytes behind intact meta pages', async () => {
    const { bytes } = await original();
    for (let seed = 1; seed <= 20; seed += 1) {
      await writeFile(path, Buffer.concat([bytes.subarray(0, 8192), bytesOf(bytes.length / 8, new Seeded(seed))]));
      const { records, damaged } = await read();
      expect(records).toEqual([]);
      expect(damaged).toBeGreaterThan(0);
    }
  });

  it('reports files of another format version, byte order or word size as unsupported', async () => {
    const { bytes } = await original();
    const other = (change: (copy: Buffer, meta: number) => void) => {
      const copy = Buffer.from(bytes);
      for (const meta of [0, 4096]) change(copy, meta);
      return copy;
    };
    const contents = [
      other((copy, meta) => copy.writeUInt32LE(3, meta + 28)),
      other((copy, meta) => copy.subarray(meta, meta + 168).swap32()),
      other((copy, meta) => copy.copyWithin(meta + 16, meta + 24, meta + 160)),
    ];
    for (const content of contents) {
      await writeFile(path, content);
      await expect(read()).rejects.toMatchObject({ name: 'LmdbFormatError', reason: 'unsupported' });
    }
  });
});
