import { fieldOf } from '../../shared/untrusted-values.js';
import { type OutboxDialect, type Statement } from '../sql.js';
import { call, type ClientShape, has, type Recognize, type Row, type SqlClient } from './client-shape.js';
import { betterSqlite3, givenFunction, mysql2, pg, postgresJs } from './drivers.js';
import { drizzle, knex, kysely, mikroOrm, prisma, sequelize, typeOrm } from './orms.js';

/**
 * Recognizes a client or a transaction by its methods, so that no client has to be installed or imported.
 *
 * @returns null if it is none of a known client
 */
export function sqlClientOf(handle: unknown, dialect: OutboxDialect): SqlClient | null {
  if ((typeof handle !== 'object' && typeof handle !== 'function') || handle === null) return null;
  const shape = shapeOf(handle, dialect);
  return shape && clientOf(shape, dialect);
}

function clientOf({ execute, isSync = false, numbers, ...shape }: ClientShape, dialect: OutboxDialect): SqlClient {
  const textOf = (numbers ?? dialect === 'postgres') ? numbered : ({ text }: Statement): string => text;
  return {
    ...shape,
    read: async (statement) => rowsOf(await execute(textOf(statement), statement.values, true)),
    write: async (statement) => {
      await execute(textOf(statement), statement.values, false);
    },
    ...(isSync && {
      writeNow: (statement: Statement): void => {
        execute(textOf(statement), statement.values, false);
      },
    }),
  };
}

function numbered({ text }: Statement): string {
  let place = 0;
  return text.replaceAll('?', () => `$${(place += 1)}`);
}

/** The results of the clients: rows, `{ rows }`, or rows and a description. */
function rowsOf(result: unknown): readonly Row[] {
  const rows: unknown = Array.isArray(result) ? result : fieldOf(result, 'rows');
  if (!Array.isArray(rows)) return [];
  return (Array.isArray(rows[0]) ? rows[0] : rows) as readonly Row[];
}

/** TransactionHost of @nestjs-cls/transactional: its current transaction, or what it uses outside of one. */
const transactionHost: Recognize = (handle, dialect) => {
  if (!has(handle, 'withTransaction', 'isTransactionActive')) return null;
  const tx = (): object => fieldOf(handle, 'tx') as object;
  const shape = shapeOf(tx(), dialect);
  return (
    shape && {
      ...shape,
      transaction: call(handle, 'isTransactionActive') === true ? shape.transaction : null,
      remedy: 'call it in a method with @Transactional()',
      begin: <T>(work: (tx: object) => Promise<T>) => call(handle, 'withTransaction', () => work(tx())) as Promise<T>,
    }
  );
};

/** From the most distinctive to the least. */
const CLIENTS: readonly Recognize[] = [
  transactionHost,
  typeOrm,
  mikroOrm,
  sequelize,
  prisma,
  kysely,
  knex,
  drizzle,
  postgresJs,
  betterSqlite3,
  mysql2,
  pg,
  givenFunction,
];

function shapeOf(handle: object, dialect: OutboxDialect): ClientShape | null {
  for (const recognize of CLIENTS) {
    const shape = recognize(handle, dialect);
    if (shape) return shape;
  }
  return null;
}
