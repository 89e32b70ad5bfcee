import { type QueuedEvent } from '../delivery/delivery.js';
import { type RecoveryRequest } from '../delivery/durability/event-store.js';
import { BlockWriter, readBlock, readGaps, writeGaps } from './event-block.js';
import { type EventPlace, EventPlaces } from './event-places.js';
import { type RecordFile, type StoredRecord } from './record-file.js';

type Room = Pick<RecoveryRequest, 'maxEvents' | 'maxBytes'>;

/** Events that are committed together. */
interface Block {
  readonly key: number;
  /** Events that nobody has answered for. */
  left: number;
  /** Indices of the others. */
  readonly gaps: number[];
  /** So many of `gaps` are in the file. */
  gapsWritten: number;
  /** What it takes in the file, counted high. */
  bytes: number;
}

/** A block that is not in the file yet. */
interface NewBlock {
  readonly block: Block;
  readonly events: QueuedEvent[];
  payloadBytes: number;
}

/** A class, as `CapturedEvent` is one. */
class Place implements EventPlace {
  slot = 0;

  constructor(
    readonly event: QueuedEvent,
    readonly block: Block,
    readonly index: number,
  ) {}
}

/** So many events, or bytes of them, make a block. */
const BLOCK_EVENTS = 128;
const BLOCK_BYTES = 256 * 1024;

const PAGE_BYTES = 4096;
/** What LMDB adds to a small record. */
const RECORD_OVERHEAD_BYTES = 64;
/** The pages that every file has, and those that a commit writes anew before the old ones are free. */
const FILE_OVERHEAD_BYTES = 64 * 1024;

/**
 * Events in one file, in blocks of those that were committed together: a block leaves the file when all its events are
 * answered for, and until then it is written beside it which ones are. Calls are synchronous and throw what the file does.
 */
export class EventFile {
  readonly #file: RecordFile;
  readonly #project: string;
  readonly #writer: BlockWriter;
  readonly #maxBytes: number;
  /** Of all events that nobody has answered for, those to be written included. */
  readonly #places = new EventPlaces<Place>();
  #new: NewBlock[] = [];
  /** Blocks some of whose events are answered for, which the file does not say yet. A new list for each commit, for what `Few` says of Sets. */
  #changed: Block[] = [];
  #nextKey = 1;
  /** What the blocks written here take, counted high. */
  #bytes = FILE_OVERHEAD_BYTES;
  /** The next block to read; null when all was read. */
  #unread: number | null;
  /** Events of the last block that was read, for which there was no room yet. */
  #unclaimed: readonly Place[] = [];
  readonly #count: number;
  #counted = 0;
  #damaged = 0;

  /**
   * @param unread the first block to read: 1 in a file of an earlier process, null in a new one
   * @param maxBytes what the file may take
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

  /** Events that nobody has answered for, of those that were added or brought back, oldest first. */
  get pending(): readonly QueuedEvent[] {
    const places = this.#places.all.toSorted((a, b) => a.block.key - b.block.key || a.index - b.index);
    return places.map(({ event }) => event);
  }

  /** Blocks that could not be read. */
  get damaged(): number {
    return this.#damaged;
  }

  /** Everything was read, and everything that was readable is answered for. */
  get done(): boolean {
    return this.#unread === null && this.#places.size === 0 && this.#unclaimed.length === 0;
  }

  /** Whether what was added should be committed soon: one commit must stay short. */
  get crowded(): boolean {
    const [first] = this.#new;
    return first !== undefined && isFull(first);
  }

  /** Takes an event, once; `commit` writes it. */
  add(event: QueuedEvent): void {
    let last = this.#new.at(-1);
    if (!last || isFull(last)) this.#new.push((last = this.#newBlock()));
    if (!this.#places.add(new Place(event, last.block, last.events.length))) return;
    last.events.push(event);
    last.payloadBytes += event.bytes;
    last.block.left += 1;
  }

  /** Notes that somebody has answered for an event; `commit` says so in the file. Returns false when it is not kept here. */
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
   * Writes what was added and removed, all or nothing. When it throws, nothing that was added is kept, and what was removed is
   * written the next time.
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

  /** What is removed makes room for what comes next. */
  #makeRoom(): void {
    try {
      this.#write([]);
    } catch {
      // It stays to be removed, and the caller hears of the first error.
    }
  }

  /** Each is to be written before the next is asked for. */
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
   * Brings back what an earlier process left, oldest first, as far as there is room.
   *
   * @param atLeastOne whether the first event comes even if there is no room for its bytes
   */
  read({ maxEvents, maxBytes }: Room, atLeastOne: boolean): readonly QueuedEvent[] {
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

  /** Commits. What is left stays, for the next process; a file that holds nothing any more is deleted. */
  async close(): Promise<void> {
    try {
      this.commit();
    } finally {
      if (this.done && this.#damaged === 0) await this.#file.discard();
      else await this.#file.close();
    }
  }

  /** Returns false when there is none left. */
  #readBlock(): boolean {
    if (this.#unread === null) return false;
    const record = this.#file.first(this.#unread);
    if (!record || !Number.isSafeInteger(record.key)) {
      this.#unread = null;
      // Something is there that nobody wrote: a block whose key was damaged.
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

  #open(key: number, events: readonly QueuedEvent[], answered: ReadonlySet<unknown>): void {
    const gaps = [...events.keys()].filter((index) => answered.has(index));
    const block: Block = { key, left: events.length - gaps.length, gaps, gapsWritten: gaps.length, bytes: 0 };
    this.#unclaimed = [...events.entries()]
      .filter(([index]) => !answered.has(index))
      .map(([index, event]) => new Place(event, block, index));
  }
}

const isFull = ({ events, payloadBytes }: NewBlock): boolean =>
  events.length >= BLOCK_EVENTS || payloadBytes >= BLOCK_BYTES;

/** A record of half a page and more has pages of its own. */
function sizeOf({ length }: Buffer): number {
  const size = length + RECORD_OVERHEAD_BYTES;
  return size < PAGE_BYTES / 2 ? size : Math.ceil(size / PAGE_BYTES) * PAGE_BYTES;
}
