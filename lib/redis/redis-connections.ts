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
const KEEP_ALIVE_MS = 10_000;
const NAME = 'posthog-capture';
const MIN_DELAY_MS = 50;
const MAX_DELAY_MS = 2000;
/** The RESP type of binary strings, which node-redis exports as RESP_TYPES.BLOB_STRING. */
const BLOB_STRING = 36;

/** Full jitter: the pods of a fleet must not reconnect at the same moment. */
const reconnectDelayMs = (attempt: number): number =>
  MIN_DELAY_MS + Math.random() * (Math.min(MAX_DELAY_MS, MIN_DELAY_MS * 2 ** Math.min(attempt, 10)) - MIN_DELAY_MS);

interface Emitter {
  on(event: string, listener: (...args: unknown[]) => void): unknown;
}

/** What is used of `Redis` and `Cluster` of ioredis, and of iovalkey. */
export interface IoredisLike extends Emitter {
  readonly options?: { readonly keyPrefix?: unknown; readonly redisOptions?: object };
  readonly isCluster?: boolean;
  readonly stream?: { unref?(): unknown };
  readonly reconnectTimeout?: { unref?(): unknown } | null;
  nodes?(): readonly IoredisLike[];
  duplicate(...args: unknown[]): IoredisLike;
  connect(): Promise<unknown>;
  disconnect(): void;
  callBuffer(command: string, ...args: Argument[]): Promise<unknown>;
}

/** What is used of a client of node-redis. */
export interface NodeRedisLike extends Emitter {
  readonly options?: { readonly keyPrefix?: unknown; readonly socket?: object };
  duplicate(options: object): NodeRedisLike;
  withTypeMapping(mapping: object): Pick<NodeRedisLike, 'sendCommand'>;
  connect(): Promise<unknown>;
  destroy(): void;
  unref?(): void;
  sendCommand(args: readonly Argument[]): Promise<unknown>;
}

/** Settings of a connection of ioredis: nothing waits for a connection, and no command is sent twice. */
export const IOREDIS_SETTINGS = {
  lazyConnect: true,
  keyPrefix: '',
  enableOfflineQueue: false,
  offlineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  enableAutoPipelining: false,
  readOnly: false,
  monitor: false,
  stringNumbers: false,
  // Of two, it needs fewer rights and works with older servers.
  protocol: 2,
  // For the commands of the library. Those of the queue have a limit of their own, which is lower.
  commandTimeout: 2 * CONNECT_TIMEOUT_MS,
  connectTimeout: CONNECT_TIMEOUT_MS,
  keepAlive: KEEP_ALIVE_MS,
  connectionName: NAME,
  retryStrategy: reconnectDelayMs,
  reconnectOnError: null,
};

/** @param duplicate returns a new, lazy connection with `IOREDIS_SETTINGS` */
export function ioredisDriver(
  options: IoredisLike['options'],
  isCluster: boolean,
  duplicate: () => IoredisLike,
): RedisDriver {
  return { keyPrefix: textOf(options?.keyPrefix), isCluster, open: (events) => openIoredis(duplicate(), events) };
}

/** The driver of an application's instance of ioredis. */
export function driverOfIoredis(instance: IoredisLike): RedisDriver {
  const { options, isCluster = false } = instance;
  const { keyPrefix, ...settings } = IOREDIS_SETTINGS;
  const duplicate = (): IoredisLike =>
    isCluster
      ? instance.duplicate([], {
          ...settings,
          keyPrefix,
          clusterRetryStrategy: reconnectDelayMs,
          redisOptions: { ...options?.redisOptions, ...settings, lazyConnect: undefined, retryStrategy: undefined },
        })
      : instance.duplicate(IOREDIS_SETTINGS);
  return ioredisDriver(options, isCluster, duplicate);
}

function openIoredis(redis: IoredisLike, { onError, onClose, onEnd }: ConnectionEvents): RedisConnection {
  let isClosed = false;
  const opened = new Promise<void>((resolve) => {
    redis.on('error', (error) => {
      onError(error);
      resolve();
    });
    redis.on('ready', () => resolve());
    redis.on('close', () => {
      onClose();
      resolve();
    });
  });
  // Commands in flight keep the process alive, an idle connection does not.
  redis.on('connect', () => redis.stream?.unref?.());
  redis.on('+node', (node) => {
    const one = node as IoredisLike;
    one.stream?.unref?.();
    one.on('connect', () => one.stream?.unref?.());
  });
  redis.on('reconnecting', () => redis.reconnectTimeout?.unref?.());
  redis.on('end', () => {
    if (!isClosed) onEnd();
  });
  redis.connect().catch(() => undefined);
  return {
    opened,
    call: (command, args) => redis.callBuffer(command, ...args),
    close: () => {
      isClosed = true;
      redis.disconnect();
    },
  };
}

/** Settings of a connection of node-redis, with the same meaning as those of ioredis. */
export const nodeRedisSettings = (socket: object | undefined): object => ({
  RESP: 2,
  keyPrefix: '',
  disableOfflineQueue: true,
  // Without the right to set it, the client would not connect.
  name: undefined,
  readonly: false,
  pingInterval: undefined,
  clientSideCache: undefined,
  emitInvalidate: undefined,
  commandOptions: undefined,
  maintNotifications: 'disabled',
  socket: {
    ...socket,
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: undefined,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
    reconnectStrategy: reconnectDelayMs,
  },
});

/** @param duplicate returns a new client that is not connected, with `nodeRedisSettings` */
export function nodeRedisDriver(options: NodeRedisLike['options'], duplicate: () => NodeRedisLike): RedisDriver {
  return {
    keyPrefix: textOf(options?.keyPrefix),
    isCluster: false,
    open: (events) => openNodeRedis(duplicate(), events),
  };
}

export const driverOfNodeRedis = (client: NodeRedisLike): RedisDriver =>
  nodeRedisDriver(client.options, () => client.duplicate(nodeRedisSettings(client.options?.socket)));

function openNodeRedis(client: NodeRedisLike, { onError, onClose, onEnd }: ConnectionEvents): RedisConnection {
  let isClosed = false;
  const opened = new Promise<void>((resolve) => {
    client.on('error', (error) => {
      onError(error);
      resolve();
    });
    client.on('ready', () => resolve());
  });
  client.on('reconnecting', onClose);
  client.unref?.();
  client.connect().catch((error: unknown) => {
    if (isClosed) return;
    onError(error);
    onEnd();
  });
  const withBuffers = client.withTypeMapping({ [BLOB_STRING]: Buffer });
  return {
    opened,
    call: (command, args) => withBuffers.sendCommand([command, ...args]),
    close: () => {
      isClosed = true;
      try {
        client.destroy();
      } catch {
        // It is closed already.
      }
    },
  };
}

const textOf = (value: unknown): string => (typeof value === 'string' || Buffer.isBuffer(value) ? String(value) : '');
