import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { type Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { jest } from '@jest/globals';
import { GzipPool } from '../../../lib/wire/gzip-pool.js';

/** Text that gzip hardly compresses, so that its output comes in several chunks. */
const noise = (bytes: number): string => randomBytes(bytes).toString('base64');

describe('GzipPool', () => {
  it('compresses strings sequentially, each on its own', async () => {
    const pool = new GzipPool();
    for (const text of ['first', '', 'Zürich \u{1F600}', 'x'.repeat(3_000_000), noise(300_000), 'last']) {
      expect(zlib.gunzipSync(await pool.pack(text)).toString()).toBe(text);
    }
  });

  it('compresses many strings concurrently, each on its own', async () => {
    const pool = new GzipPool();
    const texts = Array.from({ length: 40 }, (_unused, index) => `${index} ${noise(index * 5000)}`);
    for (let round = 0; round < 3; round += 1) {
      const packed = await Promise.all(texts.map((text) => pool.pack(text)));
      expect(packed.map((bytes) => zlib.gunzipSync(bytes).toString())).toEqual(texts);
    }
  });

  it('does not change a result when it compresses the next string', async () => {
    const pool = new GzipPool();
    const [first, second] = [noise(100_000), noise(100_000)];
    const packed = await pool.pack(first);
    await pool.pack(second);
    expect(zlib.gunzipSync(packed).toString()).toBe(first);
  });

  it('rejects if a stream fails, and compresses the next string', async () => {
    const pool = new GzipPool();
    const gzips = Object.getPrototypeOf(zlib.createGzip()) as Transform;
    const { write } = gzips;
    const spy = jest.spyOn(gzips, 'write').mockImplementationOnce(function (this: Transform, text, written) {
      process.nextTick(() => this.destroy(new Error('no memory')));
      return write.call(this, text, written as never);
    });
    await expect(pool.pack('text')).rejects.toThrow('no memory');
    // Other tests use the same streams.
    spy.mockRestore();
    expect(zlib.gunzipSync(await pool.pack('text')).toString()).toBe('text');
  });

  it('resolves in the async context of each caller', async () => {
    const pool = new GzipPool();
    const context = new AsyncLocalStorage<number>();
    const seen = [];
    for (const caller of [1, 2, 3]) {
      seen.push(await context.run(caller, () => pool.pack('text').then(() => context.getStore())));
    }
    expect(seen).toEqual([1, 2, 3]);
  });
});
