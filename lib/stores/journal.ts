import { type QueuedEvent } from '../delivery/delivery.js';
import { BlockWriter } from '../records/event-block.js';
import { type EventPlace, EventPlaces } from '../records/event-places.js';
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

/** A segment is full at this size. Smaller for a small `maxBytes`, to free space in pieces; larger for a large one, to limit descriptors. */
const SEGMENT_BYTES = 4 * 1024 * 1024;
const MIN_SEGMENTS = 8;
const MAX_SEGMENTS = 64;

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
    const largest = Math.max(SEGMENT_BYTES, Math.ceil(maxBytes / MAX_SEGMENTS));
    this.#segmentBytes = Math.min(largest, Math.ceil(maxBytes / MIN_SEGMENTS));
    this.#writer = new BlockWriter(project);
  }

  /** Files in use. */
  get segments(): readonly Segment[] {
    return [...this.#own, ...this.#adopted.keys()];
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
    // More of its events are found while it is being read.
    if (this.#adopted.get(lost)?.finish) this.#adopted.delete(lost);
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
    const fits = active && (active.isEmpty || active.fits(bytes, this.#segmentBytes));
    if (fits && this.#hasRoom(active.growth(bytes))) return active;
    const spare = this.#spare;
    if (!this.#hasRoom(spare ? spare.growth(bytes) : bytes)) {
      if (!spare) throw new Error(`it is full (maxBytes is ${this.#maxBytes})`);
      this.#delete(spare);
      return this.#segmentFor(bytes);
    }
    // A segment is as old as its first event.
    spare?.reset(this.#nextGeneration());
    this.#active = spare ?? this.#create();
    this.#spare = active?.isEmpty === true ? active : null;
    return this.#active;
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

  #hasRoom(growth: number): boolean {
    if (growth === 0) return true;
    let bytes = growth;
    for (const { size } of this.#own) bytes += size;
    return bytes <= this.#maxBytes;
  }

  #writeRemovals(): void {
    const changed = this.#changed;
    this.#changed = [];
    const errors: unknown[] = [];
    for (const block of changed) {
      const { segment } = block;
      try {
        if (segment?.pending === 0 && this.#free(segment)) block.removedWritten = block.removed.length;
        else segment?.writeRemovals(block);
      } catch (error) {
        // One file must not keep the others from being freed.
        this.#changed.push(block);
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  /** Returns false if the file must be kept. */
  #free(segment: Segment): boolean {
    if (this.#adopted.has(segment)) return this.#finishIfDone(segment);
    if (!this.#own.has(segment) || segment.isEmpty) return true;
    if (segment === this.#active || !this.#spare) {
      segment.reset(this.#nextGeneration());
      if (segment !== this.#active) this.#spare = segment;
    } else {
      this.#delete(segment);
    }
    return true;
  }

  #delete(segment: Segment): void {
    segment.discard();
    this.#own.delete(segment);
    if (this.#spare === segment) this.#spare = null;
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
