import { expect, it } from '@jest/globals';
import { type EntityManager as MikroEntityManager, type MikroORM } from '@mikro-orm/postgresql';
import { type drizzle as drizzlePg } from 'drizzle-orm/node-postgres';
import { type Knex } from 'knex';
import { type Kysely, type Transaction as KyselyTransaction } from 'kysely';
import { type OutboxTransaction, type TransactionOf } from 'nestjs-posthog-capture/outbox';
import { type Pool as MysqlPool, type PoolConnection } from 'mysql2/promise';
import { type TransactionHost } from '@nestjs-cls/transactional';
import { type TransactionalAdapterTypeOrm } from '@nestjs-cls/transactional-adapter-typeorm';
import { type Pool as PgPool } from 'pg';
import { type Sql, type TransactionSql } from 'postgres';
import { type Sequelize, type Transaction as SequelizeTransaction } from 'sequelize';
import { type DataSource, type EntityManager } from 'typeorm';

/** true if the types are assignable to each other, and none of them is `any`. */
type Same<One, Other> = 0 extends 1 & One
  ? false
  : [One] extends [Other]
    ? [Other] extends [One]
      ? true
      : false
    : false;

interface Prisma {
  $connect(): Promise<void>;
  $transaction<P extends Promise<unknown>[]>(work: [...P], options?: { isolationLevel?: string }): Promise<unknown[]>;
  $transaction<R>(work: (tx: Omit<Prisma, '$connect'>) => Promise<R>, options?: { timeout?: number }): Promise<R>;
}
type DrizzleDatabase = ReturnType<typeof drizzlePg>;
interface Tables {
  orders: { id: number };
}

it('is what each client passes to its functions', () => {
  // Compiled, not run.
  const same: [
    Same<TransactionOf<DataSource>, EntityManager>,
    Same<TransactionOf<EntityManager>, EntityManager>,
    Same<TransactionOf<Prisma>, Omit<Prisma, '$connect'>>,
    Same<TransactionOf<DrizzleDatabase>, Parameters<Parameters<DrizzleDatabase['transaction']>[0]>[0]>,
    Same<TransactionOf<Knex>, Knex.Transaction>,
    Same<TransactionOf<Kysely<Tables>>, KyselyTransaction<Tables>>,
    Same<TransactionOf<MikroEntityManager>, MikroEntityManager>,
    Same<TransactionOf<MikroORM>, MikroORM['em']>,
    Same<TransactionOf<Sequelize>, SequelizeTransaction>,
    Same<TransactionOf<Sql>, TransactionSql>,
    Same<TransactionOf<MysqlPool>, PoolConnection>,
    Same<TransactionOf<TransactionHost<TransactionalAdapterTypeOrm>>, EntityManager>,
    Same<TransactionOf<(work: (tx: { id: number }) => Promise<string>) => Promise<string>>, { id: number }>,
    // Overloads with callbacks hide the type.
    Same<TransactionOf<PgPool>, object>,
  ] = [true, true, true, true, true, true, true, true, true, true, true, true, true, true];
  expect(same).not.toContain(false);
  const handles: OutboxTransaction[] = [];
  expect(handles).toEqual([]);
});
