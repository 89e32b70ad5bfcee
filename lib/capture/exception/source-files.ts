import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { LineCollector } from './line-collector.js';

const MIB = 1024 * 1024;
const MAX_BYTES = 10 * MIB;
/** Larger files are only read in the background. */
const MAX_SYNC_BYTES = MIB;
const CHUNK_BYTES = 64 * 1024;
/** Not blocked by a pipe of that name. Windows has no such flag. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;
/** Source code only: the stack of an error is a string that anybody may have written. */
const SOURCE = /\.(?:[cm]?[jt]s|[jt]sx)$/i;
const MINIFIED = /\.min\.[cm]?js$/i;
/** A share of another machine. */
const REMOTE = /^[\\/]{2}/;

export type Lines = ReadonlyMap<number, string>;

/** True for a local file of source code that is worth reading. */
export const isReadable = (path: string): boolean =>
  isAbsolute(path) && SOURCE.test(path) && !MINIFIED.test(path) && !REMOTE.test(path);

/** Reads lines of a file of at most 1 MiB; undefined for a larger one, null if it cannot be read. */
export function readLinesSync(path: string, wanted: ReadonlySet<number>): Lines | null | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, FLAGS);
    const stats = fstatSync(file);
    if (!stats.isFile() || stats.size > MAX_BYTES) return null;
    if (stats.size > MAX_SYNC_BYTES) return undefined;
    const buffer = Buffer.allocUnsafe(stats.size);
    const collector = new LineCollector(wanted);
    collector.write(buffer.subarray(0, readSync(file, buffer, 0, stats.size, 0)));
    collector.end();
    return collector.lines;
  } catch {
    return null;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Reads lines of a file of at most 10 MiB, up to the last that is wanted; null if it cannot be read. Never rejects. */
export async function readLines(path: string, wanted: ReadonlySet<number>): Promise<Lines | null> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, FLAGS);
    const stats = await file.stat();
    if (!stats.isFile() || stats.size > MAX_BYTES) return null;
    return await collect(file, new LineCollector(wanted));
  } catch {
    return null;
  } finally {
    await file?.close().catch(() => undefined);
  }
}

async function collect(file: FileHandle, collector: LineCollector): Promise<Lines> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let at = 0; at < MAX_BYTES && !collector.isDone;) {
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, at);
    if (bytesRead === 0) break;
    collector.write(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  collector.end();
  return collector.lines;
}
