import { closeSync, fstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import {
  emptySegment,
  END_BYTES,
  FRAME_BYTES,
  HEADER_BYTES,
  REMOVED,
  writeEnd,
  writeFrameHeader,
} from './segment-format.js';
import { isMissing } from '../file-errors.js';
import { touch } from '../process-lock.js';

const PAGE_BYTES = 4096;

/** Events that were committed together. */
export interface Block {
  /** Where it is stored; null until it is written. */
  segment: Segment | null;
  /** Offset of its flags in the file: one byte per event, 0 or REMOVED. null if removals cannot be written. */
  offset: number | null;
  /** Number of events. */
  count: number;
  /** Indices of the removed events. A list, because most blocks are small and removed as a whole. */
  readonly removed: number[];
  /** Number of `removed` that the file contains. */
  removedWritten: number;
}

/** Bytes before and after the block in a frame of `count` events. */
export const frameRoom = (count: number): { before: number; after: number } => ({
  before: FRAME_BYTES + count,
  after: END_BYTES,
});

/** A file of frames. Calls are synchronous and throw errors of the file system. */
export class Segment {
  #path: string;
  /** null while the file of an earlier process is closed: thousands of them must not need a descriptor each. */
  #descriptor: number | null;
  /** null for the file of an earlier process: on some file systems, the number of a file changes while it is not open. */
  readonly #inode: number | null;
  #generation: number;
  /** Offset of the next frame. */
  #end: number;
  #size: number;
  /** Number of events that have not been removed. */
  pending = 0;

  private constructor(path: string, descriptor: number | null, inode: number | null, generation: number, end: number) {
    this.#path = path;
    this.#descriptor = descriptor;
    this.#inode = inode;
    this.#generation = generation;
    this.#end = end;
    this.#size = end;
  }

  /** Creates a file that only its owner can read. */
  static create(path: string, generation: number): Segment {
    const descriptor = openSync(path, 'wx+', 0o600);
    try {
      writeFully(descriptor, emptySegment(generation), 0);
      return new Segment(path, descriptor, fstatSync(descriptor).ino, generation, HEADER_BYTES);
    } catch (error) {
      closeSync(descriptor);
      rmSync(path, { force: true });
      throw error;
    }
  }

  /** A file of an earlier process, to which nothing is appended. */
  static adopted(path: string): Segment {
    return new Segment(path, null, null, 0, HEADER_BYTES);
  }

  get path(): string {
    return this.#path;
  }

  /** Bytes on disk. */
  get size(): number {
    return this.#size;
  }

  get isEmpty(): boolean {
    return this.#end === HEADER_BYTES;
  }

  /** Bytes that the file would grow by. */
  growth(frameBytes: number): number {
    return Math.max(0, this.#end + frameBytes - this.#size);
  }

  /** A file that is larger than `maxBytes`, because it held a large event, is filled to its size. */
  fits(frameBytes: number, maxBytes: number): boolean {
    return this.#end + frameBytes <= Math.max(maxBytes, this.#size);
  }

  /** @param frame the block with room for the rest of the frame, see `frameRoom` */
  append(block: Block, frame: Buffer): void {
    const { count } = block;
    const { before, after } = frameRoom(count);
    writeFrameHeader(frame, { generation: this.#generation, count, length: frame.length - before - after });
    frame.fill(0, FRAME_BYTES, before);
    for (const index of block.removed) frame[FRAME_BYTES + index] = REMOVED;
    block.removedWritten = block.removed.length;
    writeEnd(frame, frame.length - after, this.#generation);
    try {
      this.#writeFrame(frame);
    } catch (error) {
      this.#restoreEnd();
      throw error;
    }
    block.segment = this;
    block.offset = this.#end + FRAME_BYTES;
    // The next frame overwrites the mark of the end.
    this.#end += frame.length - after;
    this.#size = Math.max(this.#size, this.#end + after);
    this.pending += count - block.removed.length;
  }

  /** Marks the removed events of a block. Ignores a file that was deleted: `touch` notices that. */
  writeRemovals(block: Block): void {
    try {
      this.#writeFlags(block);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    block.removedWritten = block.removed.length;
  }

  #writeFlags({ offset, removed, removedWritten }: Block): void {
    if (offset === null) return;
    let from = Infinity;
    let to = 0;
    for (let at = removedWritten; at < removed.length; at += 1) {
      const index = removed[at] ?? 0;
      from = Math.min(from, index);
      to = Math.max(to, index + 1);
    }
    const flags = Buffer.alloc(to - from);
    for (const index of removed) if (index >= from && index < to) flags[index - from] = REMOVED;
    const descriptor = this.#descriptor ?? openSync(this.#path, 'r+');
    try {
      writeFully(descriptor, flags, offset + from);
    } finally {
      if (this.#descriptor === null) closeSync(descriptor);
    }
  }

  /** Forgets all frames, and is written again from the start. */
  reset(generation: number): void {
    this.#write(emptySegment(generation), 0);
    this.#generation = generation;
    this.#end = HEADER_BYTES;
  }

  /** Resolves with false if the file was deleted or belongs to another process. Protects it from programs that delete old files. */
  async touch(): Promise<boolean> {
    try {
      const { ino } = await stat(this.#path);
      if (this.#inode !== null && ino !== this.#inode) return false;
      await touch(this.#path);
      return true;
    } catch (error) {
      return !isMissing(error);
    }
  }

  /** Throws ENOENT if the file was deleted or belongs to another process. */
  rename(path: string): void {
    renameSync(this.#path, path);
    this.#path = path;
  }

  #writeFrame(frame: Buffer): void {
    // The header last: a frame with a header is complete, even if the process is killed during a write. Pages are written whole.
    if ((this.#end % PAGE_BYTES) + frame.length > PAGE_BYTES) {
      this.#write(frame.subarray(FRAME_BYTES), this.#end + FRAME_BYTES);
      this.#write(frame.subarray(0, FRAME_BYTES), this.#end);
    } else {
      this.#write(frame, this.#end);
    }
  }

  /** A full disk may have accepted a part of a frame. */
  #restoreEnd(): void {
    const end = Buffer.alloc(END_BYTES);
    writeEnd(end, 0, this.#generation);
    try {
      this.#write(end, this.#end);
    } catch {
      // Then the next process reports a damaged block, which contains no event that was kept.
    }
  }

  #write(bytes: Buffer, position: number): void {
    writeFully(this.#descriptor ?? -1, bytes, position);
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  /** Closes and deletes the file. */
  discard(): void {
    this.close();
    rmSync(this.#path, { force: true });
  }
}

export const newBlock = (): Block => ({ segment: null, offset: 0, count: 0, removed: [], removedWritten: 0 });

export const isEmptied = ({ count, removed }: Block): boolean => removed.length === count;

/** A full disk may accept a part first. */
function writeFully(descriptor: number, bytes: Buffer, position: number): void {
  let written = 0;
  while (written < bytes.length) {
    written += writeSync(descriptor, bytes, written, bytes.length - written, position + written);
  }
}
