import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Cluster } from 'ioredis';
import { redisQueue } from 'nestjs-posthog-capture/redis';
import { type QueuedEvent } from '../../lib/delivery/delivery.js';
import { findDriver } from '../../lib/redis/find-driver.js';
import { RedisClient } from '../../lib/redis/redis-client.js';
import { MAX_PARTITIONS, StreamKeys } from '../../lib/redis/stream-keys.js';
import { StreamSource } from '../../lib/redis/stream-source.js';
import { type RedisCluster, startCluster } from '../support/redis-cluster.js';
import { FreezableProcesses } from '../support/freezable-driver.js';
import { describeWithRedis } from '../support/redis-server.js';
import { manyEvents } from '../support/stored-events.js';
import { describeRecovery, type EventPlace } from './recovery-contract.js';

const TIMES = { leaseMs: 60_000, renewMs: 200, balanceMs: 50 };
const LOG = { warn: () => undefined };
const keysOf = (project: string): StreamKeys => new StreamKeys('posthog', project);

describeWithRedis('the queue on Redis Cluster', () => {
  let cluster: RedisCluster;
  let application: Cluster;

  beforeAll(async () => {
    cluster = await startCluster();
    application = cluster.client();
  });
  afterAll(() => cluster.stop());

  async function put(project: string, events: readonly QueuedEvent[]): Promise<void> {
    const pod = redisQueue({ connection: application }).sender(project, LOG);
    const { signal } = new AbortController();
    const outcome = await pod.send({ id: 'batch', createdAt: 0, format: 'v0', events }, { number: 1, signal });
    expect(outcome).toMatchObject({ kind: 'settled', retry: [] });
    pod.release();
  }

  it('spreads the partitions over the nodes, and measures them', async () => {
    const queue = redisQueue({ connection: application });
    const pod = queue.sender('abc1', LOG);
    const events = manyEvents(100).map((event, index) => ({ ...event, orderKey: `person_${index}` }));
    await put('abc1', events);
    const sample = await queue.sample('abc1');
    expect(sample).toMatchObject({ state: 'ok', relays: 0 });
    expect(Math.abs((sample.events ?? 0) - 100)).toBeLessThan(20);
    pod.release();
    await cluster.flush();
  });

  it('works with the rights that docs/fleet.md lists', async () => {
    const page = readFileSync('docs/fleet.md', 'utf8');
    const [user = '', ...rights] = (/^ACL SETUSER (.*)$/m.exec(page)?.[1] ?? '').split(' ');
    const ofCluster = /`(.*)` for a Cluster/.exec(page)?.[1]?.split('`').at(-1)?.split(' ') ?? [];
    await cluster.onEach('ACL', 'SETUSER', user, ...rights, ...ofCluster);
    const password = rights.find((right) => right.startsWith('>'))?.slice(1);
    const queue = redisQueue({ connection: cluster.client({ username: user, password }) });
    const pod = queue.sender('abc1', LOG);
    const { signal } = new AbortController();
    const batch = { id: 'batch', createdAt: 0, format: 'v0', events: manyEvents(30) };
    expect(await pod.send(batch, { number: 1, signal })).toMatchObject({ kind: 'settled', retry: [] });
    const relay = queue.source();
    const taken = [];
    while (taken.length < 30) {
      taken.push(...(await relay.recover({ project: 'abc1', maxEvents: 100, maxBytes: 1e9 })).events);
      await new Promise((resolve) => setImmediate(resolve));
    }
    void relay.remove(taken);
    while ((await queue.sample('abc1')).events !== 0);
    await relay.close();
    pod.release();
    await cluster.flush();
  });

  it('has no confirmation, as WAIT goes to any node', () => {
    expect(() => redisQueue({ connection: application, confirm: { replicas: 1 } })).toThrow(
      'queue: confirm: not available with a Cluster',
    );
  });

  describeRecovery('from Redis Cluster', (): Promise<EventPlace> => {
    const driver = findDriver(application);
    if ('problem' in driver) throw new Error(driver.problem);
    const processes = new FreezableProcesses();
    return Promise.resolve({
      put,
      source: () =>
        new StreamSource(new RedisClient(processes.driver(driver)), { keysOf, partitions: 4, times: TIMES }),
      expireClaims: async () => {
        const thaw = processes.freeze();
        for (const keys of ['abc1', 'abc2'].map(keysOf)) {
          await application.del(keys.relays);
          for (let partition = 0; partition < MAX_PARTITIONS; partition += 1)
            await application.del(keys.owner(partition));
        }
        return thaw;
      },
      remove: () => cluster.flush(),
    });
  });
});
