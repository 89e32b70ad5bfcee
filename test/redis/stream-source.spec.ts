import { brotliCompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { type Redis } from 'ioredis';
import { type QueuedEvent } from '../../lib/delivery/delivery.js';
import { BlockWriter } from '../../lib/records/event-block.js';
import { findDriver } from '../../lib/redis/find-driver.js';
import { RedisClient } from '../../lib/redis/redis-client.js';
import { partitionOf, StreamKeys } from '../../lib/redis/stream-keys.js';
import { StreamSource } from '../../lib/redis/stream-source.js';
import { StreamWriter } from '../../lib/redis/stream-writer.js';
import { describeWithRedis, type RedisServer, startRedis } from '../support/redis-server.js';
import { idsOf, manyEvents } from '../support/stored-events.js';

const PROJECT = 'abc1';
const EVERYTHING = { project: PROJECT, maxEvents: 100_000, maxBytes: 1_000_000_000 };
/** No lease ends because the machine is busy. */
const TIMES = { leaseMs: 60_000, renewMs: 100, balanceMs: 40 };
const keysOf = (project: string) => new StreamKeys('posthog', project);
const keys = keysOf(PROJECT);

describeWithRedis('the source of a relay', () => {
  let server: RedisServer;
  let admin: Redis;
  let pod: StreamWriter;
  const relays: Relay[] = [];
  const clients: { leave(): void }[] = [];

  beforeAll(async () => {
    server = await startRedis();
    admin = server.client();
    pod = podOf(PROJECT);
  });
  afterEach(async () => {
    server.signal('SIGCONT');
    await admin.config('SET', 'maxmemory', '0');
    for (const relay of relays.splice(0)) await relay.source.close();
    await admin.flushall();
  });
  afterAll(async () => {
    for (const client of clients) client.leave();
    await server.stop();
  });

  function clientOf(limitMs?: number): RedisClient {
    const driver = findDriver(server.connection);
    if ('problem' in driver) throw new Error(driver.problem);
    return new RedisClient(driver, limitMs);
  }

  function podOf(project: string): StreamWriter {
    const options = { project, partitions: 4, fullness: () => null };
    const writer = new StreamWriter(clientOf(), keysOf(project), options);
    clients.push({ leave: () => writer.release() });
    return writer;
  }

  async function put(events: readonly QueuedEvent[], writer = pod): Promise<void> {
    const { signal } = new AbortController();
    const outcome = await writer.send({ id: 'b', createdAt: 0, format: 'v0', events }, { number: 1, signal });
    expect(outcome).toMatchObject({ kind: 'settled', retry: [] });
  }

  /** A relay that takes everything and removes nothing by itself. */
  class Relay {
    readonly source: StreamSource;
    readonly taken: QueuedEvent[] = [];
    readonly gone: QueuedEvent[] = [];
    readonly warnings: string[] = [];

    constructor(partitions = 4, limitMs?: number, times = TIMES) {
      this.source = new StreamSource(clientOf(limitMs), { keysOf, partitions, times });
      relays.push(this);
    }

    async take(limits: Partial<typeof EVERYTHING> = {}): Promise<readonly QueuedEvent[]> {
      const onGone = (events: readonly QueuedEvent[]) => void this.gone.push(...events);
      const { events, warnings } = await this.source.recover({ ...EVERYTHING, ...limits, onGone });
      this.taken.push(...events);
      this.warnings.push(...warnings);
      return events;
    }

    /** Takes until the condition holds. */
    async takeUntil(holds: () => unknown): Promise<void> {
      while (!(await holds())) {
        await this.take();
        await admin.ping();
      }
    }
  }

  const length = async () => {
    let sum = 0;
    for (let partition = 0; partition < 16; partition += 1) sum += await admin.xlen(keys.events(partition));
    return sum;
  };
  const inOrder = (events: readonly QueuedEvent[]) =>
    ['person_0', 'person_1', 'person_2'].map((key) => idsOf(events.filter(({ orderKey }) => orderKey === key)));

  it('returns what took too long for the first call with the next one', async () => {
    const events = manyEvents(300);
    for (let from = 0; from < 300; from += 50) await put(events.slice(from, from + 50));
    const client = clientOf();
    const send = client.send.bind(client);
    let answer = (): void => undefined;
    const slow = new Promise<void>((resolve) => (answer = resolve));
    client.send = async (command, ...args) => {
      const reply = await send(command, ...args);
      if (command === 'XRANGE') await slow;
      return reply;
    };
    const source = new StreamSource(client, { keysOf, partitions: 4, times: TIMES });
    const first = await source.recover(EVERYTHING);
    expect(first).toEqual({ events: [], warnings: [], more: true });
    answer();
    const taken: QueuedEvent[] = [];
    for (let more = true; more;) {
      const piece = await source.recover(EVERYTHING);
      taken.push(...piece.events);
      more = piece.more ?? false;
    }
    expect(inOrder(taken)).toEqual(inOrder(events));
    source.remove(taken);
    await source.close();
    expect(await length()).toBe(0);
  });

  it('returns a large backlog in pieces, so that the first can be sent while the next are read', async () => {
    const events = manyEvents(4000, 0, 10).map((event, index) => ({ ...event, orderKey: `person_${index}` }));
    for (let from = 0; from < 4000; from += 40) await put(events.slice(from, from + 40));
    const relay = new Relay();
    const first = await relay.source.recover(EVERYTHING);
    expect(first.more).toBe(true);
    expect(first.events.length).toBeGreaterThan(0);
    expect(first.events.length).toBeLessThan(2000);
    relay.taken.push(...first.events);
    await relay.takeUntil(() => relay.taken.length === 4000);
    expect(new Set(idsOf(relay.taken)).size).toBe(4000);
  });

  it('takes what pods have put, in the order of each key, and deletes what is removed', async () => {
    const events = manyEvents(1000);
    for (let from = 0; from < 1000; from += 50) await put(events.slice(from, from + 50));
    const relay = new Relay();
    expect(await relay.take({ maxEvents: 100 })).toHaveLength(100);
    expect(await relay.take({ maxEvents: 0 })).toEqual([]);
    const { bytes } = events[0]!;
    expect(await relay.take({ maxBytes: bytes * 10 + 20 })).toHaveLength(10);
    expect(await relay.take({ maxBytes: 1 })).toHaveLength(1);
    await relay.takeUntil(() => relay.taken.length === 1000);
    expect(inOrder(relay.taken)).toEqual(inOrder(events));
    expect(relay.taken.find(({ id }) => id === 'id_7')).toEqual(events[7]);
    expect(await length()).toBeGreaterThan(0);
    relay.source.remove(relay.taken.slice(1));
    relay.source.remove(relay.taken.slice(0, 1));
    relay.source.remove([...relay.taken, ...manyEvents(3)]);
    await relay.takeUntil(async () => (await length()) === 0);
    expect(relay.taken).toHaveLength(1000);
  });

  it('waits longer the longer nothing arrives', async () => {
    const relay = new Relay();
    const waits = [];
    for (let look = 0; look < 6; look += 1) {
      await relay.take();
      waits.push(relay.source.lookAgainMs);
    }
    expect(waits).toEqual([200, 400, 800, 1000, 1000, 1000]);
    await put(manyEvents(1));
    await relay.takeUntil(() => relay.taken.length === 1);
    expect(relay.source.lookAgainMs).toBe(100);
  });

  it('never takes the events of another project', async () => {
    await put(manyEvents(5));
    await put(manyEvents(5, 100), podOf('abc2'));
    const other = new Relay();
    await other.take({ project: 'abc2' });
    while (other.taken.length < 5) await other.take({ project: 'abc2' });
    expect(other.taken.every(({ id }) => Number(id.slice(3)) >= 100)).toBe(true);
    // A block of another project in the stream is not one of these events either.
    const [entry] = (await admin.callBuffer('XRANGE', keysOf('abc2').events(0), '-', '+')) as [Buffer, Buffer[]][];
    if (entry) await admin.xadd(keys.events(0), '*', ...entry[1]);
    const relay = new Relay();
    await relay.takeUntil(() => relay.taken.length === 5);
    expect(relay.taken.every(({ id }) => Number(id.slice(3)) < 5)).toBe(true);
  });

  it('moves what cannot be read aside, and leaves what a newer version wrote where it is', async () => {
    await put(manyEvents(30));
    const newer = Buffer.from('-------- [4,"abc1",1]\nwhatever version 4 writes');
    await admin.xadd(keys.events(0), '*', 'b', newer, 'n', '1');
    await admin.xadd(keys.events(0), '*', 'x', 'a field of the future', 'n', '1');
    await admin.xadd(keys.events(1), '*', 'z', 'not compressed', 'n', '1');
    await admin.xadd(keys.events(1), '*', 'b', '00000000 [2,"abc1",1]\ndamaged');
    await put(manyEvents(30, 30));
    const relay = new Relay();
    await relay.takeUntil(() => relay.taken.length === 60 && relay.warnings.length === 2);
    relay.source.remove(relay.taken);
    await relay.takeUntil(async () => (await length()) === 2);
    expect(await admin.xlen(keys.damaged(1))).toBe(2);
    expect(await admin.xlen(keys.events(0))).toBe(2);
    expect(relay.warnings.sort()).toEqual([
      expect.stringContaining('cannot be read. It was moved to the stream that ends with ":damaged"'),
      expect.stringContaining('of a newer version of nestjs-posthog-capture. They stay there: update the relays'),
    ]);
    expect(relay.source.hasNewer).toBe(true);
    expect(inOrder(relay.taken)).toEqual(inOrder(manyEvents(60)));
  });

  it('reads the blocks of pods that write the former version, and those that follow', async () => {
    const events = manyEvents(40);
    const former = new BlockWriter(PROJECT);
    const key = keys.events(partitionOf('person_0', 4));
    const ofOne = events.filter(({ orderKey }) => orderKey === 'person_0');
    await admin.xadd(key, '*', 'b', former.write(ofOne.slice(0, 1)), 'n', '1', 'u', '1');
    const others = ofOne.slice(1, 10);
    await admin.xadd(key, '*', 'z', brotliCompressSync(former.write(others)), 'n', String(others.length));
    await put(ofOne.slice(10));
    const relay = new Relay();
    await relay.takeUntil(() => relay.taken.length === ofOne.length);
    expect(relay.taken).toEqual(ofOne);
    expect(relay.taken.map(({ hasOwnId }) => hasOwnId)).toEqual(ofOne.map((_, index) => index === 0));
    expect(relay.warnings).toEqual([]);
  });

  it('reads a block with fields that it does not know', async () => {
    await put(manyEvents(1));
    for (let at = 0; at < 4; at += 1) {
      const [entry] = (await admin.callBuffer('XRANGE', keys.events(at), '-', '+')) as [Buffer, Buffer[]][];
      if (!entry) continue;
      await admin.del(keys.events(at));
      await admin.xadd(keys.events(at), '*', 'hint', 'of a later version', ...entry[1]);
    }
    const relay = new Relay();
    await relay.takeUntil(() => relay.taken.length === 1);
    expect(relay.taken).toEqual(manyEvents(1));
  });

  it('takes over the partitions of a dead relay when their leases end', async () => {
    for (let partition = 0; partition < 4; partition += 1) {
      await admin.set(keys.owner(partition), 'dead', 'PX', 400);
    }
    await admin.zadd(keys.relays, Date.now() + 400, 'dead');
    await put(manyEvents(20));
    const relay = new Relay();
    expect(await relay.take()).toEqual([]);
    await relay.takeUntil(() => relay.taken.length === 20);
    expect(relay.source.partitionsHeld).toBe(4);
  });

  it('shares the partitions with other relays, gives up none that holds events, and hands over at once', async () => {
    await put(manyEvents(30));
    const first = new Relay();
    await first.takeUntil(() => first.taken.length === 30);
    const second = new Relay();
    await second.takeUntil(() => second.source.partitionsHeld > 0);
    const busy = first.source.partitionsHeld;
    expect(busy).toBeGreaterThanOrEqual(2);
    first.source.remove(first.taken);
    await second.takeUntil(() => first.source.partitionsHeld === 2 && second.source.partitionsHeld === 2);
    const all = [];
    for (let from = 100; from < 200; from += 10) {
      await put(manyEvents(10, from));
      all.push(...(await first.take()), ...(await second.take()));
    }
    await second.takeUntil(async () => {
      await first.take();
      return first.taken.length + second.taken.length === 130;
    });
    expect(first.gone).toEqual([]);
    expect(second.gone).toEqual([]);
    const ids = idsOf([...first.taken, ...second.taken]);
    expect(new Set(ids).size).toBe(130);
    first.source.remove(first.taken);
    await first.source.close();
    relays.splice(relays.indexOf(first), 1);
    await put(manyEvents(30, 200));
    await second.takeUntil(() => second.source.partitionsHeld === 4);
    await second.takeUntil(() => idsOf(second.taken).filter((id) => Number(id.slice(3)) >= 200).length === 30);
  });

  it('looks after partitions of pods that use more of them, until they are empty', async () => {
    const wide = new StreamWriter(clientOf(), keys, { project: PROJECT, partitions: 16, fullness: () => null });
    clients.push({ leave: () => wide.release() });
    const events = Array.from({ length: 64 }, (_, index) => ({
      ...manyEvents(1, index)[0]!,
      orderKey: `key_${index}`,
    }));
    await put(events, wide);
    const relay = new Relay(2);
    await relay.takeUntil(() => relay.taken.length === 64);
    expect(relay.source.partitionsHeld).toBeGreaterThan(2);
    relay.source.remove(relay.taken);
    await relay.takeUntil(() => relay.source.partitionsHeld === 2);
  });

  it('says which events another relay has now', async () => {
    await put(manyEvents(30));
    const relay = new Relay();
    await relay.takeUntil(() => relay.taken.length === 30);
    const done = relay.taken.slice(0, 3);
    relay.source.remove(done);
    for (let partition = 0; partition < 4; partition += 1) await admin.set(keys.owner(partition), 'another');
    await relay.takeUntil(() => relay.gone.length === 27 && relay.source.partitionsHeld === 0);
    expect(idsOf(relay.gone).sort()).toEqual(idsOf(relay.taken.slice(3)).sort());
    expect(relay.source.confirm(relay.taken)).toBeUndefined();
    // They are the other one's.
    const before = await length();
    relay.source.remove(relay.taken);
    await relay.take();
    expect(await length()).toBe(before);
  });

  it('keeps its partitions when Redis has lost the leases', async () => {
    await put(manyEvents(30));
    const relay = new Relay();
    await relay.takeUntil(() => relay.taken.length === 30);
    for (let partition = 0; partition < 4; partition += 1) await admin.del(keys.owner(partition));
    while ((await admin.exists(...[0, 1, 2, 3].map((partition) => keys.owner(partition)))) < 4);
    expect(relay.gone).toEqual([]);
    expect(relay.source.partitionsHeld).toBe(4);
  });

  it('takes events from a full Redis, and keeps its partitions', async () => {
    await put(manyEvents(10));
    await admin.config('SET', 'maxmemory', '1');
    const relay = new Relay();
    await relay.takeUntil(() => relay.taken.length === 10);
    const owners = [0, 1, 2, 3].map((partition) => keys.owner(partition));
    for (const owner of owners) await admin.pexpire(owner, 30_000);
    const isRenewed = async (owner: string) => (await admin.pttl(owner)) > 30_000;
    await relay.takeUntil(async () => (await Promise.all(owners.map(isRenewed))).every(Boolean));
    expect(relay.taken).toHaveLength(10);
    expect(relay.source.confirm(relay.taken)).toBeUndefined();
    relay.source.remove(relay.taken);
    await relay.takeUntil(async () => (await length()) === 0);
  });

  it('is not certain of its events after Redis hung for longer than the lease, until Redis answers', async () => {
    await put(manyEvents(30));
    const relay = new Relay(4, 300, { ...TIMES, leaseMs: 1500 });
    await relay.takeUntil(() => relay.taken.length === 30);
    expect(relay.source.confirm(relay.taken)).toBeUndefined();
    server.signal('SIGSTOP');
    let unknown: Promise<void> | undefined;
    while (!unknown) {
      await relay.take();
      unknown = relay.source.confirm(relay.taken);
    }
    expect(relay.source.confirm(manyEvents(1))).toBeUndefined();
    server.signal('SIGCONT');
    await unknown;
    expect(relay.source.confirm(relay.taken)).toBeUndefined();
    expect(relay.gone).toEqual([]);
    expect(relay.warnings).toEqual([expect.stringContaining('Events stay in Redis until it works.')]);
  });

  it('starts while Redis is down, warns once, and takes everything afterwards', async () => {
    await server.kill();
    const relay = new Relay();
    for (let look = 0; look < 5; look += 1) expect(await relay.take()).toEqual([]);
    await server.start();
    await relay.takeUntil(() => relay.source.partitionsHeld === 4);
    let outcome: string;
    const { signal } = new AbortController();
    do {
      outcome = (await pod.send({ id: 'b', createdAt: 0, format: 'v0', events: manyEvents(5) }, { number: 1, signal }))
        .kind;
    } while (outcome !== 'settled');
    await relay.takeUntil(() => relay.taken.length === 5);
    expect(relay.warnings.length).toBeLessThanOrEqual(1);
  });

  it.each([
    ['FLUSHALL', async () => admin.flushall()],
    [
      'XTRIM by another program',
      async () => Promise.all([0, 1, 2, 3].map((at) => admin.xtrim(keys.events(at), 'MAXLEN', 0))),
    ],
  ])(
    'says that events are missing after %s, and takes later ones, also with a clock that is behind',
    async (_, lose) => {
      await put(manyEvents(30));
      const relay = new Relay();
      await relay.takeUntil(() => relay.taken.length === 30);
      await lose();
      await relay.takeUntil(() => relay.warnings.length > 0);
      expect(relay.warnings[0]).toContain('Redis has lost events of the queue');
      await put(manyEvents(30, 30));
      await relay.takeUntil(() => relay.taken.length === 60);
      expect(relay.gone).toEqual([]);
    },
  );

  it('lets each of two relays keep its partitions when Redis has lost everything', async () => {
    const times = { leaseMs: 60_000, renewMs: 5000, balanceMs: 20 };
    const [first, second] = [new Relay(4, undefined, times), new Relay(4, undefined, times)];
    await first.takeUntil(async () => {
      await second.take();
      return first.source.partitionsHeld === 2 && second.source.partitionsHeld === 2;
    });
    const owners = () => admin.mget(...[0, 1, 2, 3].map((partition) => keys.owner(partition)));
    const before = await owners();
    await admin.flushall();
    while ((await owners()).includes(null));
    while ((await admin.zcard(keys.relays)) < 2);
    expect(await owners()).toEqual(before);
  });

  it('keeps the events that only it has when Redis has lost everything and a new relay takes its partitions', async () => {
    await put(manyEvents(30));
    const first = new Relay();
    await first.takeUntil(() => first.taken.length === 30);
    await admin.multi().flushall().set(keys.owner(0), 'new').set(keys.owner(1), 'new').exec();
    await first.takeUntil(() => first.source.partitionsHeld === 2);
    // The fates of the events are decided before the next reply of Redis.
    await first.take();
    expect(first.gone).toEqual([]);
    first.source.remove(first.taken);
  });

  it('finds entries that come before the ones it has read', async () => {
    await put(manyEvents(30));
    const relay = new Relay();
    await relay.takeUntil(() => relay.taken.length === 30);
    relay.source.remove(relay.taken);
    await relay.takeUntil(async () => (await length()) === 0);
    await put(manyEvents(30, 30));
    for (let at = 0; at < 4; at += 1) {
      const entries = (await admin.callBuffer('XRANGE', keys.events(at), '-', '+')) as [Buffer, Buffer[]][];
      await admin.del(keys.events(at));
      for (const [index, [, fields]] of entries.entries())
        await admin.xadd(keys.events(at), `1-${index + 1}`, ...fields);
    }
    await relay.takeUntil(() => new Set(idsOf(relay.taken)).size === 60);
  });
});
