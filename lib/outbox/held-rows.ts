import { type QueuedEvent } from '../delivery/delivery.js';
import { privateNote } from '../records/event-places.js';
import { type Row } from './clients/client-shape.js';
import { DamagedRows } from './damaged-rows.js';
import { type DatabaseProblem } from './database-errors.js';
import { type Database } from './database.js';
import { eventOf, eventRows, seqOf, seqsOf } from './outbox-row.js';
import { type RelayStatements, type SettledRow } from './relay-statements.js';
import { SeqGaps } from './seq-gaps.js';

/** Number of rows whose events are in this process. */
const MAX_OPEN = 5000;
/** Number of rows that may be known besides: to be deleted, or left where they are. */
const MAX_OTHER = 20_000;
/** Fewer are not read while others are held: small pieces cost more. */
const MIN_ROOM = 500;
const MIN_READ = 10;
const MAX_READ = 1000;
/** Bytes of a read, by the mean of the rows so far. */
const READ_BYTES = 8 * 1024 * 1024;
const EXPECTED_BYTES = 80_000;
/** Number of rows that the mean is over. */
const MEAN_ROWS = 50;
/** Number of late rows that are fetched one by one. */
const MAX_LATE = 200;

export interface Room {
  events: number;
  bytes: number;
}

export interface HeldRowsEvents {
  readonly onDamaged: () => void;
  /** False while another relay may have the lease. */
  readonly isCertain: () => boolean;
}

interface Waiting {
  readonly seq: string;
  readonly event: QueuedEvent;
}

/**
 * The rows of a project that this process knows while it has the lease. It reads the table upwards from the smallest `seq`. A transaction
 * may commit after one that got a larger `seq`: such rows are found by comparing the table with the rows that are known.
 */
export class HeldRows {
  readonly #database: Database;
  readonly #statements: RelayStatements;
  readonly #events: HeldRowsEvents;
  /** By seq. null: the event is settled, or the row is left where it is. */
  readonly #known = new Map<string, QueuedEvent | null>();
  /** The seq of an event that was handed out and is not settled. */
  readonly #seqs = privateNote<string | null>();
  #waiting: Waiting[] = [];
  /** Index of the first one that was not handed out. */
  #next = 0;
  #open = 0;
  #last = '0';
  #meanBytes = EXPECTED_BYTES;
  #read: Promise<boolean> | null = null;
  /** Rows that were deleted while others were read: the result may contain them. */
  readonly #deletedMeanwhile = new Set<string>();
  #gaps = new SeqGaps();
  #isMore = true;
  #isLost = false;
  readonly #damaged: DamagedRows;
  #isDamageReported = false;

  constructor(database: Database, statements: RelayStatements, events: HeldRowsEvents) {
    this.#database = database;
    this.#statements = statements;
    this.#events = events;
    this.#damaged = new DamagedRows(database, statements, events.isCertain);
  }

  /** True if it has no rows but those that cannot be read. */
  get isIdle(): boolean {
    return this.#known.size === this.#damaged.size;
  }

  /** True if it pays to read more rows. */
  get hasRoom(): boolean {
    return this.#open + MIN_ROOM <= MAX_OPEN && this.#known.size - this.#open < MAX_OTHER;
  }

  /** Why rows that cannot be read are still among the others; null if there are none. */
  get damage(): DatabaseProblem | null {
    return this.#damaged.failure;
  }

  /** True if no more rows are read because of too many that cannot be read. */
  get isBlocked(): boolean {
    return this.#damaged.size >= MAX_OTHER;
  }

  /** True if the last read did not reach the end of the table. */
  get isMore(): boolean {
    return this.#isMore;
  }

  /** True if events were read that are not handed out. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** The read in progress. Never rejects. */
  get read(): Promise<unknown> | undefined {
    return this.#read?.catch(() => undefined);
  }

  /** Adds events to `events`, in the order of their inserts. Returns false if there is no room for all of them. */
  handOut(events: QueuedEvent[], room: Room): boolean {
    while (this.#next < this.#waiting.length) {
      const { seq, event } = this.#waiting[this.#next] as Waiting;
      if (room.events < 1 || (event.bytes > room.bytes && events.length > 0)) return false;
      room.events -= 1;
      room.bytes -= event.bytes;
      this.#next += 1;
      this.#seqs.write(event, seq);
      events.push(event);
    }
    this.#waiting = [];
    this.#next = 0;
    return true;
  }

  /** Reads the next rows. Resolves with false if there are none. */
  readNext(): Promise<boolean> {
    return this.#reading(async () => {
      const limit = this.#limit;
      const start = this.#last;
      const rows = eventRows(await this.#database.read(this.#statements.next(start, limit)));
      const last = rows.at(-1);
      this.#isMore = rows.length >= limit;
      if (!last || this.#isLost) return false;
      for (const row of rows) this.#gaps.passed(Number(row.seq), Number(row.capturedat));
      const late = await this.#overtaken(Number(start));
      if (late === null) return true;
      // Only now: if the database fails in between, these rows are read again.
      this.#last = seqOf(last);
      return (await this.#add(late.length === 0 ? rows : inOrder([...late, ...rows]))) || this.#isMore;
    });
  }

  /**
   * Reads the table from the start again. Call after a read has failed, while no other is in progress: a database that has recovered, or a replica that has taken over, may assign
   * numbers again that were read before.
   */
  startOver(): void {
    this.#last = '0';
    this.#isMore = true;
    this.#gaps = new SeqGaps();
    for (const seq of this.#damaged.forget()) this.#known.delete(seq);
  }

  /** Finds rows that were committed after rows with a larger seq had been read. */
  async readLate(): Promise<void> {
    await this.read;
    await this.#reading(async () => {
      if (this.#last === '0') return false;
      const late = await this.#late(this.#statements.seqsUpTo(this.#last, this.#maxSeqs));
      return late === null || this.#add(late);
    });
  }

  /** Tries to set aside rows that cannot be read, where it failed before. Never rejects. */
  async setAside(): Promise<void> {
    if (this.#isLost || this.#damaged.size === 0) return;
    const done = await this.#damaged.setAside();
    this.deleted(done);
    if (done.length > 0 && !this.#isDamageReported) {
      this.#isDamageReported = true;
      this.#events.onDamaged();
    }
  }

  /** The fates of these events are known. Returns the rows to be deleted. */
  settle(events: readonly QueuedEvent[]): SettledRow[] {
    const settled: SettledRow[] = [];
    for (const event of events) {
      const seq = this.#seqs.read(event);
      // Of another lease, or not from here.
      if (typeof seq !== 'string' || this.#known.get(seq) !== event) continue;
      this.#seqs.write(event, null);
      this.#known.set(seq, null);
      this.#open -= 1;
      settled.push({ seq, uuid: event.id });
    }
    return settled;
  }

  deleted(seqs: readonly string[]): void {
    for (const seq of seqs) {
      this.#known.delete(seq);
      if (this.#read) this.#deletedMeanwhile.add(seq);
    }
  }

  /** Another relay has the lease. Returns the events that were handed out and are not settled. */
  lose(): QueuedEvent[] {
    this.#isLost = true;
    const gone: QueuedEvent[] = [];
    for (const event of this.#known.values()) {
      if (!event || typeof this.#seqs.read(event) !== 'string') continue;
      this.#seqs.write(event, null);
      gone.push(event);
    }
    this.#known.clear();
    this.#waiting = [];
    this.#next = 0;
    this.#open = 0;
    return gone;
  }

  /**
   * Rows in gaps that were committed meanwhile. Must run after the read of the next rows, so that it finds every row that was committed before
   * one of them.
   *
   * @param upTo where that read began. Larger numbers are of rows that it has found, or will be found by the next one
   */
  async #overtaken(upTo: number): Promise<readonly Row[] | null> {
    const ranges = this.#gaps.upTo(upTo);
    if (ranges.length === 0) return [];
    const startedAt = performance.now();
    const late = await this.#late(this.#statements.seqsWithin(ranges, this.#maxSeqs));
    this.#gaps.lookedUp(upTo, startedAt);
    return late;
  }

  /**
   * The rows that are new among those of the statement. null: there are so many that reading must go on with the first of them, as after a
   * long transaction, or in a database that was restored.
   */
  async #late(statement: string): Promise<readonly Row[] | null> {
    const late = seqsOf(await this.#database.read(statement)).filter((seq) => this.#isNew(seq));
    const [first] = late;
    if (first === undefined || this.#isLost) return [];
    if (late.length <= MAX_LATE) return eventRows(await this.#database.read(this.#statements.rows(late)));
    this.#last = String(BigInt(first) - 1n);
    this.#isMore = true;
    return null;
  }

  /** Enough to find new ones among those that are known. */
  get #maxSeqs(): number {
    return this.#known.size + this.#deletedMeanwhile.size + MAX_READ;
  }

  get #limit(): number {
    const limit = Math.max(MIN_READ, Math.min(MAX_READ, Math.floor(READ_BYTES / this.#meanBytes)));
    return Math.min(limit, MAX_OPEN - this.#open);
  }

  /** One at a time. */
  #reading(read: () => Promise<boolean>): Promise<boolean> {
    return (this.#read ??= read().finally(() => {
      this.#read = null;
      this.#deletedMeanwhile.clear();
    }));
  }

  #isNew(seq: string): boolean {
    return !this.#known.has(seq) && !this.#deletedMeanwhile.has(seq);
  }

  /** Resolves with true if there are new events. */
  async #add(rows: readonly Row[]): Promise<boolean> {
    const damaged: string[] = [];
    const before = this.#waiting.length;
    const newest = Number(this.#waiting.at(-1)?.seq ?? 0);
    let isInOrder = true;
    if (this.#isLost) return false;
    for (const row of rows) {
      const seq = seqOf(row);
      if (!this.#isNew(seq)) continue;
      const event = eventOf(row);
      this.#known.set(seq, event);
      if (!event) {
        damaged.push(seq);
        continue;
      }
      this.#open += 1;
      isInOrder &&= Number(seq) > newest;
      this.#waiting.push({ seq, event });
      this.#meanBytes += (event.bytes - this.#meanBytes) / MEAN_ROWS;
    }
    const isNew = this.#waiting.length > before;
    if (!isInOrder) {
      this.#waiting = inOrder(this.#waiting.slice(this.#next));
      this.#next = 0;
    }
    if (damaged.length > 0) {
      this.#damaged.add(damaged);
      await this.setAside();
    }
    return isNew;
  }
}

const inOrder = <R extends { readonly seq?: unknown }>(rows: R[]): R[] =>
  rows.sort((one, other) => Number(one.seq) - Number(other.seq));
