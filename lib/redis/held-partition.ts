import { type QueuedEvent } from '../delivery/delivery.js';
import { type PrivateNote } from '../records/event-places.js';
import { type RedisClient } from './redis-client.js';
import { readEntry } from './stream-block.js';
import { type StreamKeys } from './stream-keys.js';

/**
 * A read asks for the number of entries that would, judging by the previous read, contain this many events or bytes. Events that are read
 * long before they are sent survive young collections, and copying them costs as much as sending them.
 */
const READ_EVENTS = 128;
const READ_BYTES = 1024 * 1024;
const FIRST_READ_ENTRIES = 2;
const MAX_READ_ENTRIES = 16;
/** Number of ids of one XDEL. */
const DELETED_ENTRIES = 500;
/** Number of looks at an empty stream per comparison of its length. */
const COMPARED_LOOKS = 5;

/** An entry of the stream whose events are in this process. */
export interface Block {
  readonly id: string;
  readonly events: readonly QueuedEvent[];
  readonly partition: HeldPartition;
  /** Where to read from if none of its events is handed out. */
  readonly before: string;
  handedOut: number;
  /** Number of events whose fate is unknown. */
  open: number;
}

export interface PartitionContext {
  readonly client: RedisClient;
  readonly keys: StreamKeys;
  readonly project: string;
  /** The blocks of the events that were handed out and are not done with. */
  readonly blocks: PrivateNote<Block | null>;
  readonly onDamaged: () => void;
  readonly onNewer: () => void;
  /** Entries have vanished from Redis. */
  readonly onMissing: () => void;
}

export interface Room {
  events: number;
  bytes: number;
}

/** A partition that this relay holds: reads its stream from the start, hands out events, and deletes entries that are done with. */
export class HeldPartition {
  isLost = false;
  readonly #context: PartitionContext;
  /** By id. null: an entry that is left where it is. */
  readonly #blocks = new Map<string, Block | null>();
  /** Read, but not handed out completely. */
  #waiting: Block[] = [];
  #cursor = '-';
  #reading: Promise<boolean> | null = null;
  #readEntries = FIRST_READ_ENTRIES;
  #deletions: string[] = [];
  #deleting: Promise<void> = Promise.resolve();
  #isDraining = false;
  /** The length of the stream is not that of the known entries, as of the last look. */
  #differs = false;
  #emptyLooks = 0;
  #isMissing = false;

  constructor(
    readonly index: number,
    context: PartitionContext,
  ) {
    this.#context = context;
  }

  /** Id of the next block to hand out; null if none was read. */
  get nextId(): string | null {
    return this.#waiting[0]?.id ?? null;
  }

  /** True if none of its events is in this process. */
  get isIdle(): boolean {
    return this.#reading === null && [...this.#blocks.values()].every((block) => block === null);
  }

  /** While draining, only the rest of a block that was begun is handed out. */
  drain(isDraining: boolean): void {
    this.#isDraining = isDraining;
    if (!isDraining) return;
    const begun = this.#waiting.filter(({ handedOut }) => handedOut > 0);
    const [unread] = this.#waiting.slice(begun.length);
    if (unread) this.#cursor = unread.before;
    for (const { id } of this.#waiting.slice(begun.length)) this.#blocks.delete(id);
    this.#waiting = begun;
  }

  /** Adds events of the next block to `events`. Returns false if there is no room for all of them. */
  handOut(events: QueuedEvent[], room: Room): boolean {
    const [block] = this.#waiting;
    if (!block) return true;
    while (block.handedOut < block.events.length) {
      const event = block.events[block.handedOut];
      if (!event) break;
      if (room.events < 1 || (event.bytes > room.bytes && events.length > 0)) return false;
      room.events -= 1;
      room.bytes -= event.bytes;
      block.handedOut += 1;
      this.#context.blocks.write(event, block);
      events.push(event);
    }
    this.#waiting.shift();
    return true;
  }

  /** Reads the next entries. Resolves with true if there may be more. */
  read(): Promise<boolean> {
    if (this.#waiting.length > 0 || this.#isDraining || this.isLost) return Promise.resolve(this.#waiting.length > 0);
    return (this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    }));
  }

  /** All events of a block are done with. */
  delete({ id }: Block): void {
    this.#deletions.push(id);
  }

  /** Deletes entries whose events are settled. If a deletion fails, the next call repeats it. Never rejects. */
  flush(): Promise<void> {
    const ids = this.#deletions;
    if (ids.length === 0) return this.#deleting;
    this.#deletions = [];
    const pieces = Array.from({ length: Math.ceil(ids.length / DELETED_ENTRIES) }, (_, index) =>
      this.#deleteNow(ids.slice(index * DELETED_ENTRIES, (index + 1) * DELETED_ENTRIES)),
    );
    this.#deleting = Promise.all([this.#deleting, ...pieces]).then(() => undefined);
    return this.#deleting;
  }

  /** Resolves with false if Redis has lost the entries whose events are in this process. */
  async isStored(): Promise<boolean> {
    const { client, keys } = this.#context;
    // The last one: another relay may have deleted the first ones.
    const id = [...this.#blocks].findLast(([, block]) => block !== null)?.[0];
    if (id === undefined) return true;
    const entries = await client.send('XRANGE', keys.events(this.index), id, id);
    return Array.isArray(entries) && entries.length > 0;
  }

  /** Another relay has the partition. Returns the events of it that were handed out and are not done with. */
  lose(): QueuedEvent[] {
    this.isLost = true;
    const blocks = [...this.#blocks.values()].filter((block) => block !== null);
    this.#blocks.clear();
    this.#waiting = [];
    const gone = blocks.flatMap(({ events }) => events.filter((event) => this.#context.blocks.read(event)));
    for (const event of gone) this.#context.blocks.write(event, null);
    return gone;
  }

  async #deleteNow(ids: readonly string[]): Promise<void> {
    const { client, keys } = this.#context;
    try {
      await client.send('XDEL', keys.events(this.index), ...ids);
      for (const id of ids) this.#blocks.delete(id);
    } catch {
      this.#deletions.push(...ids);
    }
  }

  async #read(): Promise<boolean> {
    const { client, keys } = this.#context;
    const start = this.#cursor === '-' ? '-' : `(${this.#cursor}`;
    const count = this.#readEntries;
    const reply = await client.send('XRANGE', keys.events(this.index), start, '+', 'COUNT', String(count));
    const entries: readonly unknown[] = Array.isArray(reply) ? reply : [];
    for (const entry of entries) {
      if (this.isLost || this.#isDraining) return false;
      const [id, fields] = entry as readonly [unknown, unknown];
      if (!(await this.#add(String(id), fields))) return true;
    }
    if (this.#waiting.length > 0) this.#readEntries = entriesPerRead(this.#waiting);
    if (entries.length === 0) this.#emptyLooks += 1;
    if (entries.length === 0 && this.#emptyLooks % COMPARED_LOOKS === 0) await this.#compareLength();
    return entries.length === count;
  }

  /** Returns false if the entries that follow must be read again: `drain` has put the cursor back meanwhile. */
  async #add(id: string, fields: unknown): Promise<boolean> {
    const before = this.#cursor;
    if (!this.#blocks.has(id)) {
      const entry = readEntry(fields, this.#context.project);
      if (entry.kind === 'damaged') {
        const isAside = await this.#setAside(id, fields);
        if (this.#cursor !== before) return false;
        if (!isAside) this.#blocks.set(id, null);
      }
      if (entry.kind === 'newer') {
        this.#blocks.set(id, null);
        this.#context.onNewer();
      }
      if (entry.kind === 'events') {
        const { events } = entry;
        const block = { id, events, partition: this, before, handedOut: 0, open: events.length };
        this.#blocks.set(id, block);
        this.#waiting.push(block);
      }
    }
    this.#cursor = id;
    return true;
  }

  /** Resolves with false if the entry stays where it is, for example in a full Redis: it must not block the others. */
  async #setAside(id: string, fields: unknown): Promise<boolean> {
    const { client, keys, onDamaged } = this.#context;
    const copy = Array.isArray(fields) ? (fields as Buffer[]) : [];
    try {
      await client.send('XADD', keys.damaged(this.index), '*', ...copy, 'id', id);
      await client.send('XDEL', keys.events(this.index), id);
    } catch {
      return false;
    }
    onDamaged();
    return true;
  }

  /**
   * Nothing follows the cursor. After FLUSHALL, with a restored backup, or if the clock of a new primary is behind, entries may come
   * before it: then reading starts again. The first difference may be an entry that arrived in between.
   */
  async #compareLength(): Promise<void> {
    const { client, keys, onMissing } = this.#context;
    const length = Number(await client.send('XLEN', keys.events(this.index)));
    const known = this.#blocks.size;
    if (length === known) {
      this.#differs = false;
      this.#isMissing = false;
    } else if (this.#differs) {
      this.#differs = false;
      this.#cursor = '-';
      if (length < known && !this.#isMissing) onMissing();
      this.#isMissing = length < known;
    } else {
      this.#differs = true;
    }
  }
}

/** @param blocks the last ones that were read */
function entriesPerRead(blocks: readonly Block[]): number {
  let events = 0;
  let bytes = 0;
  for (const block of blocks) {
    events += block.events.length;
    for (const event of block.events) bytes += event.bytes;
  }
  const reads = Math.max(events / READ_EVENTS, bytes / READ_BYTES);
  return Math.max(1, Math.min(MAX_READ_ENTRIES, Math.floor(blocks.length / reads)));
}
