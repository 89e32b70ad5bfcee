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

const NAME = 'posthog-capture';

interface IoredisStream {
  unref?(): unknown;
  cork?(): void;
  uncork?(): void;
}

/** What is used of `Redis` and `Cluster` of ioredis, and of iovalkey. */
export interface IoredisLike extends Emitter {
  readonly options?: { readonly keyPrefix?: unknown; readonly redisOptions?: object };
  readonly isCluster?: boolean;
  readonly stream?: IoredisStream;
  readonly reconnectTimeout?: { unref?(): unknown } | null;
  nodes?(): readonly IoredisLike[];
  duplicate(...args: unknown[]): IoredisLike;
  connect(): Promise<unknown>;
  disconnect(): void;
  callBuffer(command: string, ...args: Argument[]): Promise<unknown>;
}

/** Nothing waits for a connection, and no command is sent twice. */
const IOREDIS_SETTINGS = {
  lazyConnect: true,
  keyPrefix: '',
  enableOfflineQueue: false,
  offlineQueue: false,
  // Otherwise commands wait while Redis loads its data, instead of failing with the reason.
  enableReadyCheck: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  enableAutoPipelining: false,
  readOnly: false,
  monitor: false,
  stringNumbers: false,
  // Of two, it needs fewer rights and works with older servers.
  protocol: 2,
  // Limits the library's own commands. The queue's commands have a lower limit in RedisClient.
  commandTimeout: 2 * CONNECT_TIMEOUT_MS,
  connectTimeout: CONNECT_TIMEOUT_MS,
  keepAlive: KEEP_ALIVE_MS,
  // The timer of the library keeps the process alive for that long if the socket is closed already, or if Redis hangs.
  disconnectTimeout: 50,
  connectionName: NAME,
  reconnectOnError: null,
};

/** Settings of one connection of ioredis. */
type IoredisSettings = typeof IOREDIS_SETTINGS & { readonly retryStrategy: () => number };

/** @param duplicate returns a new connection with the given settings */
export function ioredisDriver(
  options: IoredisLike['options'],
  isCluster: boolean,
  duplicate: (settings: IoredisSettings) => IoredisLike,
): RedisDriver {
  const { next: retryStrategy } = new ReconnectBackoff();
  const open = (events: ConnectionEvents): RedisConnection =>
    openIoredis(duplicate({ ...IOREDIS_SETTINGS, retryStrategy }), events);
  return { keyPrefix: textOf(options?.keyPrefix), isCluster, open };
}

/** The driver of an application's instance of ioredis. */
export function driverOfIoredis(instance: IoredisLike): RedisDriver {
  const { options, isCluster = false } = instance;
  return ioredisDriver(options, isCluster, (settings) => {
    if (!isCluster) return instance.duplicate(settings);
    const { keyPrefix, retryStrategy, ...others } = settings;
    const ofNodes = { ...others, enableReadyCheck: true };
    const redisOptions = { ...options?.redisOptions, ...ofNodes, lazyConnect: undefined, retryStrategy: undefined };
    return instance.duplicate([], { ...ofNodes, keyPrefix, clusterRetryStrategy: retryStrategy, redisOptions });
  });
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
    call: (command, args) => {
      corkBriefly(redis.stream);
      return redis.callBuffer(command, ...args);
    },
    close: () => {
      isClosed = true;
      redis.disconnect();
    },
  };
}

const corked = new WeakSet<IoredisStream>();

/** The library writes each command by itself, which takes a system call. Those that are sent together leave together. */
function corkBriefly(stream: IoredisStream | undefined): void {
  if (!stream?.cork || corked.has(stream)) return;
  corked.add(stream);
  stream.cork();
  // A promise, because a fake clock replaces nextTick and queueMicrotask.
  void Promise.resolve().then(() => {
    corked.delete(stream);
    stream.uncork?.();
  });
}
