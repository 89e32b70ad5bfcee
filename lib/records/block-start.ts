import * as zlib from 'node:zlib';

/**
 * The start of a block in every version: a checksum of all that follows, and a line of JSON, a list that begins with the version and the
 * project.
 */
const CHECKSUM_CHARACTERS = 8;
const LINE_START = CHECKSUM_CHARACTERS + 1;
const NO_CHECKSUM = '-'.repeat(CHECKSUM_CHARACTERS);
const LINE_END = '\n';

/** Large enough for nearly every block. */
const SCRATCH_BYTES = 512 * 1024;
/** UTF-8 bytes of one UTF-16 code unit. */
export const MAX_BYTES_PER_CHARACTER = 3;

/** Node has crc32 since 20.15 and 22.2. Without it, blocks are not checked. */
export const checksumOf = (bytes: Buffer): string =>
  'crc32' in zlib ? zlib.crc32(bytes).toString(16).padStart(CHECKSUM_CHARACTERS, '0') : NO_CHECKSUM;

/** Also true if it cannot be checked, because the writer's or this version of Node has no crc32. */
export function matchesChecksum(bytes: Buffer, sum: string): boolean {
  if (sum === NO_CHECKSUM) return true;
  const actual = checksumOf(bytes);
  return sum === actual || actual === NO_CHECKSUM;
}

/** Reuses one buffer: allocating one per block would cost more than the rest of the work. */
export class Scratch {
  #scratch: Buffer | null = null;

  /** The next call returns the same memory. */
  ofSize(bytes: number): Buffer {
    this.#scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    return bytes <= SCRATCH_BYTES ? this.#scratch : Buffer.allocUnsafe(bytes);
  }
}

/** The most bytes that `writeStart` writes. */
export const mostBytesOfStart = (line: string): number => LINE_START + line.length * MAX_BYTES_PER_CHARACTER + 1;

/** Returns the offset of what follows. */
export function writeStart(block: Buffer, start: number, line: string): number {
  const end = start + block.write(`${NO_CHECKSUM} `, start, 'latin1');
  return end + block.write(line + LINE_END, end);
}

/** Call when everything else is written. Without it, the block is not checked when it is read. */
export function writeChecksum(block: Buffer, start = 0, end = block.length): void {
  block.write(checksumOf(block.subarray(start + LINE_START, end)), start, 'latin1');
}

export interface BlockStart {
  readonly version: unknown;
  readonly project: unknown;
  /** The rest of the line. */
  readonly fields: readonly unknown[];
  /** Offset of what follows. */
  readonly end: number;
}

/** Returns null if the checksum is wrong. */
export function readStart(block: Buffer): BlockStart | null {
  const sum = block.toString('latin1', 0, CHECKSUM_CHARACTERS);
  if (!matchesChecksum(block.subarray(LINE_START), sum)) return null;
  const end = block.indexOf(LINE_END) + 1;
  const [version, project, ...fields] = parseList(block.toString('utf8', LINE_START, end));
  return { version, project, fields, end };
}

export function parseList(json: string): readonly unknown[] {
  try {
    const list: unknown = JSON.parse(json);
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}

export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
