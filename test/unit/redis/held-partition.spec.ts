import { describe, expect, it } from '@jest/globals';
import { type QueuedEvent } from '../../../lib/delivery/delivery.js';
import { privateNote } from '../../../lib/records/event-places.js';
import { HeldPartition } from '../../../lib/redis/held-partition.js';
import { type RedisClient } from '../../../lib/redis/redis-client.js';
import { EntryWriter } from '../../../lib/redis/stream-block.js';
import { StreamKeys } from '../../../lib/redis/stream-keys.js';
import { eventOf, idsOf } from '../../support/stored-events.js';

const PROJECT = 'abc1';
const DAMAGED = [Buffer.from('b'), Buffer.from('not a block')];

const block = async (index: number): Promise<Buffer[]> =>
  (await new EntryWriter(PROJECT).write([eventOf(index)], true)).map((field) => Buffer.from(field));

/** A stream with an event, a damaged entry and another event. `setAside` responds to the XADD of the damaged one. */
async function partitionWith(setAside: () => Promise<unknown>) {
  const entries = [
    ['1-0', await block(0)],
    ['2-0', DAMAGED],
    ['3-0', await block(1)],
  ] as const;
  const starts: unknown[] = [];
  const send = (command: string, _key: unknown, start: unknown): Promise<unknown> => {
    if (command === 'XADD') return setAside();
    if (command !== 'XRANGE') return Promise.resolve(1);
    starts.push(start);
    return Promise.resolve(start === '-' ? entries : []);
  };
  const ignore = (): void => undefined;
  const partition = new HeldPartition(0, {
    client: { send } as Pick<RedisClient, 'send'> as RedisClient,
    keys: new StreamKeys('posthog', PROJECT),
    project: PROJECT,
    blocks: privateNote(),
    onDamaged: ignore,
    onNewer: ignore,
    onMissing: ignore,
  });
  const taken = (): string[] => {
    const events: QueuedEvent[] = [];
    while (partition.nextId !== null) partition.handOut(events, { events: 10, bytes: 1e6 });
    return idsOf(events);
  };
  return { partition, starts, taken };
}

describe('a damaged entry', () => {
  it('stays where it is if it cannot be moved, and does not block the others', async () => {
    const { partition, taken } = await partitionWith(() => Promise.reject(new Error('OOM command not allowed')));
    await partition.read();
    expect(taken()).toEqual(['id_0', 'id_1']);
  });

  it('does not move the cursor past entries that a hand-over has put back meanwhile', async () => {
    const { partition, starts, taken } = await partitionWith(() => {
      partition.drain(true);
      partition.drain(false);
      return Promise.resolve('1-0');
    });
    await partition.read();
    expect(taken()).toEqual([]);
    await partition.read();
    expect(starts).toEqual(['-', '-']);
  });
});
