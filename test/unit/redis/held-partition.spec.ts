import { describe, expect, it } from '@jest/globals';
import { type QueuedEvent } from '../../../lib/delivery/delivery.js';
import { privateNote } from '../../../lib/records/event-places.js';
import { HeldPartition } from '../../../lib/redis/held-partition.js';
import { type RedisClient } from '../../../lib/redis/redis-client.js';
import { EntryWriter } from '../../../lib/redis/stream-block.js';
import { StreamKeys } from '../../../lib/redis/stream-keys.js';
import { eventOf, idsOf, manyEvents } from '../../support/stored-events.js';

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
  return { starts, ...partitionOver(send) };
}

function partitionOver(send: (command: string, key: string, start: string, ...rest: string[]) => Promise<unknown>) {
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
    while (partition.nextId !== null) partition.handOut(events, { events: 1000, bytes: 1e8 });
    return idsOf(events);
  };
  return { partition, taken };
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

describe('reading ahead', () => {
  const STREAM = 'posthog:{abc1:0}:events';

  /** The number of entries that each read asks for, of a stream whose entries have these events. */
  async function countsOf(entries: readonly (readonly QueuedEvent[])[]): Promise<readonly number[]> {
    const writer = new EntryWriter(PROJECT);
    const stream: [string, Buffer[]][] = [];
    for (const [index, events] of entries.entries())
      stream.push([`${index + 1}-0`, (await writer.write(events, true)).map((field) => Buffer.from(field))]);
    const counts: number[] = [];
    const send = (command: string, key: string, start: string, ...rest: readonly string[]): Promise<unknown> => {
      if (command !== 'XRANGE' || key !== STREAM) return Promise.resolve(0);
      counts.push(Number(rest[2]));
      const from = start === '-' ? 0 : Number.parseInt(start.slice(1), 10);
      return Promise.resolve(stream.slice(from, from + Number(rest[2])));
    };
    const { partition, taken } = partitionOver(send);
    while (await partition.read()) taken();
    return counts;
  }
  const repeated = (times: number, events: readonly QueuedEvent[]) => Array.from({ length: times }, () => events);

  it('takes few blocks of many events, and many of few', async () => {
    const many = manyEvents(100);
    expect((await countsOf(repeated(9, many))).slice(1, 5)).toEqual([1, 1, 1, 1]);
    expect((await countsOf(repeated(40, many.slice(0, 2)))).slice(1, 4)).toEqual([16, 16, 16]);
  });

  it('takes few blocks of large events', async () => {
    expect((await countsOf(repeated(5, [eventOf(1, 700_000)]))).slice(1, 4)).toEqual([1, 1, 1]);
  });

  it('takes fewer blocks once they have become larger', async () => {
    const counts = await countsOf([...repeated(20, manyEvents(1)), ...repeated(30, manyEvents(120))]);
    expect([Math.max(...counts), counts.at(-1)]).toEqual([16, 1]);
  });
});
