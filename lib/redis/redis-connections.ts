/** An argument of a command. */
export type Argument = string | Buffer;

/** A connection that reconnects by itself until it is closed. */
export interface RedisConnection {
  /** Resolves when the first attempt to connect has succeeded or failed. Does not reject. */
  readonly opened: Promise<void>;
  /** Sends a command, or rejects at once if there is no connection. Replies have Buffers. */
  call(command: string, args: readonly Argument[]): Promise<unknown>;
  close(): void;
}

export interface ConnectionEvents {
  /** Called with the error of each failed attempt to connect. */
  readonly onError: (error: unknown) => void;
  /** A socket was closed. The connection opens another one. */
  readonly onClose: () => void;
  /** The connection will not be tried again, and nobody closed it. */
  readonly onEnd: () => void;
}

/** Opens connections of its own, with the address and credentials of an application's. */
export interface RedisDriver {
  /** The part of every key that the application's own connection adds. */
  readonly keyPrefix: string;
  readonly isCluster: boolean;
  open(events: ConnectionEvents): RedisConnection;
}

export const CONNECT_TIMEOUT_MS = 5000;
export const KEEP_ALIVE_MS = 10_000;
const MIN_DELAY_MS = 50;
const MAX_DELAY_MS = 2000;

/** A connection that lived for this long was a good one. */
const STABLE_MS = 10_000;
const MAX_DOUBLINGS = 10;

/**
 * Delays before reconnecting, with full jitter: the pods of a fleet must not reconnect at the same moment. The libraries count from
 * the start after each connection, also if it is closed at once.
 */
export class ReconnectBackoff {
  #attempts = 0;
  #lastAt = -Infinity;

  readonly next = (): number => {
    const now = performance.now();
    this.#attempts = now - this.#lastAt > STABLE_MS ? 1 : Math.min(this.#attempts + 1, MAX_DOUBLINGS);
    this.#lastAt = now;
    const longest = Math.min(MAX_DELAY_MS, MIN_DELAY_MS * 2 ** this.#attempts);
    return MIN_DELAY_MS + Math.random() * (longest - MIN_DELAY_MS);
  };
}

export interface Emitter {
  on(event: string, listener: (...args: unknown[]) => void): unknown;
}

export const textOf = (value: unknown): string =>
  typeof value === 'string' || Buffer.isBuffer(value) ? String(value) : '';
