import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import { type Redis } from 'ioredis';
import { createClient } from 'redis';
import { findDriver } from '../../lib/redis/find-driver.js';
import { RedisClient } from '../../lib/redis/redis-client.js';
import { RedisError } from '../../lib/redis/redis-errors.js';
import { describeWithRedis, freePort, type RedisServer, startRedis } from '../support/redis-server.js';
import { selfSigned } from '../support/self-signed.js';

const clients: RedisClient[] = [];
const user = {};

function clientOf(connection: unknown, limitMs?: number): RedisClient {
  const driver = findDriver(connection);
  if ('problem' in driver) throw new Error(driver.problem);
  const client = new RedisClient(driver, limitMs);
  client.enter(user);
  clients.push(client);
  return client;
}

/** Sends until it works. */
async function untilWorks(client: RedisClient): Promise<unknown> {
  for (;;) {
    try {
      return await client.send('PING');
    } catch (error) {
      if (!(error instanceof RedisError)) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

const failureOf = (client: RedisClient, ...command: [string, ...string[]]): Promise<unknown> =>
  client.send(...command).catch((error: unknown) => error);

describeWithRedis('a client of Redis', () => {
  let server: RedisServer;
  let admin: Redis;

  beforeAll(async () => {
    server = await startRedis();
    admin = server.client();
  });
  afterEach(() => {
    server.signal('SIGCONT');
    for (const client of clients.splice(0)) client.leave(user);
  });
  afterAll(() => server.stop());

  const nodeRedis = (options: object = {}) => createClient({ socket: { path: server.path, tls: false }, ...options });
  const kinds: [string, (options?: object) => unknown][] = [
    ['an instance of ioredis', (options) => server.client({ lazyConnect: true, ...options })],
    ['options of ioredis', (options) => ({ path: server.path, ...options })],
    ['a client of node-redis', (options) => nodeRedis(options)],
  ];

  it.each(kinds)('sends and receives binary strings over %s', async (_, connection) => {
    const client = clientOf(connection());
    const bytes = Buffer.from([0, 255, 13, 10, 128, 0]);
    const set = await client.send('SET', 'binary', bytes);
    expect(String(set)).toBe('OK');
    expect(await client.send('GET', 'binary')).toEqual(bytes);
    expect(await client.send('GET', 'missing')).toBeNull();
    expect(await client.send('STRLEN', 'binary')).toBe(6);
    const id = await client.send('XADD', 'stream', '*', 'b', bytes);
    expect(await client.send('XRANGE', 'stream', '-', '+')).toEqual([
      [Buffer.from(id as Buffer), [Buffer.from('b'), bytes]],
    ]);
    await admin.del('stream');
  });

  it.each(kinds)('leaves the key prefix of %s to its caller', async (_, connection) => {
    const client = clientOf(connection({ keyPrefix: 'app:' }));
    expect(client.keyPrefix).toBe('app:');
    await client.send('SET', 'posthog:key', '1');
    expect(await admin.getdel('posthog:key')).toBe('1');
  });

  it.each(kinds)('opens a connection of its own with the first command, over %s', async (_, connection) => {
    const connections = async () =>
      String(await admin.client('LIST'))
        .trim()
        .split('\n').length;
    // The connections of the previous test may still be closing.
    while ((await connections()) > 1);
    const client = clientOf(connection());
    expect(await connections()).toBe(1);
    await Promise.all([client.send('PING'), client.send('PING')]);
    expect(await connections()).toBe(2);
    client.leave(user);
    while ((await connections()) > 1);
    // An event after shutdown opens it again.
    expect(String(await client.send('PING'))).toBe('PONG');
  });

  it.each(kinds)('does not keep the process alive, over %s', async (_, connection) => {
    const alive = () => process.getActiveResourcesInfo().filter((kind) => /PipeWrap|TCPSocketWrap/.test(kind)).length;
    await admin.ping();
    const before = alive();
    await clientOf(connection()).send('PING');
    expect(alive()).toBe(before);
  });

  it.each(kinds)('fails at once while Redis is down, and works afterwards, over %s', async (_, connection) => {
    await server.kill();
    const client = clientOf(connection());
    expect(await failureOf(client, 'PING')).toMatchObject({
      kind: 'retryable',
      word: expect.stringMatching(/^E[A-Z]+$/),
    });
    expect(await failureOf(client, 'PING')).toMatchObject({
      kind: 'retryable',
      word: expect.stringMatching(/^E[A-Z]+$/),
    });
    await server.start();
    expect(String(await untilWorks(client))).toBe('PONG');
    await server.kill();
    expect(await failureOf(client, 'PING')).toMatchObject({ kind: 'retryable' });
    await server.start();
    expect(String(await untilWorks(client))).toBe('PONG');
  });

  it('does not delay the end of the process when it is closed while Redis is down', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const mortal = await startRedis();
    const client = clientOf(mortal.connection);
    await client.send('PING');
    await mortal.kill();
    const killedAt = performance.now();
    // Then its last socket is closed, and it waits for the next attempt.
    while (performance.now() - killedAt < 200) await failureOf(client, 'PING').then(() => new Promise(setImmediate));
    const before = timers();
    client.leave(user);
    const closedAt = performance.now();
    while (timers() > before) await new Promise(setImmediate);
    expect(performance.now() - closedAt).toBeLessThan(10_000);
    await mortal.stop();
  });

  it.each(kinds)('fails after the limit while Redis hangs, and works afterwards, over %s', async (_, connection) => {
    const client = clientOf(connection(), 150);
    await untilWorks(client);
    server.signal('SIGSTOP');
    const message = 'Redis did not respond within 150 ms';
    expect(await failureOf(client, 'SET', 'late', '1')).toMatchObject({ kind: 'retryable', message });
    // The new connection hangs as well.
    expect(await failureOf(client, 'PING')).toMatchObject({ kind: 'retryable' });
    server.signal('SIGCONT');
    expect(String(await untilWorks(client))).toBe('PONG');
    // Executed late: a timeout means that the result is unknown.
    expect(await admin.getdel('late')).toBe('1');
  });

  it.each(kinds)('explains a wrong password and a missing right, over %s', async (_, connection) => {
    await admin.acl('SETUSER', 'pod', 'on', '>right', '~posthog:*', '+get', '+info', '+ping');
    const wrong = clientOf(connection({ username: 'pod', password: 'wrong-secret' }));
    const error = await failureOf(wrong, 'PING');
    expect(error).toMatchObject({ kind: 'refused', word: 'WRONGPASS' });
    const client = clientOf(connection({ username: 'pod', password: 'right' }));
    expect(await failureOf(client, 'SET', 'posthog:a', 'b')).toMatchObject({ kind: 'refused', word: 'NOPERM' });
    expect(await failureOf(client, 'GET', 'other')).toMatchObject({ kind: 'refused', word: 'NOPERM' });
    expect(await client.send('GET', 'posthog:a')).toBeNull();
    expect(JSON.stringify([error, (error as Error).stack])).not.toMatch(/secret|redis-server/);
  });

  it.each(kinds)('opens a new connection when Redis has become a replica, over %s', async (_, connection) => {
    const ids = async () =>
      String(await admin.client('LIST'))
        .match(/id=\d+/g)
        ?.filter((id) => id !== adminId);
    const adminId = `id=${await admin.client('ID')}`;
    const client = clientOf(connection());
    await client.send('SET', 'a', 'b');
    const before = await ids();
    await admin.replicaof('127.0.0.1', '1');
    expect(await failureOf(client, 'SET', 'a', 'c')).toMatchObject({ kind: 'retryable', word: 'READONLY' });
    await admin.replicaof('NO', 'ONE');
    await untilWorks(client);
    expect(await ids()).not.toEqual(before);
  });

  it('reads the address of a URL, and never shows its credentials', async () => {
    const client = clientOf('redis://pod:secret@127.0.0.1:1/0');
    const error = await failureOf(client, 'PING');
    expect(error).toMatchObject({ word: 'ECONNREFUSED', message: 'Redis cannot be reached (ECONNREFUSED)' });
  });

  it('speaks TLS, and refuses a certificate that it does not know', async () => {
    const { key, cert } = selfSigned();
    const files = mkdtempSync(join(tmpdir(), 'redis-tls-'));
    const [keyFile, certFile] = [join(files, 'key'), join(files, 'cert')];
    writeFileSync(keyFile, key);
    writeFileSync(certFile, cert);
    const port = await freePort();
    const secure = await startRedis(
      ...['--save', '', '--tls-port', String(port), '--tls-cert-file', certFile, '--tls-key-file', keyFile],
      ...['--tls-ca-cert-file', certFile, '--tls-auth-clients', 'no'],
    );
    try {
      const trusted = [
        { host: '127.0.0.1', port, tls: { ca: cert } },
        createClient({ socket: { host: '127.0.0.1', port, tls: true, ca: cert } }),
      ];
      for (const connection of trusted) expect(String(await clientOf(connection).send('PING'))).toBe('PONG');
      const stranger = await failureOf(clientOf(`rediss://127.0.0.1:${port}`), 'PING');
      expect(stranger).toMatchObject({ kind: 'refused', word: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
      for (const client of clients.splice(0)) client.leave(user);
    } finally {
      await secure.stop();
      rmSync(files, { recursive: true });
    }
  });
});

it.each([
  [undefined, 'expected a redis:// or rediss:// URL'],
  [7, 'expected a redis:// or rediss:// URL'],
  ['http://host', 'expected a URL such as redis://host:6379'],
  ['redis://', 'expected a URL such as redis://host:6379'],
  ['localhost:6379', 'expected a URL such as redis://host:6379'],
  [{ url: 'redis://host' }, 'create the client with node-redis'],
  [{ socket: { host: 'host' } }, 'create the client with node-redis'],
  [{ duplicate: () => null }, 'clusters and Sentinel only through ioredis'],
])('refuses the connection %p', (connection, problem) => {
  expect(findDriver(connection)).toEqual({ problem: expect.stringContaining(problem) });
});

it('names the package to install', async () => {
  jest.resetModules();
  jest.unstable_mockModule('../../lib/shared/require.js', () => ({
    requirePackage: () => {
      throw new Error('Cannot find module');
    },
  }));
  const { findDriver: find } = await import('../../lib/redis/find-driver.js');
  expect(find('redis://host')).toEqual({ problem: 'neither ioredis nor redis is installed: npm install ioredis' });
  expect(find({ host: 'host' })).toEqual({ problem: 'the package ioredis cannot be loaded: npm install ioredis' });
});
