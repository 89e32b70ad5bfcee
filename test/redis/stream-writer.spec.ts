import { rmSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { type Redis } from 'ioredis';
import { type Batch, type BatchOutcome, type QueuedEvent } from '../../lib/delivery/delivery.js';
import { findDriver } from '../../lib/redis/find-driver.js';
import { RedisClient } from '../../lib/redis/redis-client.js';
import { readEntry } from '../../lib/redis/stream-block.js';
import { partitionOf, StreamKeys } from '../../lib/redis/stream-keys.js';
import { StreamWriter, type StreamWriterOptions } from '../../lib/redis/stream-writer.js';
import { readBlock } from '../../lib/records/read-block.js';
import { eventOf, idsOf, manyEvents } from '../support/stored-events.js';
import { describeWithRedis, freePort, type RedisServer, startRedis } from '../support/redis-server.js';

const PROJECT = 'abc1';
const keys = new StreamKeys('posthog', PROJECT);
const batchOf = (events: readonly QueuedEvent[]): Batch => ({ id: 'batch', createdAt: 0, format: 'v0', events });
const ACCEPTED = { kind: 'settled', rejected: [], retry: [] };

describeWithRedis('the writer of streams', () => {
  let server: RedisServer;
  let admin: Redis;
  const writers: StreamWriter[] = [];

  beforeAll(async () => {
    server = await startRedis();
    admin = server.client();
  });
  afterEach(async () => {
    for (const writer of writers.splice(0)) writer.release();
    server.signal('SIGCONT');
    await admin.config('SET', 'maxmemory', '0');
    await admin.replicaof('NO', 'ONE');
    await admin.flushall();
  });
  afterAll(() => server.stop());

  function writerOf(
    options: Partial<StreamWriterOptions> = {},
    connection: object = server.connection,
    limitMs?: number,
  ) {
    const driver = findDriver(connection);
    if ('problem' in driver) throw new Error(driver.problem);
    const client = new RedisClient(driver, limitMs);
    const writer = new StreamWriter(client, keys, {
      project: PROJECT,
      partitions: 4,
      fullness: () => null,
      ...options,
    });
    writers.push(writer);
    return writer;
  }

  const send = (writer: StreamWriter, events: readonly QueuedEvent[], signal = new AbortController().signal) =>
    writer.send(batchOf(events), { number: 1, signal });

  const entriesOf = async (partition: number) =>
    ((await admin.callBuffer('XRANGE', keys.events(partition), '-', '+')) as [Buffer, Buffer[]][]).map(
      ([, fields]) => fields,
    );

  const eventsOf = async (partition: number): Promise<QueuedEvent[]> =>
    (await entriesOf(partition)).flatMap((fields) => {
      const entry = readEntry(fields, PROJECT);
      if (entry.kind !== 'events') throw new Error(entry.kind);
      return entry.events;
    });

  it('puts each event into the partition of its key, in order, in compressed blocks', async () => {
    const writer = writerOf();
    const events = Array.from({ length: 600 }, (_, index) => ({ ...eventOf(index), orderKey: `person_${index % 50}` }));
    expect(await send(writer, events)).toMatchObject(ACCEPTED);
    for (let partition = 0; partition < 4; partition += 1) {
      expect(await eventsOf(partition)).toEqual(
        events.filter(({ orderKey }) => partitionOf(orderKey, 4) === partition),
      );
    }
    const [[name, block, , count] = []] = await entriesOf(partitionOf('person_0', 4));
    expect(String(name)).toBe('z');
    expect(readBlock(brotliDecompressSync(block!), PROJECT)).toHaveLength(Number(count));
    expect(Number(count)).toBeLessThanOrEqual(128);
  });

  it('writes small blocks as they are, and one event that is larger than a block', async () => {
    const writer = writerOf({ partitions: 1 });
    const large = eventOf(2, 900_000);
    await send(writer, [eventOf(1, 10)]);
    await send(writer, [eventOf(3), large, eventOf(4)]);
    const entries = await entriesOf(0);
    expect(entries.map(([name, , , count]) => `${String(name)}${String(count)}`)).toEqual(['b1', 'b1', 'z1', 'b1']);
    expect(await eventsOf(0)).toEqual([eventOf(1, 10), eventOf(3), large, eventOf(4)]);
  });

  it.each([
    ['is full', (redis: Redis) => redis.config('SET', 'maxmemory', '1'), 'retryable', 'OOM'],
    ['is a replica', (redis: Redis) => redis.replicaof('127.0.0.1', '1'), 'retryable', 'READONLY'],
  ])('keeps the events in the pod while Redis %s', async (_, breakIt, kind, code) => {
    const writer = writerOf();
    await breakIt(admin);
    expect(await send(writer, manyEvents(10))).toMatchObject({
      kind,
      code,
      failure: { message: expect.stringContaining(code) },
    });
    await admin.config('SET', 'maxmemory', '0');
    await admin.replicaof('NO', 'ONE');
    let outcome: BatchOutcome;
    do outcome = await send(writer, manyEvents(10));
    while (outcome.kind !== 'settled');
    expect(outcome).toMatchObject(ACCEPTED);
  });

  it('states that ids are unique, unless they were given, or the events may have been written before', async () => {
    const writer = writerOf({ partitions: 1 });
    const generated = manyEvents(3).map((event) => ({ ...event, hasOwnId: true }));
    const haveOwnIds = async () => (await eventsOf(0)).map(({ hasOwnId }) => hasOwnId);
    await send(writer, generated);
    expect(await haveOwnIds()).toEqual([true, true, true]);
    await admin.flushall();
    await send(writer, manyEvents(2));
    expect(await haveOwnIds()).toEqual([false, false]);
    await admin.config('SET', 'maxmemory', '1');
    expect(await send(writer, generated)).toMatchObject({ code: 'OOM' });
    await admin.config('SET', 'maxmemory', '0');
    await admin.flushall();
    await send(writer, generated);
    expect(await haveOwnIds()).toEqual([false, false, false]);
  });

  it('keeps the events in the pod while Redis is down or hangs', async () => {
    const writer = writerOf({}, server.connection, 200);
    await send(writer, [eventOf(1)]);
    server.signal('SIGSTOP');
    expect(await send(writer, [eventOf(2)])).toMatchObject({ kind: 'retryable', code: 'TIMEOUT' });
    const abort = new AbortController();
    const aborted = send(writer, [eventOf(3)], abort.signal);
    abort.abort();
    expect(await aborted).toMatchObject({ kind: 'retryable', code: 'aborted' });
    expect(await send(writer, [eventOf(3)], abort.signal)).toMatchObject({ kind: 'retryable', code: 'aborted' });
    server.signal('SIGCONT');
  });

  it('keeps the events in the pod while Redis cannot save its snapshot', async () => {
    const broken = await startRedis('--save', '1 1');
    try {
      const writer = writerOf({ partitions: 1 }, broken.connection);
      const control = broken.client();
      expect(await send(writer, [eventOf(1)])).toMatchObject(ACCEPTED);
      // A snapshot that has no directory to be written to.
      rmSync(broken.folder, { recursive: true });
      let outcome = await send(writer, [eventOf(2)]);
      while (outcome.code !== 'MISCONF') {
        await control.bgsave().catch(() => undefined);
        outcome = await send(writer, [eventOf(2)]);
      }
      expect(outcome).toMatchObject({ kind: 'retryable', failure: { remedy: expect.stringContaining('overcommit') } });
      writer.release();
    } finally {
      await broken.stop();
    }
  });

  it('names only the events of the partitions that failed', async () => {
    const writer = writerOf();
    const events = Array.from({ length: 40 }, (_, index) => ({ ...eventOf(index), orderKey: `person_${index}` }));
    const inFirst = events.filter(({ orderKey }) => partitionOf(orderKey, 4) === 0);
    await admin.set(keys.events(0), 'of another program');
    const outcome = await send(writer, events);
    expect(outcome).toMatchObject({ kind: 'settled', retry: idsOf(inFirst), code: 'WRONGTYPE' });
    expect(await eventsOf(1)).toEqual(events.filter(({ orderKey }) => partitionOf(orderKey, 4) === 1));
    expect(await send(writer, inFirst)).toMatchObject({ kind: 'refused', code: 'WRONGTYPE' });
  });

  it('writes no later block of a partition after one that failed', async () => {
    const writer = writerOf({ partitions: 1 });
    await admin.set(keys.events(0), 'of another program');
    const events = manyEvents(300).map((event) => ({ ...event, orderKey: 'person' }));
    const pending = send(writer, events);
    await admin.del(keys.events(0));
    const outcome = await pending;
    const written = await eventsOf(0);
    const retry = outcome.kind === 'settled' ? outcome.retry : idsOf(events);
    expect([...idsOf(written), ...retry]).toEqual(idsOf(events));
  });

  it('does not write while the limit of the queue is reached', async () => {
    const full = { message: 'The queue is full', remedy: 'wait' };
    expect(await send(writerOf({ fullness: () => full }), [eventOf(1)])).toEqual({
      kind: 'retryable',
      failure: full,
      code: 'FULL',
    });
    expect(await admin.dbsize()).toBe(0);
  });

  it('is refused without permission', async () => {
    await admin.acl('SETUSER', 'pod', 'on', '>right', '~posthog:*', '+info', '+ping');
    const denied = writerOf({}, { ...server.connection, username: 'pod', password: 'right' });
    expect(await send(denied, [eventOf(1)])).toMatchObject({ kind: 'refused', code: 'NOPERM' });
    const wrong = writerOf({}, { ...server.connection, username: 'pod', password: 'wrong' });
    expect(await send(wrong, [eventOf(1)])).toMatchObject({ kind: 'refused', code: 'WRONGPASS' });
  });

  it('counts events as accepted only when replicas have them, if that is asked for', async () => {
    const writer = writerOf({ confirm: { replicas: 1, timeoutMs: 20 } });
    expect(await send(writer, [eventOf(1)])).toMatchObject({ kind: 'retryable', code: 'CONFIRM' });
    const port = String(await freePort());
    const primary = await startRedis('--save', '', '--port', port, '--repl-diskless-sync-delay', '0');
    const replica = await startRedis('--save', '', '--replicaof', '127.0.0.1', port);
    try {
      const confirmed = writerOf({ confirm: { replicas: 1, timeoutMs: 3000 } }, primary.connection);
      let outcome = await send(confirmed, [eventOf(1)]);
      while (outcome.code === 'CONFIRM') outcome = await send(confirmed, [eventOf(1)]);
      expect(outcome).toMatchObject(ACCEPTED);
      expect(await replica.client().exists(keys.events(partitionOf(eventOf(1).orderKey, 4)))).toBe(1);
    } finally {
      await replica.stop();
      await primary.stop();
    }
  });

  it('counts events as accepted only when they are on disk, if that is asked for', async () => {
    const disk = await startRedis('--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec');
    try {
      const [, major = 0, minor = 0] = (
        /redis_version:(\d+)\.(\d+)/.exec(await disk.client().info('server')) ?? []
      ).map(Number);
      const writer = writerOf({ confirm: { fsync: true } }, disk.connection);
      for (let batch = 0; batch < 3; batch += 1) {
        // WAITAOF is an unknown command before Redis 7.2.
        const expected = major > 7 || (major === 7 && minor >= 2) ? ACCEPTED : { kind: 'refused', code: 'ERR' };
        expect(await send(writer, [eventOf(batch)])).toMatchObject(expected);
      }
    } finally {
      await disk.stop();
    }
  });
});
