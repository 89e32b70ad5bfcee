import { AsyncResource } from 'node:async_hooks';
import { constants, createGzip, type Gzip, type ZlibReset } from 'node:zlib';

/** Node's types lack `reset` for Gzip. */
type Packer = Gzip & ZlibReset;

/**
 * The fastest level. The events of a batch resemble each other, so its output is only a tenth larger than that of the default level, for
 * about half of the work: `npm run bench -- compression`.
 */
const LEVEL = 1;
/** Size of an output chunk. Each full chunk costs another trip through the thread pool. */
const CHUNK_BYTES = 64 * 1024;
/** Idle streams that are kept: the default number of threads in Node's thread pool. Each takes a third of a megabyte. */
const MAX_IDLE = 4;

/**
 * Compresses strings and buffers with gzip in Node's thread pool. Streams are reused, because creating one costs as much as compressing a batch.
 */
export class GzipPool {
  readonly #idle: Packer[] = [];
  /** Keeps pooled streams out of the async context of the request that created them. */
  readonly #outside = new AsyncResource('nestjs-posthog-capture:gzip');

  /** Each result is a complete gzip file. Rejects if the stream fails. */
  pack(text: string | Buffer): Promise<Buffer> {
    const stream = this.#idleOne() ?? this.#outside.runInAsyncScope(newStream);
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      const take = (chunk: Buffer): void => void chunks.push(chunk);
      const fail = (): void => reject(stream.errored ?? new Error('gzip ended before all data was compressed'));
      stream.on('data', take);
      stream.once('close', fail);
      stream.write(text, () => {
        // A failed stream is destroyed, but may still call back as if nothing were wrong.
        if (stream.destroyed) return;
        // Emits the remaining data.
        while (stream.read() !== null);
        stream.off('data', take).off('close', fail);
        const [only] = chunks;
        resolve(chunks.length === 1 && only ? only : Buffer.concat(chunks));
        this.#keep(stream);
      });
    });
  }

  #idleOne(): Packer | undefined {
    let stream = this.#idle.pop();
    while (stream?.destroyed) stream = this.#idle.pop();
    return stream;
  }

  #keep(stream: Packer): void {
    try {
      if (this.#idle.length < MAX_IDLE) {
        stream.reset();
        this.#idle.push(stream);
        return;
      }
    } catch {
      // It cannot be reused, but its result is complete.
    }
    stream.destroy();
  }
}

function newStream(): Packer {
  // Each write is complete.
  const stream = createGzip({ level: LEVEL, chunkSize: CHUNK_BYTES, flush: constants.Z_FINISH }) as Packer;
  // `close` follows, which rejects.
  stream.on('error', () => undefined);
  return stream;
}
