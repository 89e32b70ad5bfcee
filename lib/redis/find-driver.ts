import { driverOfIoredis, type IoredisLike, ioredisDriver } from './ioredis-driver.js';
import { nodeRedisDriver, type NodeRedisLike } from './node-redis-driver.js';
import { type RedisDriver } from './redis-connections.js';
import { requirePackage } from '../shared/require.js';

/** A client of the application: `Redis` or `Cluster` of ioredis 5 or 6, or a client of node-redis 5 or 6. */
export interface RedisInstance {
  /** Returns a client with the same address and credentials, which is not connected. */
  duplicate(...args: never[]): unknown;
}

/** The most common connection options of ioredis. All others are passed on. */
export interface RedisConnectionOptions {
  readonly host?: string;
  /** Default: 6379. */
  readonly port?: number;
  /** Path of a Unix domain socket. */
  readonly path?: string;
  readonly username?: string;
  readonly password?: string;
  /** Number of the database. Default: 0. */
  readonly db?: number;
  /** Options of `node:tls`; an empty object turns TLS on. */
  readonly tls?: object;
  readonly [option: string]: unknown;
}

/** Either the driver, or what is wrong with the connection. */
export type DriverSearch = RedisDriver | { readonly problem: string };

const EXPECTED =
  'expected a redis:// or rediss:// URL, an ioredis Redis or Cluster, a node-redis client, or options of ioredis';

/** Finds out which library a connection belongs to. Nothing is opened. */
export function findDriver(connection: unknown): DriverSearch {
  if (typeof connection === 'string') return driverOfUrl(connection);
  if (typeof connection !== 'object' || connection === null) return { problem: EXPECTED };
  const { duplicate, callBuffer, sendCommand, withTypeMapping, connect, status } = connection as Record<
    string,
    unknown
  >;
  if (typeof duplicate === 'function') {
    if (typeof callBuffer === 'function' && typeof status === 'string')
      return driverOfIoredis(connection as IoredisLike);
    if ([sendCommand, withTypeMapping, connect].every((method) => typeof method === 'function') && isClient(connection))
      return nodeRedisDriver(() => connection as NodeRedisLike);
    return { problem: `${EXPECTED}; clusters and Sentinel only through ioredis` };
  }
  if ('url' in connection || 'socket' in connection) {
    return { problem: 'expected options of ioredis: create the client with node-redis, and pass it' };
  }
  return driverOfOptions(connection);
}

/** Not a cluster, a pool or a sentinel, whose commands need other arguments. */
const isClient = (connection: object): boolean => 'isReady' in connection && 'options' in connection;

function driverOfUrl(url: string): DriverSearch {
  if (!/^rediss?:\/\/[^/\s]/.test(url) || !URL.canParse(url)) {
    return { problem: 'expected a URL such as redis://host:6379 or rediss://user:password@host:6380/0' };
  }
  const Redis = ioredis();
  if (Redis) return ioredisDriver(undefined, false, (settings) => new Redis(url, settings));
  const createClient = nodeRedis();
  if (createClient) {
    if (typeof createClient({}).withTypeMapping !== 'function') return { problem: 'needs redis 5 or later' };
    return nodeRedisDriver(() => createClient({ url }));
  }
  return { problem: 'neither ioredis nor redis is installed: npm install ioredis' };
}

function driverOfOptions(options: object): DriverSearch {
  const Redis = ioredis();
  if (!Redis) return { problem: 'the package ioredis cannot be loaded: npm install ioredis' };
  return ioredisDriver(options, false, (settings) => new Redis({ ...options, ...settings }));
}

function ioredis(): (new (...args: unknown[]) => IoredisLike) | null {
  const loaded = load('ioredis') as { Redis: new (...args: unknown[]) => IoredisLike } | null;
  return loaded?.Redis ?? null;
}

function nodeRedis(): ((options: object) => NodeRedisLike) | null {
  const loaded = load('redis') as { createClient: (options: object) => NodeRedisLike } | null;
  return loaded?.createClient ?? null;
}

/** Returns null if the package is not installed. */
function load(name: string): unknown {
  try {
    return requirePackage(name);
  } catch {
    return null;
  }
}
