import 'reflect-metadata';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { drizzle } from 'drizzle-orm/mysql2';
import knex from 'knex';
import { Kysely, MysqlDialect } from 'kysely';
import { OUTBOX_SQL } from 'nestjs-posthog-capture/outbox';
import mysqlCallbacks from 'mysql2';
import mysql from 'mysql2/promise';
import { Sequelize } from 'sequelize';
import { DataSource } from 'typeorm';
import { closeAll } from '../support/harness.js';
import { describeWithMariaDb, type MariaDbServer, startMariaDb } from '../support/mariadb-server.js';
import { startOutbox } from '../support/outbox.js';
import { type Client, type Database, outboxContract, type OutboxRow } from './outbox-contract.js';

describeWithMariaDb('the outbox on MariaDB', () => {
  let server: MariaDbServer;
  let pool: mysql.Pool;
  const database: Database = {
    dialect: 'mysql',
    rows: async () => (await pool.query('SELECT * FROM posthog_outbox ORDER BY seq'))[0] as OutboxRow[],
    clear: () => pool.query('DELETE FROM posthog_outbox'),
  };
  beforeAll(async () => {
    server = await startMariaDb();
    pool = server.pool();
    for (const statement of OUTBOX_SQL.mysql.up) await pool.query(statement);
  });
  afterAll(() => server.stop());
  const contract = (name: string, connect: () => Client | Promise<Client>): void =>
    outboxContract(name, () => database, connect);

  contract('mysql2', () => {
    const own = mysql.createPool(server.connection);
    const transaction: Client['transaction'] = async (work) => {
      const connection = await own.getConnection();
      await connection.beginTransaction();
      try {
        await work(connection);
        await connection.commit();
      } catch (error) {
        await connection.rollback();
        throw error;
      } finally {
        connection.release();
      }
    };
    return { transaction, db: own, outside: [own], close: () => own.end() };
  });

  contract('mysql2 with callbacks', () => {
    const own = mysqlCallbacks.createPool(server.connection);
    const transaction: Client['transaction'] = async (work) => {
      const connection = await new Promise<mysqlCallbacks.PoolConnection>((resolve, reject) =>
        own.getConnection((error, given) => (error ? reject(error) : resolve(given))),
      );
      const does = (method: 'beginTransaction' | 'commit' | 'rollback'): Promise<void> =>
        new Promise((resolve) => connection[method](() => resolve()));
      await does('beginTransaction');
      try {
        await work(connection);
        await does('commit');
      } catch (error) {
        await does('rollback');
        throw error;
      } finally {
        connection.release();
      }
    };
    return { transaction, db: own, outside: [own], close: () => own.promise().end() };
  });

  it('keeps few statements prepared, whatever the numbers of events', async () => {
    const { outbox, capture } = await startOutbox({ dialect: 'mysql' });
    await database.clear();
    const connection = await pool.getConnection();
    const prepared = async (): Promise<number> => {
      const [rows] = await pool.query("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'");
      return Number((rows as { Value: string }[])[0]?.Value);
    };
    const before = await prepared();
    for (let count = 1; count <= 60; count += 1) {
      await outbox.transaction(connection, () => {
        for (let index = 0; index < count; index += 1) capture.capture({ event: 'many', distinctId: 'a' });
        return Promise.resolve();
      });
    }
    connection.release();
    expect(await database.rows()).toHaveLength(1830);
    expect((await prepared()) - before).toBeLessThanOrEqual(30);
    await closeAll();
  });

  contract('TypeORM', async () => {
    const { socketPath, user, database: name } = server.connection;
    const source = await new DataSource({ type: 'mariadb', socketPath, username: user, database: name }).initialize();
    return {
      transaction: (work) => source.transaction(work),
      db: source,
      outside: [source, source.manager],
      close: () => source.destroy(),
    };
  });

  contract('Drizzle', () => {
    const own = mysql.createPool(server.connection);
    const db = drizzle(own);
    return { transaction: (work) => db.transaction(work), db, outside: [db], close: () => own.end() };
  });

  contract('Knex', () => {
    const db = knex({ client: 'mysql2', connection: server.connection });
    return { transaction: (work) => db.transaction(work), db, outside: [db], close: () => db.destroy() };
  });

  contract('Kysely', () => {
    const own = mysqlCallbacks.createPool(server.connection);
    const db = new Kysely<Record<string, never>>({ dialect: new MysqlDialect({ pool: own }) });
    return { transaction: (work) => db.transaction().execute(work), db, outside: [db], close: () => db.destroy() };
  });

  contract('Sequelize', () => {
    const { socketPath, user, database: name } = server.connection;
    const sequelize = new Sequelize(name, user, '', {
      dialect: 'mysql',
      logging: false,
      dialectOptions: { socketPath },
    });
    return {
      transaction: (work) => sequelize.transaction(work),
      db: sequelize,
      outside: [sequelize],
      close: () => sequelize.close(),
    };
  });
});
