import 'reflect-metadata';
import { AsyncLocalStorage } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { MikroORM } from '@mikro-orm/postgresql';
import { drizzle as drizzlePg } from 'drizzle-orm/node-postgres';
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js';
import knex from 'knex';
import { Kysely, PostgresDialect } from 'kysely';
import { OUTBOX_SQL, outboxSql } from 'nestjs-posthog-capture/outbox';
import pg from 'pg';
import postgres from 'postgres';
import { Sequelize } from 'sequelize';
import { DataSource, type EntityManager } from 'typeorm';
import { compileLib } from '../support/compiled-lib.js';
import { closeAll } from '../support/harness.js';
import { startOutbox } from '../support/outbox.js';
import { describeWithPostgres, type PostgresServer, startPostgres } from '../support/postgres-server.js';
import { type Client, type Database, outboxContract, type OutboxRow } from './outbox-contract.js';

const execute = promisify(execFile);

describeWithPostgres('the outbox on PostgreSQL', () => {
  let server: PostgresServer;
  let pool: pg.Pool;
  const database: Database = {
    dialect: 'postgres',
    rows: async () => (await pool.query<OutboxRow>('SELECT * FROM posthog_outbox ORDER BY seq')).rows,
    clear: () => pool.query('DELETE FROM posthog_outbox'),
  };
  beforeAll(async () => {
    server = await startPostgres();
    pool = server.pool();
    for (const statement of OUTBOX_SQL.postgres.up) await pool.query(statement);
  });
  afterAll(() => server.stop());

  const dataSource = (): Promise<DataSource> =>
    new DataSource({ ...server.connection, username: 'postgres', type: 'postgres' }).initialize();
  const contract = (name: string, connect: () => Client | Promise<Client>): void =>
    outboxContract(name, () => database, connect);

  contract('pg', () => {
    const own = new pg.Pool(server.connection);
    const transaction: Client['transaction'] = async (work) => {
      const client = await own.connect();
      try {
        await client.query('BEGIN');
        await work(client);
        await client.query('COMMIT');
      } catch (error) {
        await client.query('ROLLBACK');
        throw error;
      } finally {
        client.release();
      }
    };
    return { transaction, db: own, outside: [own], close: () => own.end() };
  });

  contract('pg: one Client', async () => {
    const client = new pg.Client(server.connection);
    await client.connect();
    const transaction: Client['transaction'] = async (work) => {
      await client.query('BEGIN');
      try {
        await work(client);
        await client.query('COMMIT');
      } catch (error) {
        await client.query('ROLLBACK');
        throw error;
      }
    };
    return { transaction, db: client, outside: [client], close: () => client.end() };
  });

  contract('postgres.js', () => {
    const sql = postgres({ path: join(server.host, '.s.PGSQL.5432'), user: 'postgres', database: 'postgres' });
    return { transaction: (work) => sql.begin(work), db: sql, outside: [sql], close: () => sql.end() };
  });

  contract('TypeORM', async () => {
    const source = await dataSource();
    return {
      transaction: (work) => source.transaction(work),
      db: source,
      outside: [source, source.manager, source.createQueryRunner()],
      close: () => source.destroy(),
    };
  });

  contract('TypeORM: QueryRunner', async () => {
    const source = await dataSource();
    const transaction: Client['transaction'] = async (work) => {
      const runner = source.createQueryRunner();
      await runner.startTransaction();
      try {
        await work(runner);
        await runner.commitTransaction();
      } catch (error) {
        await runner.rollbackTransaction();
        throw error;
      } finally {
        await runner.release();
      }
    };
    return { transaction, db: source.manager, outside: [], close: () => source.destroy() };
  });

  contract('TypeORM, with a manager that typeorm-transactional has replaced', async () => {
    const source = await dataSource();
    const managers = new AsyncLocalStorage<EntityManager>();
    const own = source.manager;
    Object.defineProperty(source, 'manager', { get: () => managers.getStore() ?? own });
    return {
      transaction: (work) => own.transaction((manager) => managers.run(manager, () => work(source))),
      outside: [source],
      close: () => source.destroy(),
    };
  });

  contract('Drizzle with pg', () => {
    const own = new pg.Pool(server.connection);
    const db = drizzlePg(own);
    return { transaction: (work) => db.transaction(work), db, outside: [db], close: () => own.end() };
  });

  contract('Drizzle with postgres.js', () => {
    const sql = postgres({ path: join(server.host, '.s.PGSQL.5432'), user: 'postgres', database: 'postgres' });
    const db = drizzlePostgresJs(sql);
    return { transaction: (work) => db.transaction(work), db, outside: [db], close: () => sql.end() };
  });

  contract('Knex', () => {
    const db = knex({ client: 'pg', connection: server.connection });
    return { transaction: (work) => db.transaction(work), db, outside: [db], close: () => db.destroy() };
  });

  contract('Kysely', () => {
    const db = new Kysely<Record<string, never>>({
      dialect: new PostgresDialect({ pool: new pg.Pool(server.connection) }),
    });
    return {
      transaction: (work) => db.transaction().execute(work),
      db,
      outside: [db],
      close: () => db.destroy(),
    };
  });

  contract('MikroORM', async () => {
    const { host, port, user, database: dbName } = server.connection;
    const orm = await MikroORM.init({
      ...{ host, port, user, dbName, entities: [], discovery: { warnWhenNoEntities: false } },
    });
    const em = orm.em.fork();
    return { transaction: (work) => em.transactional(work), db: em, outside: [em, orm], close: () => orm.close() };
  });

  contract('Sequelize', () => {
    const { host, port, user, database: name } = server.connection;
    const sequelize = new Sequelize(name, user, '', { host, port, dialect: 'postgres', logging: false });
    return {
      transaction: (work) => sequelize.transaction(work),
      db: sequelize,
      outside: [sequelize],
      close: () => sequelize.close(),
    };
  });

  contract('a stand-in for Prisma', () => {
    const own = new pg.Pool(server.connection);
    // Prisma converts values by their type in JavaScript.
    const typed = (values: unknown[]): unknown[] =>
      values.map((value) => (typeof value === 'bigint' ? String(value) : value));
    const clientOf = (client: pg.Pool | pg.PoolClient): object => ({
      $executeRawUnsafe: async (sql: string, ...values: unknown[]) => (await client.query(sql, typed(values))).rowCount,
      $queryRawUnsafe: async (sql: string, ...values: unknown[]) =>
        (await client.query<object>(sql, typed(values))).rows,
    });
    const $transaction = async <T>(work: (tx: object) => Promise<T>): Promise<T> => {
      const client = await own.connect();
      try {
        await client.query('BEGIN');
        const result = await work(clientOf(client));
        await client.query('COMMIT');
        return result;
      } catch (error) {
        await client.query('ROLLBACK');
        throw error;
      } finally {
        client.release();
      }
    };
    const prisma = { ...clientOf(own), $connect: () => Promise.resolve(), $transaction };
    return { transaction: $transaction, db: prisma, outside: [prisma], close: () => own.end() };
  });

  it('works with @Transactional() of nestjs-cls', async () => {
    await database.clear();
    const lib = await compileLib();
    const child = fileURLToPath(new URL('../support/outbox-cls-child.mjs', import.meta.url));
    const connection = JSON.stringify({ ...server.connection, username: 'postgres' });
    const { stdout } = await execute(process.execPath, [child, lib.path, connection]).finally(() => lib.remove());
    expect(JSON.parse(stdout)).toEqual({
      undone: 'failed',
      outside: 'outbox: typeorm is not in a transaction. Remedy: call it in a method with @Transactional().',
      stats: { captured: 5, delivered: 3, dropped: 2, pending: 0 },
    });
    expect((await database.rows()).map(({ name }) => name)).toEqual(['placed', 'placed_2', 'own']);
  });

  it('counts the events of a COMMIT that the database turns into a rollback as rolled back', async () => {
    const { outbox, capture } = await startOutbox({ dialect: 'postgres' });
    await database.clear();
    await pool.query('CREATE TABLE parents (id int PRIMARY KEY)');
    await pool.query('CREATE TABLE children (id int REFERENCES parents DEFERRABLE INITIALLY DEFERRED)');
    const failed = outbox.transaction(pool, async (client: pg.PoolClient) => {
      capture.capture({ event: 'undone', distinctId: 'a' });
      await client.query('INSERT INTO children VALUES (1)');
    });
    await expect(failed).rejects.toThrow('foreign key');
    expect(await database.rows()).toEqual([]);
    expect(capture.stats()).toMatchObject({ delivered: 0, pending: 0, droppedByReason: { rolled_back: 1 } });
    // The connection is usable.
    await outbox.transaction(pool, () => Promise.resolve(void capture.capture({ event: 'kept', distinctId: 'a' })));
    expect(await database.rows()).toHaveLength(1);
    await closeAll();
  });

  it('refuses to write after the transaction, into that of somebody else', async () => {
    const { outbox, capture } = await startOutbox({ dialect: 'postgres' });
    await database.clear();
    const client = await pool.connect();
    await client.query('BEGIN');
    const notAwaited = outbox.run(client, async () => {
      capture.capture({ event: 'late', distinctId: 'a' });
      await client.query('COMMIT');
    });
    await expect(notAwaited).rejects.toThrow('outbox: the transaction ended before the function did');
    client.release();
    expect(await database.rows()).toEqual([]);
    await closeAll();
  });

  it('has a migration with another name that can be undone', async () => {
    await pool.query('CREATE SCHEMA crm');
    const { up, down } = outboxSql('postgres', 'crm.Events');
    for (const statement of up) await pool.query(statement);
    const { outbox, capture } = await startOutbox({ dialect: 'postgres', table: 'crm.Events' });
    await outbox.transaction(pool, () => Promise.resolve(void capture.capture({ event: 'kept', distinctId: 'a' })));
    expect((await pool.query('SELECT name FROM crm."Events"')).rows).toEqual([{ name: 'kept' }]);
    for (const statement of down) await pool.query(statement);
    await pool.query('DROP SCHEMA crm');
    await closeAll();
  });
});
