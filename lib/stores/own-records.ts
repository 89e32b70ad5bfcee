import { type QueuedEvent } from '../delivery/delivery.js';
import { writeRecord } from './event-record.js';
import { type LmdbPackage } from './lmdb.js';
import { createRecordFile, type RecordFile } from './record-file.js';

/** So many events, or bytes of them, are committed without waiting for the end of the turn: one commit must stay short. */
const CROWDED_EVENTS = 128;
const CROWDED_BYTES = 256 * 1024;

/** What LMDB and the record's own head add to a payload, name and key apart. */
const RECORD_OVERHEAD_BYTES = 180;
const PAGE_BYTES = 4096;
/** The pages that every file has, and those that a commit writes anew before the old ones are free. */
const FILE_OVERHEAD_BYTES = 64 * 1024;

/** The records of events that this process captured. Calls are synchronous; `commit` throws, and then nothing new is kept. */
export class OwnRecords {
  readonly #file: RecordFile;
  readonly #project: string;
  readonly #maxBytes: number;
  readonly #places = new Map<QueuedEvent, number>();
  #nextPlace = 1;
  /** Not committed yet. */
  #added: QueuedEvent[] = [];
  #addedBytes = 0;
  readonly #removed = new Set<number>();
  /** What the records take, counted high. */
  #bytes = FILE_OVERHEAD_BYTES;

  /** Creates the file. Throws what the file system says. */
  constructor(lmdb: LmdbPackage, path: string, project: string, maxBytes: number) {
    this.#file = createRecordFile(lmdb, path);
    this.#project = project;
    this.#maxBytes = maxBytes;
  }

  /** Events that nobody has answered for. */
  get pending(): Iterable<QueuedEvent> {
    return this.#places.keys();
  }

  /** Whether what was added should be committed soon. */
  get crowded(): boolean {
    return this.#added.length >= CROWDED_EVENTS || this.#addedBytes >= CROWDED_BYTES;
  }

  add(event: QueuedEvent): void {
    if (this.#places.has(event)) return;
    this.#places.set(event, this.#nextPlace);
    this.#nextPlace += 1;
    this.#added.push(event);
    this.#addedBytes += event.bytes;
    this.#bytes += bytesOf(event);
  }

  /** Returns false when the event is not kept here. */
  remove(event: QueuedEvent): boolean {
    const place = this.#places.get(event);
    if (place === undefined) return false;
    this.#removed.add(place);
    this.#forget(event);
    return true;
  }

  /** Writes what was added and removed, all or nothing. */
  commit(): void {
    const added = this.#added;
    this.#added = [];
    this.#addedBytes = 0;
    try {
      const overfull = this.#bytes > this.#maxBytes && added.length > 0;
      if (overfull) throw new Error(`it is full (maxBytes is ${this.#maxBytes})`);
      this.#write(added);
    } catch (error) {
      for (const event of added) if (this.#places.has(event)) this.#forget(event);
      this.#makeRoom();
      throw error;
    }
  }

  /** Commits, and leaves what nobody has answered for. */
  async close(): Promise<void> {
    try {
      if (this.#added.length + this.#removed.size > 0) this.commit();
    } finally {
      if (this.#places.size > 0) await this.#file.close();
      else await this.#file.discard();
    }
  }

  #write(added: readonly QueuedEvent[]): void {
    const records = [];
    for (const event of added) {
      const place = this.#places.get(event);
      // Answered for already.
      if (place === undefined) continue;
      records.push({ place, record: writeRecord(event, this.#project) });
    }
    if (records.length + this.#removed.size === 0) return;
    this.#file.write(records, this.#removed);
    this.#removed.clear();
  }

  /** What is removed makes room for what comes next. */
  #makeRoom(): void {
    try {
      this.#write([]);
    } catch {
      // It stays to be removed, and the caller hears of the first error.
    }
  }

  #forget(event: QueuedEvent): void {
    this.#places.delete(event);
    this.#bytes -= bytesOf(event);
  }
}

/** A record of half a page and more has pages of its own. */
function bytesOf({ bytes, name, orderKey }: QueuedEvent): number {
  const size = bytes + name.length + orderKey.length + RECORD_OVERHEAD_BYTES;
  return size < PAGE_BYTES / 2 ? size : Math.ceil(size / PAGE_BYTES) * PAGE_BYTES;
}
