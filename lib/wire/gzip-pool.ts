import { AsyncResource } from 'node:async_hooks';
import { constants, createGzip, type Gzip, type ZlibReset } from 'node:zlib';

/** Node's types forget that it can begin anew, as all that compress can. */
type Packer = Gzip & ZlibReset;

/**
 * Events of one batch are so alike that the quickest level leaves a tenth more than the usual one, for about half of the work: `npm run
 * bench -- compression`.
 */
const LEVEL = 1;
/** Output comes in pieces of this size, whatever text they are of, and each that is full costs another trip through the thread pool. */
const PIECE_BYTES = 64 * 1024;
/** Those that wait for work: as many as Node's thread pool has threads, unless told otherwise. One has a third of a megabyte. */
const MAX_IDLE = 4;

/**
 * Packs texts with gzip, in Node's thread pool. Each stream of Node's packs many of them, one after the other: to make one and its
 * memory costs as much as to pack a batch.
 */
export class GzipPool {
  readonly #idle: Packer[] = [];
  /** What is kept must not hold on to the request in whose course it was made. */
  readonly #outside = new AsyncResource('nestjs-posthog-capture:gzip');

  /** A gzip of its own for each text. Rejects when Node cannot do it. */
  pack(text: string): Promise<Buffer> {
    const stream = this.#idleOne() ?? this.#outside.runInAsyncScope(newStream);
    return new Promise((resolve, reject) => {
      const pieces: Buffer[] = [];
      const take = (piece: Buffer): void => void pieces.push(piece);
      const fail = (): void => reject(stream.errored ?? new Error('gzip was cut short'));
      stream.on('data', take);
      stream.once('close', fail);
      stream.write(text, () => {
        // What fails destroys the stream; its write then never ends, or as if nothing were wrong.
        if (stream.destroyed) return;
        // What is not told yet is told by this.
        while (stream.read() !== null);
        stream.off('data', take).off('close', fail);
        const [only] = pieces;
        resolve(pieces.length === 1 && only ? only : Buffer.concat(pieces));
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
      // One that cannot begin anew has done its work all the same.
    }
    stream.destroy();
  }
}

function newStream(): Packer {
  // Each write is the whole of a text, and ends it.
  const stream = createGzip({ level: LEVEL, chunkSize: PIECE_BYTES, flush: constants.Z_FINISH }) as Packer;
  // That it closes says so as well.
  stream.on('error', () => undefined);
  return stream;
}
