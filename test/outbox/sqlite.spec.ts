import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { drizzle as drizzleProxy } from 'drizzle-orm/sqlite-proxy';
import { Kysely, SqliteDialect } from 'kysely';
import LibSql from 'libsql';
import { OUTBOX_SQL, PostHogOutboxError } from 'nestjs-posthog-capture/outbox';
import { DataSource } from 'typeorm';
import { closeAll } from '../support/harness.js';
import { type OutboxHarness, startOutbox } from '../support/outbox.js';
import { type Client, type Database, outboxContract, type OutboxRow } from './outbox-contract.js';

// libsql has the API of better-sqlite3, which would have to be compiled here.
jest.unstable_mockModule('better-sqlite3', () => ({ default: LibSql }), { virtual: true });
const { drizzle } = await import('drizzle-orm/better-sqlite3');

const folder = mkdtempSync(join(tmpdir(), 'outbox-'));
const file = join(folder, 'outbox.db');
let sqlite: LibSql.Database;
const database: Database = {
  dialect: 'sqlite',
  rows: () => Promise.resolve(sqlite.prepare('SELECT * FROM posthog_outbox ORDER BY seq').all() as OutboxRow[]),
  clear: () => Promise.resolve(sqlite.exec('DELETE FROM posthog_outbox')),
};
beforeAll(() => {
  sqlite = new LibSql(file);
  for (const statement of OUTBOX_SQL.sqlite.up) sqlite.exec(statement);
});
afterAll(() => {
  sqlite.close();
  rmSync(folder, { recursive: true });
});
const contract = (name: string, connect: () => Client | Promise<Client>): void =>
  outboxContract(name, () => database, connect);

contract('better-sqlite3, with an asynchronous function', () => {
  const own = new LibSql(file);
  const transaction: Client['transaction'] = async (work) => {
    own.exec('BEGIN');
    try {
      await work(own);
      own.exec('COMMIT');
    } catch (error) {
      own.exec('ROLLBACK');
      throw error;
    }
  };
  return { transaction, outside: [own], close: () => Promise.resolve(own.close()) };
});

contract('TypeORM', async () => {
  const source = await new DataSource({ type: 'better-sqlite3', driver: LibSql, database: file }).initialize();
  return {
    transaction: (work) => source.transaction(work),
    db: source,
    outside: [source, source.manager],
    close: () => source.destroy(),
  };
});

contract('Kysely', () => {
  const db = new Kysely<Record<string, never>>({ dialect: new SqliteDialect({ database: new LibSql(file) }) });
  return { transaction: (work) => db.transaction().execute(work), db, outside: [db], close: () => db.destroy() };
});

contract('Drizzle, asynchronous', () => {
  const own = new LibSql(file);
  const db = drizzleProxy((text, values: unknown[], method) => {
    const statement = own.prepare(text);
    if (method === 'run') return Promise.resolve({ rows: [statement.run(...values)] });
    return Promise.resolve({ rows: statement.raw().all(...values) });
  });
  return { transaction: (work) => db.transaction(work), db, outside: [db], close: () => Promise.resolve(own.close()) };
});

describe('synchronous transactions', () => {
  let harness: OutboxHarness;
  const connections: LibSql.Database[] = [];
  const connect = (): LibSql.Database => {
    const connection = new LibSql(file);
    connections.push(connection);
    return connection;
  };
  beforeEach(async () => {
    await database.clear();
    harness = await startOutbox({ dialect: 'sqlite' });
  });
  afterEach(async () => {
    for (const connection of connections.splice(0)) connection.close();
    await closeAll();
  });
  const names = async (): Promise<string[]> => (await database.rows()).map(({ name }) => name);
  const place = (name: string): string => {
    harness.capture.capture({ event: name, distinctId: 'a' });
    return name;
  };

  it('are those of better-sqlite3', async () => {
    const { outbox, capture } = harness;
    const db = connect();
    const placed = db.transaction((name: string) =>
      outbox.runSync(db, () => outbox.runSync(db, () => place(`${name}_2`)) && place(name)),
    );
    expect(placed('kept')).toBe('kept');
    const undone = db.transaction(() => {
      outbox.runSync(db, () => place('undone'));
      throw new Error('after');
    });
    expect(() => undone()).toThrow('after');
    expect(await names()).toEqual(['kept_2', 'kept']);
    const failing = db.transaction(() =>
      outbox.runSync(db, () => {
        place('undone');
        throw new Error('inside');
      }),
    );
    expect(() => failing()).toThrow('inside');
    expect(capture.stats()).toMatchObject({ pending: 0, droppedByReason: { rolled_back: 1 } });
  });

  it('are those of Drizzle', async () => {
    const { outbox } = harness;
    const db = drizzle({ client: connect() });
    expect(db.transaction((tx) => outbox.runSync(tx, () => place('kept')))).toBe('kept');
    expect(() =>
      db.transaction((tx) => {
        outbox.runSync(tx, () => place('undone'));
        tx.rollback();
      }),
    ).toThrow('Rollback');
    expect(await names()).toEqual(['kept']);
    expect(() => outbox.runSync(db, () => place('outside'))).toThrow('drizzle-orm is not in a transaction');
  });

  it('may use run with a synchronous function, but not with an asynchronous one', async () => {
    const { outbox, drops } = harness;
    const db = connect();
    const runs: Promise<unknown>[] = [];
    db.transaction(() => void runs.push(outbox.run(db, () => place('kept'))))();
    expect(await names()).toEqual(['kept']);
    await Promise.all(runs);
    let late: Promise<unknown> = Promise.resolve();
    db.transaction(() => {
      late = outbox.run(db, () => Promise.resolve(place('late')));
    })();
    await expect(late).rejects.toThrow('outbox: the transaction ended before the function did');
    expect(await names()).toEqual(['kept']);
    expect(drops).toMatchObject([{ reason: 'rolled_back', event: 'late' }]);
  });

  it('throw if the events cannot be written', async () => {
    const { outbox, capture, drops } = await startOutbox({ dialect: 'sqlite', table: 'no_such_table' });
    const db = connect();
    const failing = db.transaction(() => {
      harness.outbox.runSync(db, () => place('undone'));
      outbox.runSync(db, () => capture.capture({ event: 'lost', distinctId: 'a' }));
    });
    expect(() => failing()).toThrow('posthog-capture outbox-sql --dialect sqlite');
    expect(drops).toMatchObject([{ reason: 'rolled_back', event: 'lost' }]);
    expect(await names()).toEqual([]);
  });

  it('refuse asynchronous functions, asynchronous clients, and to be opened by the outbox', async () => {
    const { outbox } = harness;
    const db = connect();
    const asynchronous = db.transaction(() => outbox.runSync(db, () => Promise.resolve(place('undone'))));
    expect(() => asynchronous()).toThrow('outbox.runSync: the function returned a promise. Remedy: use outbox.run.');
    expect(() =>
      outbox.runSync(
        () => Promise.resolve(),
        () => place('undone'),
      ),
    ).toThrow(PostHogOutboxError);
    await expect(outbox.transaction(db, () => Promise.resolve())).rejects.toThrow(
      'Remedy: call runSync in db.transaction(() => …).',
    );
    expect(await names()).toEqual([]);
  });
});
