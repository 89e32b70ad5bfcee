import { startDeadline } from '../delivery/timers.js';
import { type Argument, ReconnectBackoff, type RedisConnection, type RedisDriver } from './redis-connections.js';
import { describeRedisError, isReply, type RedisError, timedOut } from './redis-errors.js';

/** Limit of every command, connecting included. */
const COMMAND_LIMIT_MS = 5000;
/** A connection that was silent for this long, although commands failed, is replaced: the other end may be gone. */
const SILENCE_MS = 2 * COMMAND_LIMIT_MS;
/** Minimum time between two connections that are replaced, beyond what the library's own backoff limits. */
const REPLACE_INTERVAL_MS = 1000;

/**
 * Sends commands over one connection, which is opened by the first of them and closed when its last user leaves. A command fails at
 * once while there is no connection, and never takes longer than 5 seconds. Commands in flight keep the process alive; the connection
 * does not.
 */
export class RedisClient {
  readonly #driver: RedisDriver;
  readonly #limitMs: number;
  readonly #users = new Set<object>();
  #connection: RedisConnection | null = null;
  #epoch = 0;
  #isOpened = false;
  /** Why there is no connection, while there is none. */
  #connectionError: unknown = null;
  /** Time of the last sign of life: a reply, or an error. */
  #activeAt = 0;
  #replacedAt = -Infinity;
  readonly #backoff = new ReconnectBackoff();
  /** No connection is opened before, as the last one has ended. */
  #notBefore = -Infinity;

  constructor(driver: RedisDriver, limitMs = COMMAND_LIMIT_MS) {
    this.#driver = driver;
    this.#limitMs = limitMs;
  }

  get keyPrefix(): string {
    return this.#driver.keyPrefix;
  }

  /** Changes whenever commands go over another socket. The first connection does not count. */
  get epoch(): number {
    return this.#epoch;
  }

  get isCluster(): boolean {
    return this.#driver.isCluster;
  }

  /** Keeps the connection open until `leave`. */
  enter(user: object): void {
    this.#users.add(user);
  }

  leave(user: object): void {
    this.#users.delete(user);
    if (this.#users.size > 0) return;
    this.#connection?.close();
    this.#connection = null;
  }

  /**
   * Resolves with the reply, in which strings are Buffers.
   *
   * @throws RedisError
   */
  async send(command: string, ...args: readonly Argument[]): Promise<unknown> {
    const sentAt = performance.now();
    if (!this.#connection && sentAt < this.#notBefore) throw describeRedisError(this.#connectionError);
    const connection = (this.#connection ??= this.#open());
    try {
      const reply = await this.#limited(connection, this.#isOpened, command, args);
      this.#activeAt = performance.now();
      this.#connectionError = null;
      return reply;
    } catch (error) {
      const described = this.#describe(error);
      this.#replaceIfUnusable(connection, described, sentAt);
      throw described;
    }
  }

  #open(): RedisConnection {
    this.#activeAt = performance.now();
    this.#isOpened = false;
    const isCurrent = (): boolean => this.#connection === connection;
    const connection = this.#driver.open({
      onClose: () => {
        this.#epoch += 1;
      },
      onError: (error) => {
        if (!isCurrent()) return;
        this.#connectionError = error;
        this.#activeAt = performance.now();
      },
      onEnd: () => {
        this.#epoch += 1;
        if (!isCurrent()) return;
        this.#connection = null;
        this.#notBefore = performance.now() + this.#backoff.next();
      },
    });
    void connection.opened.then(() => {
      if (isCurrent()) this.#isOpened = true;
    });
    return connection;
  }

  #limited(
    connection: RedisConnection,
    isOpened: boolean,
    command: string,
    args: readonly Argument[],
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const cancel = startDeadline(() => reject(timedOut(this.#limitMs)), this.#limitMs);
      const call = (): Promise<unknown> => connection.call(command, args);
      (isOpened ? call() : connection.opened.then(call)).then(resolve, reject).finally(cancel);
    });
  }

  #describe(error: unknown): RedisError {
    const described = describeRedisError(error);
    if (isReply(described)) {
      this.#activeAt = performance.now();
      this.#connectionError = null;
      return described;
    }
    // The libraries only say that there is no connection.
    return this.#connectionError !== null && described.word === ''
      ? describeRedisError(this.#connectionError)
      : described;
  }

  #replaceIfUnusable(connection: RedisConnection, { word }: RedisError, sentAt: number): void {
    if (this.#connection !== connection) return;
    const now = performance.now();
    const isSilent = word === 'TIMEOUT' ? this.#activeAt < sentAt : now - this.#activeAt > SILENCE_MS;
    // After a failover, the same address may lead to the new primary.
    if ((!isSilent && word !== 'READONLY') || now - this.#replacedAt < REPLACE_INTERVAL_MS) return;
    this.#replacedAt = now;
    this.#connection = null;
    connection.close();
  }
}
