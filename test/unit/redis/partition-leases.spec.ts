import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { PartitionLeases } from '../../../lib/redis/partition-leases.js';
import { type RedisClient } from '../../../lib/redis/redis-client.js';
import { StreamKeys } from '../../../lib/redis/stream-keys.js';

const KEYS = new StreamKeys('posthog', 'abc1');
const TIMES = { leaseMs: 15_000, renewMs: 5000, balanceMs: 1000 };

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** A relay beside others, which may hold partitions. */
function relay() {
  const others = { relays: 1, held: new Set<string>() };
  const busy = new Set<number>();
  const held = new Set<number>();
  const drained: number[] = [];
  let rounds = 0;
  const send = (command: string, script: string, _: string, key: string): Promise<unknown> => {
    if (command === 'XLEN') return Promise.resolve(0);
    if (key === KEYS.relays) {
      rounds += 1;
      return Promise.resolve([others.relays, 0]);
    }
    return Promise.resolve(script.includes('PX') && others.held.has(key) ? 0 : 1);
  };
  const leases = new PartitionLeases(
    { send } as unknown as RedisClient,
    KEYS,
    4,
    {
      onTaken: (partition) => held.add(partition),
      onLost: (partition) => held.delete(partition),
      onDrain: (partition, isDraining) => isDraining && drained.push(partition),
      isIdle: (partition) => !busy.has(partition),
    },
    TIMES,
  );
  /** Number of rounds in each of these periods, one after the other. */
  const roundsAfter = async (...steps: readonly number[]): Promise<readonly number[]> => {
    const counts: number[] = [];
    for (const ms of steps) {
      const before = rounds;
      await jest.advanceTimersByTimeAsync(ms);
      counts.push(rounds - before);
    }
    return counts;
  };
  return { leases, others, busy, held, drained, roundsAfter };
}

describe('the partitions of a relay', () => {
  it('go to a new relay as soon as their events are done with', async () => {
    const { leases, others, busy, held, drained } = relay();
    await leases.start();
    expect(held.size).toBe(4);
    for (const partition of held) busy.add(partition);
    others.relays = 2;
    await jest.advanceTimersByTimeAsync(TIMES.balanceMs);
    expect([drained.length, held.size]).toEqual([2, 4]);
    busy.delete(drained[0] ?? -1);
    await leases.giveUpIdle();
    expect([...held].toSorted()).toEqual([0, 1, 2, 3].filter((partition) => partition !== drained[0]));
    await leases.release();
  });

  it('are looked for more often after the number of relays has changed, until it has its share', async () => {
    const { leases, others, held, roundsAfter } = relay();
    others.held = new Set([0, 1, 2, 3].map((partition) => KEYS.owner(partition)));
    others.relays = 2;
    await leases.start();
    expect(await roundsAfter(100, 200, 400, 800, 1000, 1000)).toEqual([1, 1, 1, 1, 1, 1]);
    others.relays = 3;
    expect(await roundsAfter(1000)).toEqual([1]);
    expect(await roundsAfter(100, 200)).toEqual([1, 1]);
    others.held.clear();
    expect(await roundsAfter(400)).toEqual([1]);
    expect(held.size).toBe(2);
    expect(await roundsAfter(999, 1)).toEqual([0, 1]);
    await leases.release();
  });
});
