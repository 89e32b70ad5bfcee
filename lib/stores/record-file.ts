import { rmSync, writeFileSync } from 'node:fs';
import { type Database, type LmdbPackage } from './lmdb.js';

/**
 * No fsync: what is committed outlives the process, and not a loss of power. Nothing reads while another writes, so few
 * readers do.
 */
export const FILE_SETTINGS = {
  noSubdir: true,
  encoding: 'binary',
  compression: false,
  cache: false,
  maxReaders: 8,
  noSync: true,
  overlappingSync: false,
} as const;

/** LMDB maps its lock file into memory: it is written once, so that a full disk is noticed now and not by a fault. */
const LOCK_FILE = Buffer.alloc(8192);
/** Only its owner may read it. */
const NEW_FILE = { flag: 'wx', mode: 0o600 };

/** One record of a file. */
export interface StoredRecord {
  readonly key: number;
  readonly value: Buffer;
}

/** Records in order of their keys, in one LMDB file that a single process has open. Calls are synchronous and may throw. */
export class RecordFile {
  readonly path: string;
  readonly #database: Database;

  /** Opens a file that is known to be whole. An empty one is a file without records. */
  constructor(lmdb: LmdbPackage, path: string) {
    prepareLock(path);
    this.path = path;
    this.#database = lmdb.open({ ...FILE_SETTINGS, path });
  }

  /** Commits all or nothing. */
  write(added: Iterable<StoredRecord>, removed: Iterable<number>): void {
    this.#database.transactionSync(() => {
      for (const key of removed) this.#database.removeSync(key);
      for (const { key, value } of added) this.#database.putSync(key, value);
    });
  }

  /** How many records there are. */
  get count(): number {
    return this.#database.getStats().entryCount;
  }

  get(key: number): Buffer | undefined {
    return this.#database.get(key);
  }

  /** The first record from a key on. */
  first(from: number): StoredRecord | undefined {
    for (const record of this.#database.getRange({ start: from, limit: 1 })) return record;
    return undefined;
  }

  async close(): Promise<void> {
    await this.#database.close();
    rmSync(lockOf(this.path), { force: true });
  }

  /** Closes the file and deletes it. */
  async discard(): Promise<void> {
    await this.close();
    rmSync(this.path, { force: true });
  }
}

/** A new file without records, readable by its owner only. */
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

/** The lock of a file that nobody has open is of no use to anybody. */
export function prepareLock(path: string): void {
  rmSync(lockOf(path), { force: true });
  writeFileSync(lockOf(path), LOCK_FILE, NEW_FILE);
}

export const lockOf = (path: string): string => `${path}-lock`;
