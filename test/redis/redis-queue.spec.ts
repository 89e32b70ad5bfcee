import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Redis } from 'ioredis';
import { redisQueue, type CaptureQueue, type QueueSample, type RedisQueueOptions } from 'nestjs-posthog-capture/redis';
import { createClient } from 'redis';
import { type BatchOutcome, type QueuedEvent, type Sender } from '../../lib/delivery/delivery.js';
import { type QueueSource } from '../../lib/queue/capture-queue.js';
import { StreamKeys } from '../../lib/redis/stream-keys.js';
import { describeWithRedis, type RedisServer, startRedis } from '../support/redis-server.js';
import { idsOf, manyEvents } from '../support/stored-events.js';

const PROJECT = 'abc1';
const EVERYTHING = { project: PROJECT, maxEvents: 100_000, maxBytes: 1_000_000_000 };
const LOG = { warn: () => undefined };
const keys = new StreamKeys('posthog', PROJECT);

const put = (pod: Sender, events: readonly QueuedEvent[]): Promise<BatchOutcome> =>
  pod.send({ id: 'b', createdAt: 0, format: 'v0', events }, { number: 1, signal: new AbortController().signal });

async function takeAll(source: QueueSource, count: number, project = PROJECT): Promise<QueuedEvent[]> {
  const taken: QueuedEvent[] = [];
  while (taken.length < count) {
    taken.push(...(await source.recover({ ...EVERYTHING, project })).events);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return taken;
}

describe('redisQueue', () => {
  const problemsOf = (options: object): unknown => {
    try {
      redisQueue(options as RedisQueueOptions);
      return null;
    } catch (error) {
      return (error as Error).message
        .split('\n')
        .slice(1)
        .map((line) => line.trim());
    }
  };
  const connection = 'redis://user:secret@127.0.0.1:1';

  it('names the field of every invalid option, and no password', () => {
    const options = {
      connection: 'http://user:secret@host',
      prefix: '',
      project: 'a b',
      partitions: 17,
      maxBytes: 0,
      confirm: { replicas: -1, fsync: 'yes', timeoutMs: 5000 },
      partition: 3,
    };
    expect(problemsOf(options)).toEqual([
      '- queue: connection: expected a URL such as redis://host:6379 or rediss://user:password@host:6380/0',
      '- queue: "partition" is not an option: did you mean partitions?',
      '- queue: prefix: expected 1 to 64 letters, digits or _.:-',
      '- queue: project: expected 1 to 64 letters, digits or _.:-',
      '- queue: partitions: expected a whole number from 1 to 16',
      '- queue: maxBytes: expected a whole number of bytes, 1 or more',
      '- queue: confirm.replicas: expected a whole number from 0 to 10',
      '- queue: confirm.fsync: expected true or false',
      '- queue: confirm.timeoutMs: expected milliseconds from 1 to 4000',
    ]);
    expect(JSON.stringify(problemsOf(options))).not.toContain('secret');
  });

  it.each([
    [{ connection, confirm: {} }, '- queue: confirm: expected replicas of 1 or more, or fsync: true'],
    [{ connection, confirm: null }, '- queue: confirm: expected { replicas, fsync }'],
    [{}, expect.stringContaining('- queue: connection: expected a redis:// or rediss:// URL')],
  ])('refuses %j', (options, problem) => {
    expect(problemsOf(options)).toEqual([problem]);
  });

  it('accepts every option, and connects to nothing', () => {
    const confirm = { replicas: 1, fsync: true, timeoutMs: 100 };
    const queue = redisQueue({
      connection,
      prefix: 'app:posthog',
      partitions: 16,
      maxBytes: 1,
      project: 'shop',
      confirm,
    });
    expect(queue.project).toBe('shop');
    expect(redisQueue({ connection }).project).toBeUndefined();
  });
});

describeWithRedis('a queue on Redis', () => {
  let server: RedisServer;
  let admin: Redis;
  const opened: { close(): unknown }[] = [];

  beforeAll(async () => {
    server = await startRedis();
    admin = server.client();
  });
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close();
    await admin.config('SET', 'maxmemory', '0');
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
    await admin.replicaof('NO', 'ONE');
    await admin.flushall();
  });
  afterAll(() => server.stop());

  function podOf(queue: CaptureQueue, project = PROJECT): Sender {
    const pod = queue.sender(project, LOG);
    opened.push({ close: () => pod.release() });
    return pod;
  }
  function relayOf(queue: CaptureQueue): QueueSource {
    const source = queue.source();
    opened.push(source);
    return source;
  }

  it.each([
    ['an instance of ioredis', () => server.client()],
    ['options of ioredis', () => server.connection],
    ['a client of node-redis', () => createClient({ socket: { path: server.path, tls: false } })],
  ])('carries events over %s', async (_, connection) => {
    const queue = redisQueue({ connection: connection() });
    const pod = podOf(queue);
    const relay = relayOf(queue);
    const events = manyEvents(300);
    expect(await put(pod, events)).toMatchObject({ kind: 'settled', retry: [] });
    const taken = await takeAll(relay, 300);
    expect(idsOf(taken).sort()).toEqual(idsOf(events).sort());
    void relay.remove(taken);
    let sample: QueueSample;
    do sample = await queue.sample(PROJECT);
    while (sample.events !== 0);
    expect(sample).toMatchObject({ state: 'ok', bytes: 0, oldestMs: 0, relays: 1, partitionsHeld: 4 });
  });

  it('keeps the projects, prefixes and key prefixes of one Redis apart', async () => {
    const plain = redisQueue({ connection: server.connection });
    const prefixed = redisQueue({ connection: server.connection, prefix: 'other' });
    const inherited = redisQueue({ connection: server.client({ keyPrefix: 'app:' }) });
    const events = manyEvents(4);
    await put(podOf(plain, 'abc1'), events.slice(0, 1));
    await put(podOf(plain, 'abc2'), events.slice(1, 2));
    await put(podOf(prefixed, 'abc1'), events.slice(2, 3));
    await put(podOf(inherited, 'abc1'), events.slice(3));
    await put(podOf(plain, 'abc1+ai'), manyEvents(5).slice(4));
    expect(idsOf(await takeAll(relayOf(plain), 1, 'abc1+ai'))).toEqual(['id_4']);
    expect(idsOf(await takeAll(relayOf(plain), 1, 'abc2'))).toEqual(['id_1']);
    expect(idsOf(await takeAll(relayOf(prefixed), 1))).toEqual(['id_2']);
    expect(idsOf(await takeAll(relayOf(inherited), 1))).toEqual(['id_3']);
    expect(idsOf(await takeAll(relayOf(plain), 1))).toEqual(['id_0']);
    const names = await admin.keys('*');
    expect(
      names.every((name) => /^(app:)?(posthog|other):\{abc[12](\+ai)?(:\d)?\}:(events|owner|relays)$/.test(name)),
    ).toBe(true);
  });

  it('measures what waits in it', async () => {
    const queue = redisQueue({ connection: server.connection });
    const pod = podOf(queue);
    for (let from = 0; from < 1000; from += 100) await put(pod, manyEvents(100, from));
    const sample = await queue.sample(PROJECT);
    expect(sample).toMatchObject({ state: 'ok', relays: 0, partitionsHeld: 0 });
    expect(Math.abs((sample.events ?? 0) - 1000)).toBeLessThan(20);
    expect(sample.oldestMs).toBeLessThan(60_000);
    // Of about 620 bytes each.
    expect(sample.bytes).toBeGreaterThan(1000);
    expect(sample.bytes).toBeLessThan(120_000);
    pod.release();
    expect(await queue.sample(PROJECT)).toEqual(sample);
  });

  it('is full at maxBytes: pods keep their events until relays have made room', async () => {
    const queue = redisQueue({ connection: server.connection, maxBytes: 1000 });
    const pod = podOf(queue);
    await put(pod, manyEvents(100));
    expect(await queue.sample(PROJECT)).toMatchObject({
      state: 'full',
      problems: [{ severity: 'degraded', message: 'The queue in Redis has reached its maximum size' }, {}],
    });
    expect(await put(pod, manyEvents(1))).toMatchObject({ kind: 'retryable', code: 'FULL' });
    const relay = relayOf(queue);
    void relay.remove(await takeAll(relay, 100));
    while ((await queue.sample(PROJECT)).state === 'full');
    expect(await put(pod, manyEvents(1))).toMatchObject({ kind: 'settled', retry: [] });
  });

  const pods = new Map<CaptureQueue, Sender>();
  const stateAfterPut = async (queue: CaptureQueue): Promise<QueueSample> => {
    const pod = pods.get(queue) ?? podOf(queue);
    pods.set(queue, pod);
    await put(pod, manyEvents(1));
    return queue.sample(PROJECT);
  };

  it('reports that Redis is full, a replica, down, or evicts', async () => {
    const queue = redisQueue({ connection: server.connection });
    const problem = (severity: string, message: string) => [
      expect.objectContaining({ severity, message: expect.stringContaining(message) }),
      expect.objectContaining({ severity: 'note', message: expect.stringContaining('neither an append-only file') }),
    ];
    await admin.config('SET', 'maxmemory', '1');
    expect(await stateAfterPut(queue)).toMatchObject({ state: 'full', problems: problem('degraded', '(OOM)') });
    await admin.config('SET', 'maxmemory', '0');
    expect(await stateAfterPut(queue)).toMatchObject({ state: 'ok', problems: [{ severity: 'note' }] });
    await admin.config('SET', 'maxmemory-policy', 'allkeys-lru');
    const evicting = redisQueue({ connection: server.connection });
    expect(await stateAfterPut(evicting)).toMatchObject({ state: 'ok', problems: problem('down', 'allkeys-lru') });
    await admin.replicaof('127.0.0.1', '1');
    expect(await stateAfterPut(queue)).toMatchObject({ state: 'down', problems: [{ severity: 'degraded' }] });
    await server.kill();
    expect(await stateAfterPut(queue)).toMatchObject({ state: 'down', events: null, relays: null });
    await server.start();
  });

  it('reports a wrong password, and a missing right', async () => {
    await admin.acl('SETUSER', 'pod', 'on', '>right', '~posthog:*', '+info', '+ping', '+xlen');
    const wrong = redisQueue({ connection: { ...server.connection, username: 'pod', password: 'wrong' } });
    expect(await stateAfterPut(wrong)).toMatchObject({
      state: 'down',
      problems: [{ severity: 'down', message: expect.stringContaining('(WRONGPASS)') }],
    });
    const denied = redisQueue({ connection: { ...server.connection, username: 'pod', password: 'right' } });
    expect(await stateAfterPut(denied)).toMatchObject({
      state: 'down',
      problems: [{ severity: 'down', message: expect.stringContaining('(NOPERM)') }],
    });
  });

  describe('with the rights that docs/fleet.md lists', () => {
    const line = /^ACL SETUSER (.*)$/m.exec(readFileSync('docs/fleet.md', 'utf8'))?.[1] ?? '';
    const [user = '', ...rights] = line.split(' ');
    const password = rights.find((right) => right.startsWith('>'))?.slice(1);

    beforeEach(async () => {
      await admin.acl('SETUSER', user, ...rights);
      await admin.acl('LOG', 'RESET');
    });
    afterEach(() => admin.acl('DELUSER', user));

    it.each([
      ['ioredis', () => ({ ...server.connection, username: user, password })],
      [
        'node-redis',
        () => createClient({ socket: { path: server.path, tls: false }, username: user, password: password! }),
      ],
    ])('everything works over %s', async (_, connection) => {
      const queue = redisQueue({ connection: connection(), confirm: undefined });
      const pod = podOf(queue);
      await admin.xadd(keys.events(0), '*', 'z', 'damaged');
      expect(await put(pod, manyEvents(30))).toMatchObject({ kind: 'settled', retry: [] });
      const relay = relayOf(queue);
      void relay.remove(await takeAll(relay, 30));
      let sample: QueueSample;
      do sample = await queue.sample(PROJECT);
      while (sample.events !== 0);
      expect(sample).toMatchObject({
        state: 'ok',
        bytes: 0,
        relays: 1,
        partitionsHeld: 4,
        problems: [{ severity: 'note' }],
      });
      await relay.close();
      expect(await admin.keys('*:owner')).toEqual([]);
      expect(await admin.zcard(keys.relays)).toBe(0);
      expect(await admin.xlen(keys.damaged(0))).toBe(1);
      const denied = (await admin.call('ACL', 'LOG')) as unknown[];
      // Only what the libraries send about themselves.
      expect(denied.filter((entry) => !/client\|/.test(String(entry)))).toEqual([]);
    });

    it('nothing else works', async () => {
      const other = server.client({ username: user, password });
      await expect(other.flushall()).rejects.toThrow('NOPERM');
      await expect(other.get('bull:jobs')).rejects.toThrow('NOPERM');
    });
  });
});
