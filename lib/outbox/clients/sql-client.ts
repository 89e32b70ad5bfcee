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
  return shape && new RecognizedClient(shape, dialect);
}

/** The transaction that a handle is in. null: it is in none, or of no known client. */
export const transactionOf = (handle: object, dialect: OutboxDialect): object | null =>
  shapeOf(handle, dialect)?.transaction ?? null;

class RecognizedClient implements SqlClient {
  readonly name: string;
  readonly transaction: object | null;
  readonly remedy: string;
  readonly queues: boolean;
  readonly begin: SqlClient['begin'];
  readonly writeNow: SqlClient['writeNow'];
  readonly #execute: ClientShape['execute'];
  readonly #numbers: boolean;

  constructor(
    { name, transaction, remedy, begin, execute, isSync, numbers, queues }: ClientShape,
    dialect: OutboxDialect,
  ) {
    this.name = name;
    this.transaction = transaction;
    this.remedy = remedy;
    this.queues = queues ?? dialect !== 'postgres';
    this.begin = begin;
    this.#execute = execute;
    this.#numbers = numbers ?? dialect === 'postgres';
    this.writeNow = isSync ? (statement) => void this.#run(statement, false) : undefined;
  }

  async read(statement: Statement): Promise<readonly Row[]> {
    return rowsOf(await this.#run(statement, true));
  }

  async write(statement: Statement): Promise<void> {
    await this.#run(statement, false);
  }

  #run({ text, values }: Statement, isRead: boolean): unknown {
    return this.#execute(this.#numbers ? numbered(text) : text, values, isRead);
  }
}

/** Texts and what they are with numbers. The same ones come again and again. */
const numberedTexts = new Map<string, string>();
const MAX_TEXTS = 50;
const MAX_TEXT_LENGTH = 2000;

function numbered(text: string): string {
  const known = numberedTexts.get(text);
  if (known !== undefined) return known;
  let place = 0;
  const result = text.replaceAll('?', () => `$${(place += 1)}`);
  if (numberedTexts.size < MAX_TEXTS && text.length <= MAX_TEXT_LENGTH) numberedTexts.set(text, result);
  return result;
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

/** By the prototype of their handles, because looking for all their methods takes longer than the rest of a call. */
const knownClasses = new WeakMap<object, Recognize>();

function shapeOf(handle: object, dialect: OutboxDialect): ClientShape | null {
  const prototype = typeof handle === 'function' ? null : (Object.getPrototypeOf(handle) as object | null);
  const known = prototype && knownClasses.get(prototype)?.(handle, dialect);
  if (known) return known;
  for (const recognize of CLIENTS) {
    const shape = recognize(handle, dialect);
    if (!shape) continue;
    // Objects of no class have one prototype, whatever their methods.
    if (prototype && Object.getPrototypeOf(prototype) !== null) knownClasses.set(prototype, recognize);
    return shape;
  }
  return null;
}
