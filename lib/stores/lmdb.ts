import { createRequire } from 'node:module';
import { LOCATION } from './location.js';

/** The part of an LMDB database that is used here. All methods but `close` are synchronous; all may throw. */
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
 * The part of the optional package `lmdb` that is used here. Its own declarations do not compile everywhere.
 *
 * @see https://github.com/kriszyp/lmdb-js#readme
 */
export interface LmdbPackage {
  open(settings: object & { readonly path: string }): Database;
  readonly ABORT: object;
}

const requireHere = createRequire(LOCATION);

/** @throws if the package is not installed or cannot be loaded */
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

/** Path of the package, for another process. */
export function lmdbPath(): string {
  return requireHere.resolve('lmdb');
}
