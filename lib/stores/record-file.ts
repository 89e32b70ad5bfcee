import { rmSync, writeFileSync } from 'node:fs';
import { type Database, type LmdbPackage } from './lmdb.js';

/** No fsync: commits survive a crash of the process, but not a loss of power. Few readers, because nothing reads during a write. */
export const FILE_SETTINGS = {
  noSubdir: true,
  encoding: 'binary',
  compression: false,
  cache: false,
  maxReaders: 8,
  noSync: true,
  overlappingSync: false,
} as const;

/** Written before LMDB maps it into memory, so that a full disk is an error and not a crash (SIGBUS). */
const LOCK_FILE = Buffer.alloc(8192);
/** Readable by its owner only. */
const NEW_FILE = { flag: 'wx', mode: 0o600 };

export interface StoredRecord {
  readonly key: number;
  readonly value: Buffer;
}

/** Records sorted by key, in an LMDB file that only this process has open. Calls are synchronous and may throw. */
export class RecordFile {
  readonly path: string;
  readonly #database: Database;

  /** Opens a file that is known to be intact, or empty. */
  constructor(lmdb: LmdbPackage, path: string) {
    prepareLock(path);
    this.path = path;
    this.#database = lmdb.open({ ...FILE_SETTINGS, path });
  }

  /** All or nothing. */
  write(added: Iterable<StoredRecord>, removed: Iterable<number>): void {
    this.#database.transactionSync(() => {
      for (const key of removed) this.#database.removeSync(key);
      for (const { key, value } of added) this.#database.putSync(key, value);
    });
  }

  get count(): number {
    return this.#database.getStats().entryCount;
  }

  get(key: number): Buffer | undefined {
    return this.#database.get(key);
  }

  /** The first record whose key is at least `from`. */
  first(from: number): StoredRecord | undefined {
    for (const record of this.#database.getRange({ start: from, limit: 1 })) return record;
    return undefined;
  }

  async close(): Promise<void> {
    await this.#database.close();
    rmSync(lockOf(this.path), { force: true });
  }

  /** Closes and deletes the file. */
  async discard(): Promise<void> {
    await this.close();
    rmSync(this.path, { force: true });
  }
}

export function createRecordFile(lmdb: LmdbPackage, path: string): RecordFile {
  try {
    writeFileSync(path, '', NEW_FILE);
    return new RecordFile(lmdb, path);
  } catch (error) {
    rmSync(path, { force: true });
    rmSync(lockOf(path), { force: true });
    throw error;
  }
}

/** Replaces a stale lock: nobody has the file open. */
export function prepareLock(path: string): void {
  rmSync(lockOf(path), { force: true });
  writeFileSync(lockOf(path), LOCK_FILE, NEW_FILE);
}

export const lockOf = (path: string): string => `${path}-lock`;
