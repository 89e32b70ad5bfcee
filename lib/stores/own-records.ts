import { type QueuedEvent } from '../delivery/delivery.js';
import { EventFile } from './event-file.js';
import { type LmdbPackage } from './lmdb.js';
import { createRecordFile } from './record-file.js';

/** So many events, or bytes of them, make a block, and are committed without waiting for the end of the turn. */
const BLOCK_EVENTS = 128;
const BLOCK_BYTES = 256 * 1024;

/** The events that this process captured. Calls are synchronous; `commit` throws, and then nothing new is kept. */
export class OwnRecords {
  readonly #file: EventFile;
  readonly #maxBytes: number;
  /** Not committed yet. */
  readonly #added = new Set<QueuedEvent>();
  #addedBytes = 0;

  /** Creates the file. Throws what the file system says. */
  constructor(lmdb: LmdbPackage, path: string, project: string, maxBytes: number) {
    this.#file = new EventFile(createRecordFile(lmdb, path), project, null);
    this.#maxBytes = maxBytes;
  }

  /** Events that nobody has answered for. */
  get pending(): readonly QueuedEvent[] {
    return [...this.#file.pending, ...this.#added];
  }

  /** Whether what was added should be committed soon: one commit must stay short. */
  get crowded(): boolean {
    return this.#added.size >= BLOCK_EVENTS || this.#addedBytes >= BLOCK_BYTES;
  }

  add(event: QueuedEvent): void {
    if (this.#file.has(event)) return;
    this.#added.add(event);
    this.#addedBytes += event.bytes;
  }

  /** Returns false when the event is not kept here. */
  remove(event: QueuedEvent): boolean {
    return this.#added.delete(event) || this.#file.remove(event);
  }

  /** Writes what was added and removed, all or nothing. */
  commit(): void {
    const blocks = this.#takeAdded();
    try {
      this.#file.write(blocks, this.#maxBytes);
    } catch (error) {
      this.#makeRoom();
      throw error;
    }
  }

  /** Commits, and leaves what nobody has answered for. */
  async close(): Promise<void> {
    try {
      this.commit();
    } finally {
      await this.#file.close();
    }
  }

  #takeAdded(): QueuedEvent[][] {
    const blocks: QueuedEvent[][] = [];
    let block: QueuedEvent[] = [];
    let bytes = Infinity;
    for (const event of this.#added) {
      if (block.length >= BLOCK_EVENTS || bytes >= BLOCK_BYTES) {
        block = [];
        blocks.push(block);
        bytes = 0;
      }
      block.push(event);
      bytes += event.bytes;
    }
    this.#added.clear();
    this.#addedBytes = 0;
    return blocks;
  }

  /** What is removed makes room for what comes next. */
  #makeRoom(): void {
    try {
      this.#file.write([]);
    } catch {
      // It stays to be removed, and the caller hears of the first error.
    }
  }
}
