import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { GzipPool } from '../../../lib/wire/gzip-pool.js';

/** Texts that gzip can do little with, so that what leaves it comes in pieces. */
const noise = (bytes: number): string => randomBytes(bytes).toString('base64');

describe('GzipPool', () => {
  it('packs one text after the other, each on its own', async () => {
    const pool = new GzipPool();
    for (const text of ['first', '', 'Zürich \u{1F600}', 'x'.repeat(3_000_000), noise(300_000), 'last']) {
      expect(gunzipSync(await pool.pack(text)).toString()).toBe(text);
    }
  });

  it('packs many at once, each on its own', async () => {
    const pool = new GzipPool();
    const texts = Array.from({ length: 40 }, (_unused, index) => `${index} ${noise(index * 5000)}`);
    for (let round = 0; round < 3; round += 1) {
      const packed = await Promise.all(texts.map((text) => pool.pack(text)));
      expect(packed.map((bytes) => gunzipSync(bytes).toString())).toEqual(texts);
    }
  });

  it('leaves what it has packed as it is when it packs more', async () => {
    const pool = new GzipPool();
    const [first, second] = [noise(100_000), noise(100_000)];
    const packed = await pool.pack(first);
    await pool.pack(second);
    expect(gunzipSync(packed).toString()).toBe(first);
  });

  it('answers in the context of its caller, whoever was first', async () => {
    const pool = new GzipPool();
    const context = new AsyncLocalStorage<number>();
    const seen = [];
    for (const caller of [1, 2, 3]) {
      seen.push(await context.run(caller, () => pool.pack('text').then(() => context.getStore())));
    }
    expect(seen).toEqual([1, 2, 3]);
  });
});
