import { type QueuedEvent } from '../delivery/delivery.js';
import { type Capacity } from '../delivery/durability/event-store.js';
import { BlockWriter, readBlock, readGaps, writeGaps } from './event-block.js';
import { type EventPlace, EventPlaces } from './event-places.js';
import { type RecordFile, type StoredRecord } from './record-file.js';

/** Events that are committed together. */
interface Block {
  readonly key: number;
  /** Number of events that have not been removed. */
  left: number;
  /** Indices of the removed events. */
  readonly gaps: number[];
  /** Number of `gaps` that the file contains. */
  gapsWritten: number;
  /** Upper estimate of its size in the file. */
  bytes: number;
}

/** A block that has not been written yet. */
interface NewBlock {
  readonly block: Block;
  readonly events: QueuedEvent[];
  payloadBytes: number;
}

/** A class, so that all instances have one hidden class. */
class Place implements EventPlace {
  slot = 0;

  constructor(
    readonly event: QueuedEvent,
    readonly block: Block,
    readonly index: number,
  ) {}
}

/** A block is full when it reaches either limit. */
const BLOCK_EVENTS = 128;
const BLOCK_BYTES = 256 * 1024;

const PAGE_BYTES = 4096;
/** Added to a small record by LMDB. */
const RECORD_OVERHEAD_BYTES = 64;
/** Pages that every file has, and those that a commit rewrites before it frees the old ones. */
const FILE_OVERHEAD_BYTES = 64 * 1024;

/**
 * Events in one file, in blocks of events that were committed together. A block is deleted when all its events have been removed; until
 * then, a record next to it lists the removed ones. All calls are synchronous and pass on errors of the file.
 */
export class EventFile {
  readonly #file: RecordFile;
  readonly #project: string;
  readonly #writer: BlockWriter;
  readonly #maxBytes: number;
  /** Places of all events that have not been removed, including those that have not been written. */
  readonly #places = new EventPlaces<Place>();
  #new: NewBlock[] = [];
  /** Blocks with removals that have not been written. A new array for each commit, for the reason that `SmallSet` gives. */
  #changed: Block[] = [];
  #nextKey = 1;
  /** Upper estimate of the size of the blocks that this process has written. */
  #bytes = FILE_OVERHEAD_BYTES;
  /** Key of the next block to read; null if all have been read. */
  #unread: number | null;
  /** Events of the last block that exceeded the limits of `read`. */
  #unclaimed: readonly Place[] = [];
  readonly #count: number;
  #counted = 0;
  #damaged = 0;

  /**
   * @param unread the first block to read: 1 in a file of an earlier process, null in a new one
   * @param maxBytes maximum size of the file
   */
  constructor(file: RecordFile, project: string, unread: 1 | null, maxBytes = Infinity) {
    this.#file = file;
    this.#project = project;
    this.#writer = new BlockWriter(project);
    this.#maxBytes = maxBytes;
    this.#unread = unread;
    this.#count = file.count;
  }

  get path(): string {
    return this.#file.path;
  }

  /** Events that were added or recovered and have not been removed, oldest first. */
  get pending(): readonly QueuedEvent[] {
    const places = this.#places.all.toSorted((a, b) => a.block.key - b.block.key || a.index - b.index);
    return places.map(({ event }) => event);
  }

  /** Number of blocks that could not be read. */
  get damaged(): number {
    return this.#damaged;
  }

  /** Everything has been read, and all readable events have been removed. */
  get done(): boolean {
    return this.#unread === null && this.#places.size === 0 && this.#unclaimed.length === 0;
  }

  /** A block is full: it should be committed soon, because a commit must stay short. */
  get crowded(): boolean {
    const [first] = this.#new;
    return first !== undefined && isFull(first);
  }

  /** Adds an event unless it is present; `commit` writes it. */
  add(event: QueuedEvent): void {
    let last = this.#new.at(-1);
    if (!last || isFull(last)) this.#new.push((last = this.#newBlock()));
    if (!this.#places.add(new Place(event, last.block, last.events.length))) return;
    last.events.push(event);
    last.payloadBytes += event.bytes;
    last.block.left += 1;
  }

  /** Removes an event; `commit` writes the removal. Returns false if the file does not contain the event. */
  remove(event: QueuedEvent): boolean {
    const place = this.#places.take(event);
    if (!place) return false;
    const { block, index } = place;
    block.left -= 1;
    if (block.gaps.length === block.gapsWritten) this.#changed.push(block);
    block.gaps.push(index);
    return true;
  }

  /**
   * Writes additions and removals, all or nothing. If it throws, the additions are discarded, and the removals are written the next
   * time.
   */
  commit(): void {
    const added = this.#new;
    this.#new = [];
    try {
      this.#write(added);
    } catch (error) {
      for (const event of added.flatMap(({ events }) => events)) this.#places.take(event);
      this.#changed = this.#changed.filter((changed) => !added.some(({ block }) => block === changed));
      if (added.length > 0) this.#makeRoom();
      throw error;
    }
  }

  #newBlock(): NewBlock {
    const block: Block = { key: this.#nextKey, left: 0, gaps: [], gapsWritten: 0, bytes: 0 };
    this.#nextKey += 1;
    return { block, events: [], payloadBytes: 0 };
  }

  #write(added: readonly NewBlock[]): void {
    if (added.length + this.#changed.length === 0) return;
    this.#file.write(this.#records(added), this.#emptied());
    for (const { block } of added) this.#bytes += block.bytes;
    for (const block of this.#changed) {
      block.gapsWritten = block.gaps.length;
      if (block.left === 0) this.#bytes -= block.bytes;
    }
    this.#changed = [];
  }

  /** Writes the removals alone, which makes room for the next additions. */
  #makeRoom(): void {
    try {
      this.#write([]);
    } catch {
      // The removals are kept for the next commit, and the caller gets the first error.
    }
  }

  /** Each record must be written before the next is requested: they share a buffer. */
  *#records(added: readonly NewBlock[]): Iterable<StoredRecord> {
    let bytes = this.#bytes;
    for (const { block, events } of added) {
      if (block.left === 0) continue;
      const value = this.#writer.write(events);
      block.bytes = sizeOf(value);
      bytes += block.bytes;
      if (bytes > this.#maxBytes) throw new Error(`it is full (maxBytes is ${this.#maxBytes})`);
      yield { key: block.key, value };
    }
    for (const { key, left, gaps } of this.#changed) if (left > 0) yield { key: -key, value: writeGaps(gaps) };
  }

  *#emptied(): Iterable<number> {
    for (const { key, left, gapsWritten } of this.#changed) {
      if (left > 0) continue;
      yield key;
      if (gapsWritten > 0) yield -key;
    }
  }

  /**
   * Recovers events of an earlier process, oldest first, within the limits.
   *
   * @param atLeastOne returns the first event even if it exceeds `maxBytes`
   */
  read({ maxEvents, maxBytes }: Capacity, atLeastOne: boolean): readonly QueuedEvent[] {
    const claimed: QueuedEvent[] = [];
    let bytes = 0;
    do {
      for (const [index, place] of this.#unclaimed.entries()) {
        const { event } = place;
        bytes += event.bytes;
        const tooMuch = bytes > maxBytes && !(atLeastOne && claimed.length === 0);
        if (claimed.length >= maxEvents || tooMuch) {
          this.#unclaimed = this.#unclaimed.slice(index);
          return claimed;
        }
        this.#places.add(place);
        claimed.push(event);
      }
      this.#unclaimed = [];
    } while (this.#readBlock());
    return claimed;
  }

  /** Commits. Remaining events stay for the next process; a file without events is deleted. */
  async close(): Promise<void> {
    try {
      this.commit();
    } finally {
      if (this.done && this.#damaged === 0) await this.#file.discard();
      else await this.#file.close();
    }
  }

  /** Returns false if there is none left. */
  #readBlock(): boolean {
    if (this.#unread === null) return false;
    const record = this.#file.first(this.#unread);
    if (!record || !Number.isSafeInteger(record.key)) {
      this.#unread = null;
      // A record was not found by its key: the key of a block is damaged.
      if (this.#counted < this.#count) this.#damaged += 1;
      return false;
    }
    const { key, value } = record;
    this.#unread = key + 1;
    const events = readBlock(value, this.#project);
    const gaps = this.#file.get(-key);
    this.#counted += gaps ? 2 : 1;
    if (events) this.#open(key, events, readGaps(gaps));
    else this.#damaged += 1;
    return true;
  }

  #open(key: number, events: readonly QueuedEvent[], removed: ReadonlySet<unknown>): void {
    const gaps = [...events.keys()].filter((index) => removed.has(index));
    const block: Block = { key, left: events.length - gaps.length, gaps, gapsWritten: gaps.length, bytes: 0 };
    this.#unclaimed = [...events.entries()]
      .filter(([index]) => !removed.has(index))
      .map(([index, event]) => new Place(event, block, index));
  }
}

const isFull = ({ events, payloadBytes }: NewBlock): boolean =>
  events.length >= BLOCK_EVENTS || payloadBytes >= BLOCK_BYTES;

/** A record of at least half a page takes whole pages. */
function sizeOf({ length }: Buffer): number {
  const size = length + RECORD_OVERHEAD_BYTES;
  return size < PAGE_BYTES / 2 ? size : Math.ceil(size / PAGE_BYTES) * PAGE_BYTES;
}
