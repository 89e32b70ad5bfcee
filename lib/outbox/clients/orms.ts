import { fieldOf } from '../../shared/untrusted-values.js';
import { beginWith, call, has, objectAt, type Recognize } from './client-shape.js';
import { drizzleQuery } from './drizzle-query.js';

/** typeorm-transactional replaces the manager of a DataSource by that of the current transaction. */
export const typeOrm: Recognize = (handle) => {
  const isRunner = has(handle, 'startTransaction', 'query') && objectAt(handle, 'manager') !== null;
  const isSource = has(handle, 'createQueryRunner', 'getRepository');
  if (!isRunner && !isSource && !has(handle, 'getRepository', 'transaction', 'query')) return null;
  const runner = isRunner ? handle : objectAt(isSource ? objectAt(handle, 'manager') : handle, 'queryRunner');
  const transaction = fieldOf(runner, 'isTransactionActive') === true ? runner : null;
  return {
    name: 'typeorm',
    transaction,
    remedy: 'pass the EntityManager of dataSource.transaction((manager) => …)',
    execute: (text, values) => call(transaction ?? handle, 'query', text, values),
    ...(!isRunner && { begin: beginWith(handle, 'transaction') }),
  };
};

export const mikroOrm: Recognize = (given) => {
  const em = objectAt(given, 'em') ?? given;
  if (!has(em, 'isInTransaction', 'getTransactionContext', 'execute')) return null;
  const isOpen = call(em, 'isInTransaction') === true;
  return {
    name: '@mikro-orm/core',
    transaction: isOpen ? (call(em, 'getTransactionContext') as object) : null,
    remedy: 'pass the EntityManager of em.transactional((em) => …)',
    execute: (text, values, isRead) => call(em, 'execute', text, values, isRead ? 'all' : 'run'),
    begin: beginWith(em, 'transactional'),
    numbers: false,
  };
};

export const sequelize: Recognize = (handle) => {
  const owner = objectAt(handle, 'sequelize');
  const isTransaction = owner !== null && has(handle, 'commit', 'rollback');
  if (!isTransaction && !has(handle, 'getQueryInterface', 'transaction', 'query')) return null;
  const isOpen = isTransaction && fieldOf(handle, 'finished') === undefined;
  const options = isTransaction ? { transaction: handle } : {};
  return {
    name: 'sequelize',
    transaction: isOpen ? handle : null,
    remedy: 'pass the transaction of sequelize.transaction((transaction) => …)',
    execute: (text, bind, isRead) =>
      call(owner ?? handle, 'query', text, { ...options, bind, ...(isRead && { type: 'SELECT' }) }),
    ...(!isTransaction && { begin: beginWith(handle, 'transaction') }),
    numbers: true,
  };
};

export const prisma: Recognize = (handle) => {
  if (!has(handle, '$executeRawUnsafe', '$queryRawUnsafe')) return null;
  // The types of values are those of JavaScript, and a number is a double.
  const valueOf = (value: string | number): string | bigint => (typeof value === 'number' ? BigInt(value) : value);
  return {
    name: 'prisma',
    transaction: has(handle, '$connect') ? null : handle,
    remedy: 'pass the client of prisma.$transaction((tx) => …)',
    execute: (text, values, isRead) =>
      call(handle, isRead ? '$queryRawUnsafe' : '$executeRawUnsafe', text, ...values.map(valueOf)),
    begin: beginWith(handle, '$transaction'),
  };
};

export const kysely: Recognize = (handle) => {
  if (!has(handle, 'selectFrom', 'executeQuery')) return null;
  return {
    name: 'kysely',
    transaction: fieldOf(handle, 'isTransaction') === true ? handle : null,
    remedy: 'pass the transaction of db.transaction().execute((trx) => …)',
    execute: (sql, parameters) => {
      const query = { kind: 'RawNode', sqlFragments: [sql], parameters: [] };
      // Without plugins, which may rename columns.
      const plain = has(handle, 'withoutPlugins') ? call(handle, 'withoutPlugins') : handle;
      return call(plain, 'executeQuery', { sql, parameters, query, queryId: { queryId: 'posthog-outbox' } });
    },
    begin: <T>(work: (tx: object) => Promise<T>) => call(call(handle, 'transaction'), 'execute', work) as Promise<T>,
  };
};

export const knex: Recognize = (handle) => {
  if (!has(handle, 'raw', 'transaction') || fieldOf(handle, 'client') === undefined) return null;
  const isOpen = fieldOf(handle, 'isTransaction') === true && call(handle, 'isCompleted') !== true;
  return {
    name: 'knex',
    transaction: isOpen ? handle : null,
    remedy: 'pass the transaction of knex.transaction((trx) => …)',
    execute: (text, values) => call(handle, 'raw', text, values),
    begin: beginWith(handle, 'transaction'),
    numbers: false,
  };
};

export const drizzle: Recognize = (handle) => {
  if (!objectAt(handle, 'session') || !objectAt(handle, 'dialect') || !has(handle, 'transaction')) return null;
  const isSync = fieldOf(handle, 'resultKind') === 'sync';
  return {
    name: 'drizzle-orm',
    transaction: has(handle, 'rollback') ? handle : null,
    remedy: 'pass the transaction of db.transaction((tx) => …)',
    execute: (text, values, isRead) =>
      call(handle, has(handle, 'execute') ? 'execute' : isRead ? 'all' : 'run', drizzleQuery(text, values)),
    ...(!isSync && { begin: beginWith(handle, 'transaction') }),
    isSync,
    numbers: false,
  };
};
