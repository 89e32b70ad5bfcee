// SQLite in WAL mode: one database that all processes write. With `node:sqlite`, or with the package better-sqlite3 where
// BENCH_BETTER_SQLITE3 names its folder.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { BlockStore } from './block-store.mjs';
import { isAlive } from './processes.mjs';

const require = createRequire(import.meta.url);

export const nodeSqlite = (path) =>
  new BlockStore(() => new Sqlite(new (require('node:sqlite').DatabaseSync)(join(path, 'shared.sqlite'))));

export const betterSqlite = (path) =>
  new BlockStore(() => new Sqlite(new (require(process.env.BENCH_BETTER_SQLITE3))(join(path, 'shared.sqlite'))));

/** Waits for other writers this long. No fsync, so that commits survive the death of the process, but not a loss of power. */
const SCHEMA = `
  PRAGMA busy_timeout = 10000;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = OFF;
  CREATE TABLE IF NOT EXISTS owner (id INTEGER PRIMARY KEY, pid INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS block (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, removed TEXT, bytes BLOB NOT NULL);
  CREATE INDEX IF NOT EXISTS block_owner ON block (owner);
`;

class Sqlite {
  #database;
  #owner;
  #sql;

  constructor(database) {
    this.#database = database;
    database.exec(SCHEMA);
    const sql = (text) => database.prepare(text);
    this.#sql = {
      begin: sql('BEGIN IMMEDIATE'),
      commit: sql('COMMIT'),
      rollback: sql('ROLLBACK'),
      add: sql('INSERT INTO block (owner, bytes) VALUES (?, ?)'),
      change: sql('UPDATE block SET removed = ? WHERE id = ?'),
      remove: sql('DELETE FROM block WHERE id = ?'),
      owners: sql('SELECT id, pid FROM owner'),
      adopt: sql('UPDATE owner SET pid = ? WHERE id = ?'),
      blocks: sql('SELECT id, removed, bytes FROM block WHERE owner = ? ORDER BY id'),
    };
    this.#owner = database.prepare('INSERT INTO owner (pid) VALUES (?)').run(process.pid).lastInsertRowid;
  }

  write(added, changed) {
    this.#transaction(() => {
      for (const { block, bytes } of added) block.at = { key: this.#sql.add.run(this.#owner, bytes).lastInsertRowid };
      for (const { at, left, removed } of changed) {
        if (left > 0) this.#sql.change.run(JSON.stringify(removed), at.key);
        else this.#sql.remove.run(at.key);
      }
    });
  }

  *leftovers() {
    let adopted = [];
    this.#transaction(() => {
      adopted = this.#sql.owners.all().filter(({ pid }) => !isAlive(pid));
      for (const { id } of adopted) this.#sql.adopt.run(process.pid, id);
    });
    for (const owner of adopted) {
      for (const { id, removed, bytes } of this.#sql.blocks.all(owner.id))
        yield {
          bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
          removed: removed ? JSON.parse(removed) : [],
          at: { key: id },
        };
    }
  }

  async close() {
    this.#database.close();
  }

  #transaction(work) {
    this.#sql.begin.run();
    try {
      work();
      this.#sql.commit.run();
    } catch (error) {
      this.#sql.rollback.run();
      throw error;
    }
  }
}
