/**
 * Keeps events in files until PostHog accepts them.
 *
 * @module nestjs-posthog-capture/store
 */
import { resolve } from 'node:path';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { type QueuedEvent } from '../delivery/delivery.js';
import { type EventStore, type Recovery, type RecoveryRequest } from '../delivery/durability/event-store.js';
import { onExit } from '../shared/process-hooks.js';
import { AdoptedFiles } from './adopted-files.js';
import { EndOfTurn } from './end-of-turn.js';
import { isShortage } from './file-errors.js';
import { Journal } from './journal.js';
import { StoreDirectory } from './store-directory.js';

/** Options of `fileEventStore`. */
export interface FileEventStoreOptions {
  /**
   * A directory on a local disk, which is created if it does not exist. Processes, worker threads, and instances of one process may
   * share it.
   */
  readonly path: string;
  /** Maximum size in bytes of the files that one process writes. Further events are in memory only. Default: 256 MiB. */
  readonly maxBytes?: number;
  /**
   * When an event is written: `tick` at the end of the turn of the event loop, together with the other events of that turn; `capture`
   * in a write of its own, before `capture()` returns. Written events survive a crash of the process (`kill -9`). No write waits for
   * the disk, so a loss of power may lose the last seconds. Default: `tick`.
   */
  readonly durability?: 'tick' | 'capture';
}

const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;
/** Number of files that a heartbeat checks. More of them take turns, because thousands may have been adopted. */
const CHECKED_FILES = 100;

/**
 * Creates a value for option `store` that keeps events in files until PostHog has accepted them.
 *
 * @throws PostHogConfigurationError if an option is invalid. The directory is checked at boot.
 */
export function fileEventStore({ path, maxBytes, durability }: FileEventStoreOptions): EventStore {
  const problems: string[] = [];
  if (typeof path !== 'string' || path.trim() === '') problems.push('store: path: expected a directory');
  if (maxBytes !== undefined && !(Number.isSafeInteger(maxBytes) && maxBytes > 0)) {
    problems.push('store: maxBytes: expected a whole number of bytes, 1 or more');
  }
  if (durability !== undefined && !['tick', 'capture'].includes(durability)) {
    problems.push('store: durability: expected tick or capture');
  }
  if (problems.length > 0) throw new PostHogConfigurationError(problems);
  return new FileEventStore(resolve(path), maxBytes ?? DEFAULT_MAX_BYTES, durability ?? 'tick');
}

interface Opened {
  readonly directory: StoreDirectory;
  readonly journal: Journal;
  readonly adopted: AdoptedFiles;
}

class FileEventStore implements EventStore {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #durability: 'tick' | 'capture';
  readonly #turn = new EndOfTurn(() => this.#opened?.journal.commit());
  #project = '';
  #onLost: RecoveryRequest['onLost'];
  #opened: Opened | null = null;
  /** Index of the next file to check. */
  #nextChecked = 0;
  #unregisterExit: () => void = () => undefined;

  constructor(path: string, maxBytes: number, durability: 'tick' | 'capture') {
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#durability = durability;
  }

  async recover({ project, maxEvents, maxBytes, onLost }: RecoveryRequest): Promise<Recovery> {
    this.#project = project;
    this.#onLost = onLost;
    try {
      return await this.#open().adopted.recover({ maxEvents, maxBytes });
    } catch (error) {
      const { message } = error as Error;
      const failure = new Error(`cannot use ${JSON.stringify(this.#path)}: ${message}`, { cause: error });
      throw Object.assign(failure, { temporary: isShortage(error) });
    }
  }

  append(events: readonly QueuedEvent[]): Promise<void> | undefined {
    const { journal } = this.#open();
    for (const event of events) journal.add(event);
    if (this.#durability === 'capture') {
      journal.commit();
      return undefined;
    }
    return this.#turn.end(journal.crowded);
  }

  remove(events: readonly QueuedEvent[]): Promise<void> | undefined {
    const { journal } = this.#open();
    for (const event of events) journal.remove(event);
    return this.#turn.end(journal.crowded);
  }

  commit(): void {
    if (!this.#turn.endNow()) throw new Error('the events of this turn could not be written');
  }

  async close(): Promise<void> {
    this.#unregisterExit();
    const opened = this.#opened;
    if (!opened) return;
    this.#turn.endNow();
    this.#opened = null;
    try {
      await opened.adopted.close();
      opened.journal.close();
    } finally {
      opened.directory.leave();
    }
  }

  /** Throws errors of the file system. */
  #open(): Opened {
    if (this.#opened) return this.#opened;
    const directory = new StoreDirectory(this.#path, this.#project, () => this.#checkFiles(opened));
    const journal = new Journal(this.#project, this.#maxBytes, () => directory.newFile());
    const opened: Opened = { directory, journal, adopted: new AdoptedFiles(directory, journal, this.#project) };
    this.#opened = opened;
    // After process.exit() and an uncaught error, the turn does not end.
    this.#unregisterExit = onExit(() => void this.#turn.endNow());
    return opened;
  }

  /** Other programs delete old files, and another process may have taken this one for dead. */
  async #checkFiles({ directory, journal, adopted }: Opened): Promise<void> {
    await directory.touchLock();
    const { segments } = journal;
    const from = this.#nextChecked < segments.length ? this.#nextChecked : 0;
    this.#nextChecked = from + CHECKED_FILES;
    for (const segment of segments.slice(from, this.#nextChecked)) {
      if ((await segment.touch()) || this.#opened?.journal !== journal) continue;
      // Its events of this turn are not lost.
      this.#turn.endNow();
      const rescued = journal.rescue(segment, (error, events) => this.#onLost?.(error, events));
      if (rescued > 0)
        adopted.warn(
          `A file of the store was deleted or moved by another program. Its ${rescued} events were written again.`,
        );
    }
  }
}

export { type EventStore } from '../delivery/durability/event-store.js';
