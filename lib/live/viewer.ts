import { type ServerResponse } from 'node:http';
import { SAFE_HEADERS } from './page.js';

/** A viewer with so much unsent is told nothing more, until it has caught up. */
const MAX_UNSENT_BYTES = 1024 * 1024;
/** One that has not caught up for so long is cut off. */
const MAX_BEHIND_MS = 20_000;
/** How soon the browser comes back after the stream has ended. */
const RETRY_MS = 1000;

/** Somebody who looks: one open stream of server-sent events. */
export class Viewer {
  readonly #response: ServerResponse;
  #messages = 0;
  #behindSince: number | null = null;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  /** Opens the stream with a snapshot. */
  begin(snapshot: string): void {
    this.#response.writeHead(200, {
      ...SAFE_HEADERS,
      'content-type': 'text/event-stream; charset=utf-8',
      // So that the end of the stream is the end of the connection, which a server that closes would wait for.
      connection: 'close',
      // Asks reverse proxies not to keep it back.
      'x-accel-buffering': 'no',
    });
    this.#response.write(`retry: ${RETRY_MS}\n`);
    this.#write('snapshot', snapshot);
  }

  /**
   * Tells what changed. A viewer that is slow misses it, and gets a snapshot instead when it has caught up.
   *
   * @param snapshot makes one
   */
  tell(update: string, snapshot: () => string): void {
    const unsent = this.#response.writableLength;
    if (this.#behindSince !== null) {
      if (unsent === 0) {
        this.#behindSince = null;
        this.#write('snapshot', snapshot());
      } else if (performance.now() - this.#behindSince > MAX_BEHIND_MS) {
        this.#response.destroy();
      }
    } else if (unsent > MAX_UNSENT_BYTES) {
      this.#behindSince = performance.now();
    } else {
      this.#write('update', update);
    }
  }

  end(): void {
    // A browser that does not read would keep the server from closing.
    if (this.#response.writableLength > 0) this.#response.destroy();
    else this.#response.end();
  }

  #write(kind: string, json: string): void {
    this.#response.write(`event: ${kind}\nid: ${++this.#messages}\ndata: ${json}\n\n`);
  }
}
