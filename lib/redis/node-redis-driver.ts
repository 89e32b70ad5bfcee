import {
  type Argument,
  CONNECT_TIMEOUT_MS,
  type ConnectionEvents,
  type Emitter,
  KEEP_ALIVE_MS,
  ReconnectBackoff,
  type RedisConnection,
  type RedisDriver,
  textOf,
} from './redis-connections.js';

/** The RESP type of binary strings, which node-redis exports as RESP_TYPES.BLOB_STRING. */
const BLOB_STRING = 36;

/** What is used of a client of node-redis. */
export interface NodeRedisLike extends Emitter {
  readonly options?: { readonly keyPrefix?: unknown; readonly socket?: object };
  duplicate(options: object): NodeRedisLike;
  /** Version 5 and later. */
  readonly withTypeMapping?: unknown;
  connect(): Promise<unknown>;
  destroy(): void;
  unref?(): void;
  sendCommand(args: readonly Argument[], options?: object): Promise<unknown>;
}

type ReconnectStrategy = (retries: number) => number | false;

/** Settings of a connection of node-redis, with the same meaning as those of ioredis. */
const nodeRedisSettings = (socket: object | undefined, reconnectStrategy: ReconnectStrategy): object => ({
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
    reconnectStrategy,
  },
});

/** @param create returns a client that is not connected, which is duplicated */
export function nodeRedisDriver(create: () => NodeRedisLike): RedisDriver {
  const { next } = new ReconnectBackoff();
  const client = create();
  return {
    keyPrefix: textOf(client.options?.keyPrefix),
    isCluster: false,
    open: (events) => {
      const duplicate = (strategy: ReconnectStrategy): NodeRedisLike =>
        client.duplicate(nodeRedisSettings(client.options?.socket, strategy));
      return openNodeRedis(duplicate, next, events);
    },
  };
}

function openNodeRedis(
  duplicate: (strategy: ReconnectStrategy) => NodeRedisLike,
  nextDelayMs: () => number,
  { onError, onClose, onEnd }: ConnectionEvents,
): RedisConnection {
  let isClosed = false;
  let wasReady = false;
  const end = (): void => {
    if (!isClosed) onEnd();
    isClosed = true;
  };
  const client = duplicate((retries) => {
    if (retries > 0 || !wasReady) return nextDelayMs();
    // The client would connect again without any delay. Its user opens another one.
    queueMicrotask(end);
    return false;
  });
  const opened = new Promise<void>((resolve) => {
    client.on('error', (error) => {
      onError(error);
      resolve();
    });
    client.on('ready', () => {
      wasReady = true;
      resolve();
    });
  });
  client.on('reconnecting', onClose);
  client.unref?.();
  client.connect().catch((error: unknown) => {
    if (isClosed) return;
    onError(error);
    end();
  });
  return {
    opened,
    // With each command, because sendCommand of version 5 ignores withTypeMapping.
    call: (command, args) => client.sendCommand([command, ...args], { typeMapping: { [BLOB_STRING]: Buffer } }),
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
