import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { createClient } from 'redis';
import { type QueuedEvent } from '../../lib/delivery/delivery.js';
import { findDriver } from '../../lib/redis/find-driver.js';
import { RedisClient } from '../../lib/redis/redis-client.js';
import { StreamKeys } from '../../lib/redis/stream-keys.js';
import { StreamSource } from '../../lib/redis/stream-source.js';
import { StreamWriter } from '../../lib/redis/stream-writer.js';
import { type ProxyMode, RedisProxy } from '../support/redis-proxy.js';
import { describeWithRedis, type RedisServer, startRedis } from '../support/redis-server.js';
import { idsOf, manyEvents } from '../support/stored-events.js';

const PROJECT = 'abc1';
/** Only a connection on which nothing arrives needs a limit that ends soon. */
const limitOf = (mode?: ProxyMode): number | undefined => (mode === 'halfOpen' ? 250 : undefined);
const TIMES = { leaseMs: 60_000, renewMs: 200, balanceMs: 50 };
const keysOf = (project: string): StreamKeys => new StreamKeys('posthog', project);

describeWithRedis('a bad network in front of Redis', () => {
  let server: RedisServer;
  let proxy: RedisProxy;
  const ends: (() => unknown)[] = [];

  beforeEach(async () => {
    server = await startRedis();
    proxy = await RedisProxy.start(server.path);
  });
  afterEach(async () => {
    proxy.mode = 'pass';
    for (const end of ends.splice(0)) await end();
    await proxy.stop();
    await server.stop();
  });

  function clientOf(connection: unknown, mode?: ProxyMode): RedisClient {
    const driver = findDriver(connection);
    if ('problem' in driver) throw new Error(driver.problem);
    return new RedisClient(driver, limitOf(mode));
  }

  function podOf(connection: unknown, mode?: ProxyMode): StreamWriter {
    const pod = new StreamWriter(clientOf(connection, mode), keysOf(PROJECT), {
      project: PROJECT,
      partitions: 4,
      fullness: () => null,
    });
    ends.push(() => pod.release());
    return pod;
  }

  const put = (pod: StreamWriter, events: readonly QueuedEvent[]) =>
    pod.send({ id: 'b', createdAt: 0, format: 'v0', events }, { number: 1, signal: new AbortController().signal });

  /** As delivery does: again until all are accepted. */
  async function putAll(pod: StreamWriter, events: readonly QueuedEvent[]): Promise<void> {
    for (let left = events; left.length > 0;) {
      const outcome = await put(pod, left);
      if (outcome.kind === 'settled') left = left.filter(({ id }) => outcome.retry.includes(id));
      else expect(outcome.kind).toBe('retryable');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  const libraries: [string, () => unknown][] = [
    ['ioredis', () => proxy.connection],
    ['node-redis', () => createClient({ socket: { ...proxy.connection, tls: false } })],
  ];
  const modes: ProxyMode[] = ['cutBefore', 'cutAfter', 'late', 'bytes', 'halfOpen'];

  it.each(libraries.flatMap(([library, connection]) => modes.map((mode) => [mode, library, connection] as const)))(
    'loses nothing and keeps the order of each key: %s, with %s',
    async (mode, _, connection) => {
      const pod = podOf(connection(), mode);
      const events = manyEvents(60);
      await putAll(pod, events.slice(0, 20));
      proxy.mode = mode;
      const during = put(pod, events.slice(20, 40));
      const { kind } = await during;
      expect(kind).toBe(mode === 'late' || mode === 'bytes' ? 'settled' : 'retryable');
      proxy.mode = 'pass';
      if (kind !== 'settled') await putAll(pod, events.slice(20, 40));
      await putAll(pod, events.slice(40));

      const relay = new StreamSource(clientOf(connection(), mode), { keysOf, partitions: 4, times: TIMES });
      ends.push(() => relay.close());
      proxy.mode = mode;
      const taken: QueuedEvent[] = [];
      const take = async (): Promise<void> => {
        const { events: found } = await relay.recover({ project: PROJECT, maxEvents: 1000, maxBytes: 1e9 });
        taken.push(...found);
        relay.remove(found);
        await new Promise((resolve) => setTimeout(resolve, 5));
      };
      for (let looks = 0; looks < 3; looks += 1) await take();
      proxy.mode = 'pass';
      const admin = server.client();
      const lengths = () => Promise.all([0, 1, 2, 3].map((partition) => admin.xlen(keysOf(PROJECT).events(partition))));
      while ((await lengths()).some((length) => length > 0)) await take();
      expect(new Set(idsOf(taken))).toEqual(new Set(idsOf(events)));
      for (const person of ['person_0', 'person_1', 'person_2']) {
        const first = [...new Set(idsOf(taken.filter(({ orderKey }) => orderKey === person)))];
        expect(first).toEqual(idsOf(events.filter(({ orderKey }) => orderKey === person)));
      }
    },
  );

  it.each(libraries)('opens few connections while each is cut, with %s', async (_, connection) => {
    const pod = podOf(connection());
    await putAll(pod, manyEvents(1));
    proxy.mode = 'cutBefore';
    const before = proxy.connections;
    const startedAt = performance.now();
    const elapsedMs = (): number => performance.now() - startedAt;
    while (elapsedMs() < 1500) {
      await put(pod, manyEvents(1));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(proxy.connections - before).toBeLessThanOrEqual(4 + elapsedMs() / 250);
  });
});
