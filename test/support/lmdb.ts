import { createRequire } from 'node:module';

/** The part of an LMDB database that tests use. The declarations of `lmdb` do not compile everywhere. */
export interface LmdbDatabase {
  transactionSync(work: () => unknown): void;
  putSync(key: number, value: Buffer): void;
  removeSync(key: number): void;
  getRange(): Iterable<{ readonly key: number; readonly value: Buffer }>;
  close(): Promise<void>;
}

const { open } = createRequire(import.meta.url)('lmdb') as { open(settings: object): LmdbDatabase };

/** The settings of the store of version 0.1. */
export const LMDB_SETTINGS = {
  noSubdir: true,
  encoding: 'binary',
  compression: false,
  cache: false,
  maxReaders: 8,
  noSync: true,
  overlappingSync: false,
};

export const openLmdb = (path: string, settings: object = {}): LmdbDatabase =>
  open({ ...LMDB_SETTINGS, ...settings, path });

/** A list of removed events, as version 0.1 wrote it. */
export const writeGaps = (indices: readonly number[]): Buffer => Buffer.from(JSON.stringify(indices));
