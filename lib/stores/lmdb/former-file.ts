import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type QueuedEvent } from '../../delivery/delivery.js';
import { readGaps } from '../../records/event-block.js';
import { isOfOtherVersion, readBlock } from '../../records/read-block.js';
import { LmdbFormatError } from './format.js';
import { LmdbReader, type LmdbRecord } from './reader.js';

/** A longer list of removed events is damaged: a block has at most 128 events. */
const MAX_GAP_LIST_BYTES = 4096;
/** Otherwise, opening a named pipe would wait for its writer. Windows has no such flag. */
const NONBLOCK = (constants as { readonly O_NONBLOCK?: number }).O_NONBLOCK ?? 0;

/** The events of an LMDB file that version 0.1 wrote, read without LMDB. Nothing may write the file meanwhile. */
export class FormerFile {
  readonly #handle: FileHandle;
  readonly #reader: LmdbReader;
  readonly #project: string;
  #damagedBlocks = 0;
  #otherBlocks = 0;

  private constructor(handle: FileHandle, reader: LmdbReader, project: string) {
    this.#handle = handle;
    this.#reader = reader;
    this.#project = project;
  }

  /**
   * Errors of the file system are passed on.
   *
   * @throws LmdbFormatError if nothing of the file is readable
   */
  static async open(path: string, project: string): Promise<FormerFile> {
    const handle = await open(path, constants.O_RDONLY | NONBLOCK);
    try {
      if (!(await handle.stat()).isFile()) throw new LmdbFormatError('unsupported');
      return new FormerFile(handle, await LmdbReader.open(handle), project);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Number of records that could not be read. Complete when `blocks` has ended. */
  get damaged(): number {
    return this.#reader.damaged + this.#damagedBlocks;
  }

  /** Number of intact blocks of another version of their format. Complete when `blocks` has ended. */
  get ofOtherVersion(): number {
    return this.#otherBlocks;
  }

  /** Another version of this package wrote the file. The first intact block decides, because one process wrote all of them. */
  async isOfOtherVersion(): Promise<boolean> {
    for await (const record of this.#reader.records()) {
      if (isGapList(record)) continue;
      if (isOfOtherVersion(record.value)) return true;
      if (readBlock(record.value, this.#project)) return false;
    }
    return false;
  }

  /** The events that have not been removed, oldest first, in blocks that were committed together. */
  async *blocks(): AsyncGenerator<readonly QueuedEvent[], void, undefined> {
    this.#damagedBlocks = 0;
    this.#otherBlocks = 0;
    const gapLists = new Map<number, Buffer>();
    for await (const record of this.#reader.records()) {
      const { key, value } = record;
      // The list of block 7 has the key -7. Therefore, all lists come first.
      if (isGapList(record)) gapLists.set(-key, value);
      else {
        const removed = readGaps(gapLists.get(key));
        const events = this.#readBlock(value).filter((_, index) => !removed.has(index));
        if (events.length > 0) yield events;
      }
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  #readBlock(value: Buffer): readonly QueuedEvent[] {
    const events = readBlock(value, this.#project);
    if (events) return events;
    if (isOfOtherVersion(value)) this.#otherBlocks += 1;
    else this.#damagedBlocks += 1;
    return [];
  }
}

/** Checks the value as well: the sign of a key may be damaged. */
const isGapList = ({ key, value }: LmdbRecord): boolean =>
  key < 0 && value.length <= MAX_GAP_LIST_BYTES && value.toString('latin1', 0, 1) === '[';
