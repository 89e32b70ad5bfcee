import { type FileHandle } from 'node:fs/promises';
import { type QueuedEvent } from '../../delivery/delivery.js';
import { readBlock } from '../../records/read-block.js';
import {
  findFrame,
  FRAME_BYTES,
  type FrameHeader,
  HEADER_BYTES,
  isEnd,
  readFrameHeader,
  readHeader,
  REMOVED,
} from './segment-format.js';

/** A block that was found in a file. */
export interface FoundBlock {
  /** Offset of its flags in the file; null if removals cannot be written. */
  readonly offset: number | null;
  /** null if the block is damaged. */
  readonly events: readonly QueuedEvent[] | null;
  /** Number of events. */
  readonly count: number;
  /** Indices of the removed events. */
  readonly removed: readonly number[];
}

/** Bytes to read at once. */
const WINDOW_BYTES = 64 * 1024;
const PAGE_BYTES = 4096;

/** Reads a file by windows, so that a large one needs little memory, and a small one few calls. */
export class FileWindow {
  readonly #file: FileHandle;
  readonly size: number;
  #bytes = Buffer.alloc(0);
  #start = 0;

  private constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.size = size;
  }

  static async over(file: FileHandle): Promise<FileWindow> {
    return new FileWindow(file, (await file.stat()).size);
  }

  /** Returns fewer bytes at the end of the file. */
  async at(start: number, length: number): Promise<Buffer> {
    const end = Math.min(start + length, this.size);
    if (start < this.#start || end > this.#start + this.#bytes.length) {
      // A damaged length may be anything.
      const wanted = Math.min(Math.max(length, WINDOW_BYTES), Math.max(0, this.size - start));
      const bytes = Buffer.allocUnsafe(wanted);
      let read = 0;
      for (;;) {
        const { bytesRead } = await this.#file.read(bytes, read, wanted - read, start + read);
        read += bytesRead;
        if (bytesRead === 0 || read === wanted) break;
      }
      this.#bytes = bytes.subarray(0, read);
      this.#start = start;
    }
    const from = start - this.#start;
    return this.#bytes.subarray(from, from + length);
  }
}

/** Returns the generation of a segment, `newer` for a file of a later version of this package, or null if the header is damaged. */
export async function readGeneration(window: FileWindow): Promise<number | 'newer' | null> {
  return readHeader(await window.at(0, HEADER_BYTES));
}

/**
 * Yields the blocks of a segment, oldest first, and reads on behind damaged ones. A frame whose header was not written completely is no
 * damage: its process was killed before it could report that the events were kept.
 *
 * @param generation null if the header is damaged: then the newest generation in the file
 */
export async function* readSegment(
  window: FileWindow,
  project: string,
  generation: number | null,
): AsyncGenerator<FoundBlock> {
  const current = generation ?? (await newestGeneration(window));
  let at = HEADER_BYTES;
  // The process was killed while it created the file.
  if (window.size === 0) return;
  for (;;) {
    const start = await window.at(at, FRAME_BYTES);
    if (isEnd(start, current)) return;
    const header = readFrameHeader(start);
    const frame = header?.generation === current ? await readFrame(window, at, header, project) : null;
    if (frame) {
      yield frame.found;
      at = frame.end;
    } else {
      const next = await findNext(window, at + 1, current);
      if (next !== null || !mayBeUnfinished(at)) yield { offset: at, events: null, count: 0, removed: [] };
      if (next === null) return;
      at = next;
    }
  }
}

/** The header is written last, and the system writes page by page. */
const mayBeUnfinished = (at: number): boolean => at % PAGE_BYTES > PAGE_BYTES - FRAME_BYTES;

/** Returns null if the frame is damaged. */
async function readFrame(
  window: FileWindow,
  at: number,
  { count, length }: FrameHeader,
  project: string,
): Promise<{ readonly found: FoundBlock; readonly end: number } | null> {
  const size = FRAME_BYTES + count + length;
  const bytes = await window.at(at, size);
  const events = readBlock(bytes.subarray(FRAME_BYTES + count), project);
  if (events?.length !== count) return null;
  const removed = [...events.keys()].filter((index) => bytes[FRAME_BYTES + index] === REMOVED);
  return { found: { offset: at + FRAME_BYTES, events, count, removed }, end: at + size };
}

/** Returns the offset of the next frame header of the generation, or null. */
async function findNext(window: FileWindow, from: number, generation: number): Promise<number | null> {
  for await (const { at, header } of frameHeaders(window, from)) if (header.generation === generation) return at;
  return null;
}

async function newestGeneration(window: FileWindow): Promise<number> {
  let newest = 0;
  for await (const { header } of frameHeaders(window, 0)) newest = Math.max(newest, header.generation);
  return newest;
}

async function* frameHeaders(
  window: FileWindow,
  from: number,
): AsyncGenerator<{ readonly at: number; readonly header: FrameHeader }> {
  let at = from;
  for (;;) {
    const bytes = await window.at(at, WINDOW_BYTES);
    if (bytes.length < FRAME_BYTES) return;
    for (let found = findFrame(bytes, 0); found !== -1; found = findFrame(bytes, found + 1)) {
      const header = readFrameHeader(bytes, found);
      if (header) yield { at: at + found, header };
    }
    // The windows overlap, in case a header is at the end of one.
    at += Math.max(1, bytes.length - FRAME_BYTES + 1);
  }
}
