import { type QueuedEvent } from '../delivery/delivery.js';
import { BlockWriter } from './event-block.js';
import { type EventPlace, EventPlaces } from './event-places.js';
import { type Block, frameRoom, isEmptied, newBlock, Segment } from './segments/segment.js';

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
    /** Sorts blocks by age. */
    readonly order: number,
  ) {}
}

/** A block is full when it reaches either limit. */
const BLOCK_EVENTS = 128;
const BLOCK_BYTES = 256 * 1024;

/** A segment is full at this size, or at an eighth of a small `maxBytes`, so that space is freed in pieces. */
const SEGMENT_BYTES = 4 * 1024 * 1024;
const SEGMENTS = 8;

/** A file of an earlier process. */
export interface AdoptedSegment {
  readonly segment: Segment;
  /** Deletes the file or sets it aside, once all its events have been removed; null until it has been read completely. */
  readonly finish: (() => void) | null;
}

/**
 * The pending events of one owner. Events that are committed together become a block, which is appended to the newest segment. Removing
 * an event overwrites its flag, and when all events of a segment have been removed, the segment is used again. All calls are
 * synchronous and throw errors of the file system.
 */
export class Journal {
  readonly #newPath: () => string;
  readonly #maxBytes: number;
  readonly #segmentBytes: number;
  readonly #writer: BlockWriter;
  /** Places of all events that have not been removed, including those that have not been written. */
  readonly #places = new EventPlaces<Place>();
  #new: NewBlock[] = [];
  /** Blocks with removals that have not been written. A new array for each commit, for the reason that `SmallSet` gives. */
  #changed: Block[] = [];
  #order = 0;
  #generation = 0;
  /** Segments that this process writes. */
  readonly #own = new Set<Segment>();
  #active: Segment | null = null;
  #spare: Segment | null = null;
  readonly #adopted = new Map<Segment, AdoptedSegment>();

  /**
   * @param newPath returns the path of a file to create
   * @param maxBytes maximum size of all files that this process writes
   */
  constructor(project: string, maxBytes: number, newPath: () => string) {
    this.#newPath = newPath;
    this.#maxBytes = maxBytes;
    this.#segmentBytes = Math.min(SEGMENT_BYTES, Math.ceil(maxBytes / SEGMENTS));
    this.#writer = new BlockWriter(project);
  }

  /** Files in use. */
  get segments(): readonly Segment[] {
    return [...this.#own, ...this.#adopted.keys()];
  }

  /** Events that were added or adopted and have not been removed, oldest first. */
  get pending(): readonly QueuedEvent[] {
    return this.#sorted(this.#places.all).map(({ event }) => event);
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
    const { block, events } = last;
    if (!this.#places.add(new Place(event, block, events.length, this.#order))) return;
    events.push(event);
    last.payloadBytes += event.bytes;
    block.count += 1;
  }

  /** Adds an event that a file of an earlier process contains. */
  adopt(event: QueuedEvent, block: Block, index: number): void {
    this.#order += 1;
    this.#places.add(new Place(event, block, index, this.#order));
  }

  /** Registers a file of an earlier process, or updates its registration. */
  register(adopted: AdoptedSegment): void {
    this.#adopted.set(adopted.segment, adopted);
    this.#finishIfDone(adopted.segment);
  }

  /** Removes an event; `commit` writes the removal. Others are ignored. */
  remove(event: QueuedEvent): void {
    const place = this.#places.take(event);
    if (place) this.#markRemoved(place);
  }

  /**
   * Writes additions and removals. If it throws, the additions are discarded, and the removals are written the next time.
   */
  commit(): void {
    const added = this.#new;
    this.#new = [];
    try {
      // First: it may make room.
      this.#writeRemovals();
      for (const one of added) if (!isEmptied(one.block)) this.#append(one);
    } catch (error) {
      this.#discard(added);
      throw error;
    }
  }

  /**
   * Writes the events of a file again that was deleted or taken over by another process. Returns their number.
   *
   * @param failed called with the events that could not be written
   */
  rescue(lost: Segment, failed: (error: unknown, events: readonly QueuedEvent[]) => void): number {
    lost.close();
    this.#own.delete(lost);
    this.#adopted.delete(lost);
    if (this.#active === lost) this.#active = null;
    if (this.#spare === lost) this.#spare = null;
    const events = this.#sorted(this.#places.all.filter(({ block }) => block.segment === lost)).map(
      ({ event }) => event,
    );
    this.#changed = this.#changed.filter(({ segment }) => segment !== lost);
    for (const event of events) this.#places.take(event);
    for (let from = 0; from < events.length; from += BLOCK_EVENTS) {
      try {
        for (const event of events.slice(from, from + BLOCK_EVENTS)) this.add(event);
        this.commit();
      } catch (error) {
        failed(error, events.slice(from));
        break;
      }
    }
    return events.length;
  }

  /** Commits. Files with pending events stay for the next process. */
  close(): void {
    try {
      this.commit();
    } finally {
      for (const segment of this.#own) {
        if (segment.pending === 0) segment.discard();
        else segment.close();
      }
    }
  }

  #newBlock(): NewBlock {
    this.#order += 1;
    return { block: newBlock(), events: [], payloadBytes: 0 };
  }

  #markRemoved({ block, index }: Place): void {
    if (block.segment) {
      block.segment.pending -= 1;
      if (block.removed.length === block.removedWritten) this.#changed.push(block);
    }
    block.removed.push(index);
  }

  #append({ block, events }: NewBlock): void {
    const frame = this.#writer.write(events, frameRoom(events.length));
    this.#segmentFor(frame.length).append(block, frame);
  }

  #segmentFor(bytes: number): Segment {
    const active = this.#active;
    if (active && (active.isEmpty || active.fits(bytes, this.#segmentBytes))) {
      this.#checkSize(active.growth(bytes));
      return active;
    }
    const spare = this.#spare;
    this.#checkSize(spare ? spare.growth(bytes) : bytes);
    // A segment is as old as its first event.
    spare?.reset(this.#nextGeneration());
    const next = spare ?? this.#create();
    this.#spare = null;
    this.#active = next;
    return next;
  }

  #create(): Segment {
    const segment = Segment.create(this.#newPath(), this.#nextGeneration());
    this.#own.add(segment);
    return segment;
  }

  /** Generations increase from segment to segment, so they sort the segments of an owner by age. */
  #nextGeneration(): number {
    this.#generation += 1;
    return this.#generation;
  }

  #checkSize(growth: number): void {
    if (growth === 0) return;
    let bytes = growth;
    for (const { size } of this.#own) bytes += size;
    if (bytes > this.#maxBytes) throw new Error(`it is full (maxBytes is ${this.#maxBytes})`);
  }

  #writeRemovals(): void {
    const changed = this.#changed;
    this.#changed = [];
    let written = 0;
    try {
      for (const block of changed) {
        const { segment } = block;
        if (segment?.pending === 0 && this.#free(segment)) block.removedWritten = block.removed.length;
        else segment?.writeRemovals(block);
        written += 1;
      }
    } catch (error) {
      this.#changed = changed.slice(written);
      throw error;
    }
  }

  /** Returns false if the file must be kept. */
  #free(segment: Segment): boolean {
    if (this.#adopted.has(segment)) return this.#finishIfDone(segment);
    if (!this.#own.has(segment) || segment.isEmpty) return true;
    if (segment === this.#active || !this.#spare) {
      segment.reset(this.#nextGeneration());
      if (segment !== this.#active) this.#spare = segment;
    } else {
      segment.discard();
      this.#own.delete(segment);
    }
    return true;
  }

  #finishIfDone(segment: Segment): boolean {
    const adopted = this.#adopted.get(segment);
    if (!adopted?.finish || segment.pending > 0) return adopted === undefined;
    adopted.finish();
    this.#adopted.delete(segment);
    return true;
  }

  /** Removes events that were not all written. */
  #discard(added: readonly NewBlock[]): void {
    for (const event of added.flatMap(({ events }) => events)) this.remove(event);
    try {
      this.#writeRemovals();
    } catch {
      // The removals are kept for the next commit, and the caller gets the first error.
    }
  }

  #sorted(places: readonly Place[]): readonly Place[] {
    return places.toSorted((a, b) => a.order - b.order || a.index - b.index);
  }
}

const isFull = ({ events, payloadBytes }: NewBlock): boolean =>
  events.length >= BLOCK_EVENTS || payloadBytes >= BLOCK_BYTES;
