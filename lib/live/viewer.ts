import { type ServerResponse } from 'node:http';
import { SAFE_HEADERS } from './page.js';

/** Amount of unsent data above which a viewer receives no updates until it has caught up. */
const MAX_UNSENT_BYTES = 1024 * 1024;
/** Time after which a viewer that has not caught up is disconnected. */
const MAX_BEHIND_MS = 20_000;
/** Delay before the browser reconnects. */
const RETRY_MS = 1000;

/** An open page: a stream of server-sent events. */
export class Viewer {
  readonly #response: ServerResponse;
  #messages = 0;
  #behindSince: number | null = null;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  /** Opens the stream with a snapshot. */
  open(snapshot: string): void {
    this.#response.writeHead(200, {
      ...SAFE_HEADERS,
      'content-type': 'text/event-stream; charset=utf-8',
      // A closing server waits for open connections, so the connection must end with the stream.
      connection: 'close',
      // Tells reverse proxies not to buffer the stream.
      'x-accel-buffering': 'no',
    });
    this.#response.write(`retry: ${RETRY_MS}\n`);
    this.#write('snapshot', snapshot);
  }

  /**
   * Sends an update. A slow viewer misses updates and receives a snapshot once it has caught up.
   *
   * @param snapshot called only if the viewer has caught up
   */
  send(update: string, snapshot: () => string): void {
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
    // A browser that does not read would keep the server open.
    if (this.#response.writableLength > 0) this.#response.destroy();
    else this.#response.end();
  }

  #write(kind: string, json: string): void {
    this.#response.write(`event: ${kind}\nid: ${++this.#messages}\ndata: ${json}\n\n`);
  }
}
