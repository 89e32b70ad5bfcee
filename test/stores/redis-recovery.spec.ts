import { afterAll, beforeAll, expect } from '@jest/globals';
import { redisQueue } from 'nestjs-posthog-capture/redis';
import { type QueuedEvent } from '../../lib/delivery/delivery.js';
import { findDriver } from '../../lib/redis/find-driver.js';
import { RedisClient } from '../../lib/redis/redis-client.js';
import { MAX_PARTITIONS, StreamKeys } from '../../lib/redis/stream-keys.js';
import { StreamSource } from '../../lib/redis/stream-source.js';
import { FreezableProcesses } from '../support/freezable-driver.js';
import { describeWithRedis, type RedisServer, startRedis } from '../support/redis-server.js';
import { describeRecovery, type EventPlace } from './recovery-contract.js';

const TIMES = { leaseMs: 60_000, renewMs: 200, balanceMs: 50 };
const keysOf = (project: string): StreamKeys => new StreamKeys('posthog', project);

describeWithRedis('the queue on Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  describeRecovery('from Redis', (): Promise<EventPlace> => {
    const admin = server.client();
    const driver = findDriver(server.connection);
    if ('problem' in driver) throw new Error(driver.problem);
    const processes = new FreezableProcesses();
    const pods = redisQueue({ connection: server.connection });
    const put = async (project: string, events: readonly QueuedEvent[]): Promise<void> => {
      const pod = pods.sender(project, { warn: () => undefined });
      const { signal } = new AbortController();
      const outcome = await pod.send({ id: 'batch', createdAt: 0, format: 'v0', events }, { number: 1, signal });
      expect(outcome).toMatchObject({ kind: 'settled', retry: [] });
      pod.release();
    };
    return Promise.resolve({
      put,
      // With shorter times.
      source: () =>
        new StreamSource(new RedisClient(processes.driver(driver)), { keysOf, partitions: 4, times: TIMES }),
      expireClaims: async () => {
        const thaw = processes.freeze();
        const keys = ['abc1', 'abc2'].map(keysOf);
        const owners = Array.from({ length: MAX_PARTITIONS }, (_, partition) =>
          keys.map((one) => one.owner(partition)),
        );
        await admin.del(...owners.flat(), ...keys.map(({ relays }) => relays));
        return thaw;
      },
      remove: async () => {
        await admin.flushall();
        admin.disconnect();
      },
    });
  });
});
