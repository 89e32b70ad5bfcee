import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { OUTBOX_SQL } from 'nestjs-posthog-capture/outbox';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import type pg from 'pg';
import { type CompiledLib, compileLib } from '../support/compiled-lib.js';
import { KEY } from '../support/harness.js';
import { startPatientPostHog } from '../support/patient-posthog.js';
import { describeWithPostgres, hasPgBouncer, type PostgresServer, startPostgres } from '../support/postgres-server.js';
import { until } from '../support/until.js';

const CHILD = fileURLToPath(new URL('../support/outbox-child.mjs', import.meta.url));

interface Member {
  readonly process: ChildProcess;
  /** Resolves after its first line, or when it has ended. */
  readonly ready: Promise<unknown>;
  readonly ended: Promise<unknown>;
}

describeWithPostgres('an application with an outbox', () => {
  let lib: CompiledLib;
  let server: PostgresServer;
  let posthog: FakePostHog;
  let pool: pg.Pool;
  const members: Member[] = [];

  beforeAll(async () => {
    [lib, server, posthog] = await Promise.all([
      compileLib(),
      startPostgres(),
      startPatientPostHog({ maxRemembered: 1_000_000 }),
    ]);
    pool = server.pool();
    for (const text of OUTBOX_SQL.postgres.up) await pool.query(text);
    await pool.query('CREATE TABLE orders (uuid text PRIMARY KEY)');
  });
  afterEach(() => {
    for (const { process: child } of members.splice(0)) child.kill('SIGKILL');
  });
  afterAll(async () => {
    await server.stop();
    await posthog.close();
    await lib.remove();
  });

  function start(role: 'writers' | 'inserted' | 'committed' | 'relay', connection: object = server.connection): Member {
    const options = {
      apiKey: KEY,
      host: posthog.url,
      retryBaseMs: 10,
      retryMaxMs: 100,
      coolDownMs: 100,
      flushIntervalMs: 20,
    };
    const settings = [JSON.stringify(connection), JSON.stringify({ ...options, requestTimeoutMs: 60_000 })];
    const child = spawn(process.execPath, [CHILD, lib.path, role, ...settings], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const reader = createInterface(child.stdout);
    const ended = Promise.all([once(child, 'exit'), once(reader, 'close')]);
    const member = { process: child, ended, ready: Promise.race([once(reader, 'line'), ended]) };
    members.push(member);
    return member;
  }

  async function end(member: Member, signal: NodeJS.Signals): Promise<void> {
    member.process.kill(signal);
    await member.ended;
  }

  const query = async (text: string): Promise<string[]> =>
    (await pool.query<{ value: string }>(text)).rows.map(({ value }) => value);
  /** The relay that has the lease. */
  const owner = async (): Promise<string | undefined> =>
    (await query('SELECT owner AS value FROM posthog_outbox_relay'))[0];
  /** Waits for events that arrive after this call. */
  const moreRows = (count: number): Promise<unknown> => {
    const before = posthog.rows.length;
    return posthog.waitFor(({ rows }) => rows.length >= before + count);
  };

  it('sends exactly the committed events, one row each and in the order of each person, when writers, relays and PostgreSQL are killed', async () => {
    const first = start('relay');
    await until(async () => (await owner()) !== undefined);
    const former = await owner();
    const second = start('relay');
    const writers = [start('writers'), start('writers', hasPgBouncer ? await server.bouncer() : server.connection)];
    const victim = start('writers');
    const [inserted, committed] = [start('inserted'), start('committed')];
    await Promise.all(members.map(({ ready }) => ready));
    await Promise.all([end(inserted, 'SIGKILL'), end(committed, 'SIGKILL')]);
    await moreRows(100);
    await end(victim, 'SIGKILL');
    // PostHog has the events, and their rows are not deleted yet.
    await moreRows(1);
    await end(first, 'SIGKILL');
    await server.crash();
    await server.start();
    // The other one takes over when the lease of the first one ends.
    await until(async () => ![undefined, former].includes(await owner()));
    await moreRows(100);
    // A rolling deployment.
    const third = start('relay');
    await third.ready;
    await end(second, 'SIGTERM');
    await moreRows(100);
    await Promise.all(writers.map((one) => end(one, 'SIGTERM')));
    await until(async () => (await query('SELECT uuid AS value FROM posthog_outbox LIMIT 1')).length === 0);

    const orders = await query('SELECT uuid AS value FROM orders');
    expect(posthog.rows.map(({ uuid }) => uuid).sort()).toEqual(orders.sort());
    expect(inversions(posthog)).toEqual([]);
    expect(posthog.violations).toEqual([]);
    await end(third, 'SIGTERM');
    expect(await owner()).toBeUndefined();
  });
});

/** Events that arrived after a later one of the same person. Each loop writes the orders of one person. */
function inversions({ rows }: FakePostHog): unknown[] {
  const last = new Map<string, number>();
  return rows.filter(({ distinct_id: person, properties }) => {
    const { order, index } = properties as { order: number; index: number };
    const place = order * 10 + index;
    const isEarlier = place <= (last.get(person) ?? 0);
    last.set(person, place);
    return isEarlier;
  });
}
