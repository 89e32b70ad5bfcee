import { within } from '../delivery/timers.js';
import { type Row, type SqlClient } from './clients/client-shape.js';
import { sqlClientOf } from './clients/sql-client.js';
import { type OutboxDialect } from './sql.js';

/** A statement without a reply within this time counts as failed. It may be executed later. */
const TIMEOUT_MS = 10_000;
const LATE = Symbol('late');

/** Executes statements without values, outside of transactions and with a time limit. */
export interface Database {
  read(text: string): Promise<readonly Row[]>;
  write(text: string): Promise<void>;
}

/** Returns null if the handle is none of a known client. */
export function databaseOf(handle: unknown, dialect: OutboxDialect): Database | null {
  const client = sqlClientOf(handle, dialect);
  return client && withTimeLimit(client);
}

function withTimeLimit(client: SqlClient): Database {
  return {
    read: (text) => inTime(client.read({ text, values: [] })),
    write: (text) => inTime(client.write({ text, values: [] })),
  };
}

async function inTime<Result>(answer: Promise<Result>): Promise<Result> {
  // Not of a promise that may reject: its timer would go on.
  const settled = await within(Promise.allSettled([answer]), TIMEOUT_MS, LATE);
  if (settled === LATE) throw Object.assign(new Error('no reply'), { code: 'TIMEOUT' });
  const [result] = settled;
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}
