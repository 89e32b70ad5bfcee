import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { OUTBOX_SQL, type OutboxDialect } from 'nestjs-posthog-capture/outbox';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { type CompiledLib, compileLib } from '../support/compiled-lib.js';
import { KEY } from '../support/harness.js';
import { describeWithMariaDb, startMariaDb } from '../support/mariadb-server.js';
import { startPatientPostHog } from '../support/patient-posthog.js';
import { describeWithPostgres, hasPgBouncer, startPostgres } from '../support/postgres-server.js';
import { until } from '../support/until.js';

const CHILD = fileURLToPath(new URL('../support/outbox-child.mjs', import.meta.url));

interface Member {
  readonly process: ChildProcess;
  /** Resolves after its first line, or when it has ended. */
  readonly ready: Promise<unknown>;
  readonly ended: Promise<unknown>;
}

interface Server {
  readonly dialect: OutboxDialect;
  readonly connection: object;
  /** Another way to the same server. */
  readonly otherConnection: object;
  /** Ends the lease of a relay that was killed, which takes 15 seconds otherwise. Absent: the test waits. */
  readonly endLease?: string;
  /** Runs a statement. Returns column `value` of its rows. */
  readonly query: (text: string) => Promise<string[]>;
  readonly crash: () => Promise<void>;
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

type Rows = readonly { readonly value: string }[];
const valuesOf = (rows: Rows): string[] => rows.map(({ value }) => value);

let lib: CompiledLib;
beforeAll(async () => {
  lib = await compileLib();
});
afterAll(() => lib.remove());

describeWithPostgres('an application with an outbox in PostgreSQL', () => {
  describeKills(async () => {
    const server = await startPostgres();
    const pool = server.pool();
    return {
      dialect: 'postgres',
      connection: server.connection,
      otherConnection: hasPgBouncer ? await server.bouncer() : server.connection,
      query: async (text) => valuesOf((await pool.query<{ value: string }>(text)).rows),
      crash: () => server.crash(),
      start: () => server.start(),
      stop: () => server.stop(),
    };
  });
});

describeWithMariaDb('an application with an outbox in MariaDB', () => {
  describeKills(async () => {
    const server = await startMariaDb();
    const pool = server.pool();
    return {
      dialect: 'mysql',
      connection: server.connection,
      otherConnection: server.connection,
      endLease: "UPDATE posthog_outbox_relay SET until = '2020-01-01'",
      query: async (text) => {
        const [rows] = await pool.query(text);
        return Array.isArray(rows) ? valuesOf(rows as unknown as Rows) : [];
      },
      crash: () => server.kill(),
      start: () => server.start(),
      stop: () => server.stop(),
    };
  });
});

function describeKills(startServer: () => Promise<Server>): void {
  let server: Server;
  let posthog: FakePostHog;
  const members: Member[] = [];

  beforeAll(async () => {
    [server, posthog] = await Promise.all([startServer(), startPatientPostHog({ maxRemembered: 1_000_000 })]);
    for (const text of OUTBOX_SQL[server.dialect].up) await server.query(text);
    await server.query('CREATE TABLE orders (uuid varchar(64) PRIMARY KEY)');
  });
  afterEach(() => {
    for (const { process: child } of members.splice(0)) child.kill('SIGKILL');
  });
  afterAll(async () => {
    await server.stop();
    await posthog.close();
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
    const settings = [
      server.dialect,
      JSON.stringify(connection),
      JSON.stringify({ ...options, requestTimeoutMs: 60_000 }),
    ];
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

  /** The relay that has the lease. */
  const owner = async (): Promise<string | undefined> =>
    (await server.query('SELECT owner AS value FROM posthog_outbox_relay'))[0];
  /** Waits for events that arrive after this call. */
  const moreRows = (count: number): Promise<unknown> => {
    const before = posthog.rows.length;
    return posthog.waitFor(({ rows }) => rows.length >= before + count);
  };

  it('sends exactly the committed events, one row each and in the order of each person, when writers, relays and the database are killed', async () => {
    const first = start('relay');
    await until(async () => (await owner()) !== undefined);
    const former = await owner();
    const second = start('relay');
    const writers = [start('writers'), start('writers', server.otherConnection)];
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
    // Not that of the other relay, if it has taken over meanwhile.
    if (server.endLease !== undefined) await server.query(`${server.endLease} WHERE owner = '${former}'`);
    // The other one takes over when the lease of the first one ends.
    await until(async () => ![undefined, former].includes(await owner()));
    await moreRows(100);
    // A rolling deployment.
    const third = start('relay');
    await third.ready;
    await end(second, 'SIGTERM');
    await moreRows(100);
    await Promise.all(writers.map((one) => end(one, 'SIGTERM')));
    await until(async () => (await server.query('SELECT uuid AS value FROM posthog_outbox LIMIT 1')).length === 0);

    const orders = await server.query('SELECT uuid AS value FROM orders');
    expect(posthog.rows.map(({ uuid }) => uuid).sort()).toEqual(orders.sort());
    expect(inversions(posthog)).toEqual([]);
    expect(posthog.violations).toEqual([]);
    await end(third, 'SIGTERM');
    expect(await owner()).toBeUndefined();
  });
}

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
