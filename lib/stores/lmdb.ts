import { createRequire } from 'node:module';
import { LOCATION } from './location.js';

/** What is used of an open LMDB database. Everything is synchronous but its end, and may throw. */
export interface Database {
  /** Commits when `work` returns, unless it returns `ABORT`. */
  transactionSync(work: () => unknown): void;
  putSync(key: number, value: Buffer): void;
  removeSync(key: number): void;
  get(key: number): Buffer | undefined;
  getRange(range?: {
    readonly start?: number;
    readonly limit?: number;
  }): Iterable<{ readonly key: number; readonly value: Buffer }>;
  getStats(): { readonly entryCount: number; readonly lastTxnId: number; readonly pageSize: number };
  close(): Promise<void>;
}

/**
 * What is used of the optional package `lmdb`. Its own declarations do not compile everywhere, and ours must.
 *
 * @see https://github.com/kriszyp/lmdb-js#readme
 */
export interface LmdbPackage {
  open(settings: object & { readonly path: string }): Database;
  readonly ABORT: object;
}

const requireHere = createRequire(LOCATION);

/** @throws an Error that names the package to install */
export function loadLmdb(): LmdbPackage {
  try {
    return requireHere('lmdb') as LmdbPackage;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'MODULE_NOT_FOUND') {
      throw new Error('the package lmdb is not installed: npm install lmdb', { cause: error });
    }
    throw new Error(`the package lmdb cannot be loaded: ${message}`, { cause: error });
  }
}

/** Where the package is, for a process that has to load it on its own. */
export function lmdbPath(): string {
  return requireHere.resolve('lmdb');
}
