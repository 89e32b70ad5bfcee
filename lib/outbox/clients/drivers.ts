import { fieldOf } from '../../shared/untrusted-values.js';
import { beginWith, call, has, objectAt, type Recognize, type Values } from './client-shape.js';

export const postgresJs: Recognize = (handle) => {
  if (!has(handle, 'unsafe')) return null;
  return {
    name: 'postgres',
    // A reserved connection does not tell.
    transaction: has(handle, 'savepoint') || has(handle, 'release') ? handle : null,
    remedy: 'pass the sql of sql.begin((sql) => …)',
    execute: (text, values) => call(handle, 'unsafe', text, values),
    ...(has(handle, 'begin') && { begin: beginWith(handle, 'begin') }),
    queues: true,
  };
};

/** better-sqlite3, libsql, and node:sqlite, which names the property differently. */
export const betterSqlite3: Recognize = (handle) => {
  const isOpen = fieldOf(handle, 'inTransaction') ?? fieldOf(handle, 'isTransaction');
  if (typeof isOpen !== 'boolean' || !has(handle, 'prepare', 'exec')) return null;
  return {
    name: 'better-sqlite3',
    transaction: isOpen ? handle : null,
    remedy: 'call runSync in db.transaction(() => …)',
    execute: (text, values, isRead) => call(call(handle, 'prepare', text), isRead ? 'all' : 'run', ...values),
    isSync: true,
  };
};

/** With promises or callbacks. A connection does not tell whether it is in a transaction. */
export const mysql2: Recognize = (given) => {
  const isPool = has(given, 'getConnection');
  if (!has(given, 'execute', isPool ? 'getConnection' : 'beginTransaction')) return null;
  const handle = has(given, 'promise') ? (call(given, 'promise') as object) : given;
  return {
    name: 'mysql2',
    transaction: isPool ? null : (objectAt(handle, 'connection') ?? handle),
    remedy: 'pass a connection after its beginTransaction()',
    // Without values, a statement is not prepared: the server keeps prepared ones.
    execute: (text, values) =>
      values.length === 0 ? call(handle, 'query', text, values) : executeOn(handle, text, values),
    begin: (work) => beginOn(handle, isPool ? 'getConnection' : null, 'START TRANSACTION', work),
  };
};

/** Longest statement that a connection of mysql2 may keep prepared: that of a few events, which comes again. */
const MAX_KEPT = 700;

/** A server has room for 16 382 prepared statements, and each number of events is a statement of its own on each connection. */
async function executeOn(handle: object, text: string, values: Values): Promise<unknown> {
  try {
    return await call(handle, 'execute', text, values);
  } finally {
    if (text.length > MAX_KEPT && has(handle, 'unprepare')) call(handle, 'unprepare', text);
  }
}

export const pg: Recognize = (handle) => {
  if (!has(handle, 'query', 'connect')) return null;
  const isPool = typeof fieldOf(handle, 'totalCount') === 'number';
  // Older versions do not tell.
  const isIdle = has(handle, 'getTransactionStatus') && call(handle, 'getTransactionStatus') === 'I';
  return {
    name: 'pg',
    transaction: isPool || isIdle ? null : handle,
    remedy: isPool ? "pass a client of pool.connect() after its query('BEGIN')" : "call it after client.query('BEGIN')",
    execute: (text, values) => call(handle, 'query', text, values),
    begin: (work) => beginOn(handle, isPool ? 'connect' : null, 'BEGIN', work),
  };
};

async function beginOn<T>(
  handle: object,
  connect: string | null,
  begin: string,
  work: (tx: object) => Promise<T>,
): Promise<T> {
  const connection = connect === null ? handle : ((await call(handle, connect)) as object);
  const release = (error?: unknown): void => {
    if (connect !== null) call(connection, 'release', error);
  };
  let result: T;
  try {
    await call(connection, 'query', begin);
    result = await work(connection);
    const committed = await call(connection, 'query', 'COMMIT');
    // PostgreSQL does so if a statement failed, even if its error was caught.
    if (fieldOf(committed, 'command') === 'ROLLBACK') throw new Error('The database rolled the transaction back');
  } catch (error) {
    await Promise.resolve(call(connection, 'query', 'ROLLBACK')).then(() => release(), release);
    throw error;
  }
  release();
  return result;
}

/** A function of the application that runs a statement. */
export const givenFunction: Recognize = (handle) =>
  typeof handle !== 'function'
    ? null
    : {
        name: 'the function',
        transaction: handle,
        remedy: '',
        execute: (text, values) => (handle as (sql: string, params: Values) => unknown)(text, values),
      };
