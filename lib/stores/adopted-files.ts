import { join } from 'node:path';
import { type QueuedEvent } from '../delivery/delivery.js';
import { type Capacity, type Recovery } from '../delivery/durability/event-store.js';
import { type EventSource, openSource } from './event-source.js';
import { codeOf, isMissing, isShortage } from './file-errors.js';
import { type Journal } from './journal.js';
import { type FoundBlock } from './segments/read-segment.js';
import { type Block, Segment } from './segments/segment.js';
import { type StoreDirectory } from './store-directory.js';

/** `recover` returns after this time, so that thousands of files do not delay the boot. */
const BUDGET_MS = 1000;

/** An event that was found in a file, and where. */
interface FoundEvent {
  readonly event: QueuedEvent;
  readonly block: Block;
  readonly index: number;
}

/**
 * Takes over the files of owners that have ended and recovers their events, file by file: only one of them is open at a time, and
 * only those whose events there is capacity for are taken.
 */
export class AdoptedFiles {
  readonly #directory: StoreDirectory;
  readonly #journal: Journal;
  readonly #project: string;
  /** The current search; null if there is none. */
  #search: AsyncGenerator<readonly FoundEvent[], void> | null = null;
  /** Found, but there was no capacity for them. */
  #waiting: readonly FoundEvent[] = [];
  /** For the next result of `recover`. */
  #warnings: string[] = [];
  /** Warnings that are given once. */
  readonly #given = new Set<string>();

  constructor(directory: StoreDirectory, journal: Journal, project: string) {
    this.#directory = directory;
    this.#journal = journal;
    this.#project = project;
  }

  async recover(capacity: Capacity): Promise<Recovery> {
    const events: QueuedEvent[] = [];
    let more = true;
    try {
      more = await this.#collect(events, capacity);
    } catch (error) {
      // Events that were found belong to this process now. The next call reports the error, unless it is over.
      if (events.length === 0) throw error;
    }
    const warnings = this.#warnings;
    this.#warnings = [];
    return { events, warnings, more };
  }

  /** Adds to `events` what there is capacity for. Resolves with true if time ran out before capacity did. */
  async #collect(events: QueuedEvent[], { maxEvents, maxBytes }: Capacity): Promise<boolean> {
    const end = performance.now() + BUDGET_MS;
    let bytes = 0;
    let isFull = false;
    while (!isFull && performance.now() < end && (this.#waiting.length > 0 || (await this.#findMore()))) {
      let taken = 0;
      for (const { event, block, index } of this.#waiting) {
        isFull = events.length >= maxEvents || (bytes + event.bytes > maxBytes && events.length > 0);
        if (isFull) break;
        this.#journal.adopt(event, block, index);
        events.push(event);
        bytes += event.bytes;
        taken += 1;
      }
      this.#waiting = this.#waiting.slice(taken);
    }
    return !isFull && this.#search !== null;
  }

  /** Adds a sentence to the next result of `recover`. */
  warn(warning: string): void {
    this.#warnings.push(warning);
  }

  async close(): Promise<void> {
    await this.#search?.return(undefined);
    this.#search = null;
  }

  /** Resolves with false if nothing was found. */
  async #findMore(): Promise<boolean> {
    this.#search ??= this.#findEvents();
    try {
      const next: IteratorResult<readonly FoundEvent[], void> = await this.#search.next();
      if (next.done !== true) {
        this.#waiting = next.value;
        return true;
      }
    } catch (error) {
      this.#search = null;
      throw error;
    }
    this.#search = null;
    return false;
  }

  async *#findEvents(): AsyncGenerator<readonly FoundEvent[], void> {
    for await (const { project, files } of this.#directory.leftovers()) {
      if (project !== this.#project) this.#warnOnce(FOREIGN);
      else for (const name of await this.#byAge(files)) yield* this.#eventsOf(name);
    }
  }

  /** Sorts files of one origin: segments are used again, so their names do not tell their age. */
  async #byAge(names: readonly string[]): Promise<readonly string[]> {
    if (names.length < 2) return names;
    const ages = new Map<string, number>();
    for (const name of names) {
      const source = await this.#open(name);
      await source?.close();
      if (source) ages.set(name, source.generation);
    }
    return [...ages.keys()].sort((a, b) => (ages.get(a) ?? 0) - (ages.get(b) ?? 0));
  }

  /** Yields the events of each block. */
  async *#eventsOf(name: string): AsyncGenerator<readonly FoundEvent[]> {
    const source = await this.#open(name);
    if (!source) return;
    try {
      if (source.isOfOtherVersion) {
        this.#warnOnce(OTHER_VERSION);
        return;
      }
      const path = await this.#unlessUnusable(name, () => this.#directory.adopt(name));
      if (path === null) return;
      const segment = Segment.adopted(path);
      this.#journal.register({ segment, finish: null });
      let damaged = 0;
      try {
        for await (const found of source.blocks()) {
          if (found.events) yield* this.#adopt(segment, found);
          else damaged += 1;
        }
      } catch (error) {
        if (isShortage(error)) throw error;
        // A part of the disk cannot be read.
        damaged += 1;
      }
      this.#journal.register({ segment, finish: () => this.#finish(segment, damaged) });
    } finally {
      await source.close();
    }
  }

  *#adopt(segment: Segment, { offset, count, events, removed }: FoundBlock): Generator<readonly FoundEvent[]> {
    if (!events || removed.length === count) return;
    const block: Block = { segment, offset, count, removed: [...removed], removedWritten: removed.length };
    const isRemoved = new Set(removed);
    const found = events.map((event, index) => ({ event, block, index })).filter(({ index }) => !isRemoved.has(index));
    segment.pending += found.length;
    yield found;
  }

  /** All events of a file have been removed. */
  #finish(segment: Segment, damaged: number): void {
    if (damaged === 0) {
      segment.discard();
      return;
    }
    // Files of version 0.1 called `.damaged` are read once more.
    const aside = segment.path.replace(/\.mdb$/, '.mdb.unreadable').replace(/\.events$/, '.events.damaged');
    segment.rename(aside);
    this.warn(
      `The store contained ${damaged} damaged block${damaged === 1 ? '' : 's'} of events. The file was set aside as ${JSON.stringify(aside)}; its other events were sent.`,
    );
  }

  /** Returns null if the file cannot be opened. */
  #open(name: string): Promise<EventSource | null> {
    return this.#unlessUnusable(name, (path) => openSource(path, this.#project));
  }

  /**
   * Returns null if the use of a file fails, which says nothing about its content: it may belong to another user. One such file must not
   * hide the others. Throws if there is a shortage, which concerns all files.
   */
  async #unlessUnusable<T>(name: string, use: (path: string) => T | Promise<T>): Promise<T | null> {
    const path = join(this.#directory.path, name);
    try {
      return await use(path);
    } catch (error) {
      if (isMissing(error)) return null;
      if (isShortage(error)) throw error;
      this.#warnOnce(
        `A file of the store cannot be used (${codeOf(error)}): ${JSON.stringify(path)}. It is kept. A process that can read and rename it sends its events.`,
      );
      return null;
    }
  }

  #warnOnce(warning: string): void {
    if (this.#given.has(warning)) return;
    this.#given.add(warning);
    this.warn(warning);
  }
}

const FOREIGN =
  'The store holds events of another PostHog project, captured with another key or host. They are kept and not sent. ' +
  'To send them, start once with the former key and host.';

const OTHER_VERSION =
  'The store holds files of another, probably newer version of nestjs-posthog-capture. They are kept and not sent. ' +
  'To send them, start once with that version.';
