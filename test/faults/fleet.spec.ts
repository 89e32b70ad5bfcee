import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { type CompiledLib, compileLib } from '../support/compiled-lib.js';
import { KEY } from '../support/harness.js';
import { describeWithRedis, type RedisServer, startRedis } from '../support/redis-server.js';
import { SEED, Seeded } from '../support/seeded.js';
import { startPatientPostHog } from '../support/patient-posthog.js';

/** Number of pods killed. A long run: `FAULT_KILLS=50 FAULT_SEED=7 npm test -- test/faults/fleet`. */
const KILLS = Number(process.env.FAULT_KILLS ?? 4);
const CHILD = fileURLToPath(new URL('../support/fleet-child.mjs', import.meta.url));

/** A pod or a relay. */
interface Member {
  readonly process: ChildProcess;
  /** Uuids that a pod printed when the queue had them. */
  readonly accepted: string[];
  readonly ready: Promise<unknown>;
  readonly ended: Promise<unknown>;
}

describeWithRedis('a fleet', () => {
  let lib: CompiledLib;
  let redis: RedisServer;
  let posthog: FakePostHog;
  const members: Member[] = [];

  beforeAll(async () => {
    lib = await compileLib();
  });
  afterAll(() => lib.remove());
  beforeEach(async () => {
    posthog = await startPatientPostHog({ maxRemembered: 1_000_000 });
    redis = await startRedis('--save', '', '--appendonly', 'yes');
  });
  afterEach(async () => {
    for (const { process: child } of members.splice(0)) child.kill('SIGKILL');
    await redis.stop();
    await posthog.close();
  });

  function start(role: 'pod' | 'relay' | 'script'): Member {
    const options = {
      apiKey: KEY,
      host: posthog.url,
      retryBaseMs: 10,
      retryMaxMs: 100,
      coolDownMs: 100,
      flushIntervalMs: 20,
      requestTimeoutMs: 60_000,
    };
    const child = spawn(process.execPath, [CHILD, lib.path, role, redis.path, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const reader = createInterface(child.stdout);
    const accepted: string[] = [];
    reader.on('line', (line) => {
      // The last line may be incomplete.
      if (/^[\da-f-]{36}$/.test(line)) accepted.push(line);
    });
    const ended = Promise.all([once(child, 'exit'), once(reader, 'close')]);
    const member = { process: child, accepted, ended, ready: Promise.race([once(reader, 'line'), ended]) };
    members.push(member);
    return member;
  }

  async function kill(member: Member, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    member.process.kill(signal);
    await member.ended;
  }

  /** Resolves when the relays have emptied the streams of all projects. */
  async function drained(): Promise<void> {
    const admin = redis.client();
    for (;;) {
      const streams = await admin.keys('*:events');
      const lengths = await Promise.all(streams.map((stream) => admin.xlen(stream)));
      if (lengths.every((length) => length === 0)) return;
      await wait(50);
    }
  }

  /** Kills pods one after the other, and replaces them. The last two live on. */
  async function killPods(all: Member[], random: Seeded): Promise<void> {
    for (let kills = 0; kills < KILLS; kills += 1) {
      const victim = all[all.length - 2]!;
      await victim.ready;
      await wait(200 + random.below(1000));
      await kill(victim);
      all.push(start('pod'));
    }
  }

  it('hands over the events of a process that ends by itself, which the connection does not prevent', async () => {
    const script = start('script');
    await script.ended;
    expect(script.process.exitCode).toBe(0);
    expect(await redis.client().keys('*:events')).toHaveLength(1);
  });

  it(
    `loses nothing that Redis has accepted, and keeps the order of each person, when pods, relays and Redis are killed or freeze (FAULT_SEED=${SEED})`,
    async () => {
      const random = new Seeded();
      const [first, second] = [start('relay'), start('relay')];
      const pods = [start('pod'), start('pod')];
      await Promise.all(members.map(({ ready }) => ready));
      const killed = killPods(pods, random);
      await posthog.waitFor(({ rows }) => rows.length > 100);
      // Its partitions are taken over when their leases end.
      await kill(first);
      // The other one freezes for longer than its leases last.
      second.process.kill('SIGSTOP');
      const frozenAt = performance.now();
      const third = start('relay');
      posthog.failWhen(() => ({ status: 503 }));
      await redis.kill();
      await wait(300 + random.below(500));
      await redis.start();
      await wait(1000);
      redis.signal('SIGSTOP');
      await wait(1500 + random.below(1000));
      redis.signal('SIGCONT');
      posthog.failWhen(null);
      await killed;
      await wait(Math.max(0, 17_500 - (performance.now() - frozenAt)));
      second.process.kill('SIGCONT');
      await posthog.waitFor(({ rows }) => rows.length > 500);
      // A rolling deployment.
      const fourth = start('relay');
      await fourth.ready;
      await kill(third, 'SIGTERM');
      await Promise.all(pods.slice(-2).map((pod) => kill(pod, 'SIGTERM')));
      await drained();

      const stored = new Map(posthog.rows.map((row) => [row.uuid, row]));
      const accepted = pods.flatMap((pod) => pod.accepted);
      expect(accepted.length).toBeGreaterThan(200);
      expect(accepted.filter((uuid) => !stored.has(uuid))).toEqual([]);
      // The order in which they first arrived.
      const seen = new Set<string>();
      const newest = new Map<string, number>();
      const inversions: string[] = [];
      for (const { uuid, distinct_id: person, properties } of posthog.events) {
        if (seen.has(uuid)) continue;
        seen.add(uuid);
        const { process: pod, count } = properties as { process: number; count: number };
        const key = `${person} of ${pod}`;
        if (count < (newest.get(key) ?? 0)) inversions.push(`${key}: ${count}`);
        newest.set(key, Math.max(count, newest.get(key) ?? 0));
      }
      expect(inversions).toEqual([]);
      // Only what was in flight when a relay was frozen or killed.
      expect(posthog.events.length - stored.size).toBeLessThan(stored.size / 4);
    },
    200_000 + KILLS * 5000,
  );
});
