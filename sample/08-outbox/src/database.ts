import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import LibSql from 'libsql';
import { OUTBOX_SQL } from 'nestjs-posthog-capture/outbox';

/** SQLite, so that nothing has to be installed. The relay needs a connection of its own, which sees committed data only. */
const file = join(mkdtempSync(join(tmpdir(), 'outbox-')), 'shop.db');
export const path = file;
export const connect = (): LibSql.Database => new LibSql(file, { timeout: 5000 });

// The migration of an application.
const migration = connect();
migration.pragma('journal_mode = WAL');
migration.exec('CREATE TABLE orders (id text PRIMARY KEY)');
migration.exec('CREATE TABLE carts (id text PRIMARY KEY)');
for (const statement of OUTBOX_SQL.sqlite.up) migration.exec(statement);
migration.close();

/** A connection of SQLite has one transaction at a time. PostgreSQL and MySQL need nothing like this: each transaction has a connection. */
export function oneAtATime(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work);
    last = next.catch(() => undefined);
    return next;
  };
}
