/**
 * Keeps events on disk until PostHog accepts them. Needs the package `lmdb`.
 *
 * @module nestjs-posthog-capture/lmdb
 */
import { resolve } from 'node:path';
import { PostHogConfigurationError } from '../options/configuration-error.js';
import { type QueuedEvent } from '../delivery/delivery.js';
import { type EventStore, type Recovery, type RecoveryRequest } from '../delivery/durability/event-store.js';
import { type Timer } from '../delivery/timers.js';
import { AdoptedFiles } from './adopted-files.js';
import { EventFile } from './event-file.js';
import { onExit } from '../shared/process-hooks.js';
import { loadLmdb } from './lmdb.js';
import { createRecordFile } from './record-file.js';
import { StoreDirectory } from './store-directory.js';

/** Options of `lmdbEventStore`. */
export interface LmdbEventStoreOptions {
  /**
   * A directory on a local disk, which is created if it does not exist. Processes, and instances of one process, may share it. Network file
   * systems are not supported: LMDB maps files into memory.
   */
  readonly path: string;
  /** Maximum size in bytes of the records of one process. Further events are in memory only. Default: 256 MiB. */
  readonly maxBytes?: number;
  /**
   * When an event is committed: `tick` at the end of the turn of the event loop, together with the other events of that turn; `capture` in
   * a commit of its own, before `capture()` returns. Committed events survive a crash of the process (`kill -9`). No commit waits for
   * the disk, so a loss of power may lose the last seconds. Default: `tick`.
   */
  readonly durability?: 'tick' | 'capture';
}

const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;
/** Events per commit when a lost file is rewritten. Small, so that most are kept if the space runs out. */
const REWRITTEN_EVENTS = 100;
/** Temporary errors, which are no fault of the configuration. */
const SHORTAGES = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM', 'EFBIG']);

/**
 * Creates a value for option `store` that keeps events in LMDB files until PostHog has accepted them. Requires the package `lmdb`.
 *
 * @throws PostHogConfigurationError if an option is invalid. The directory is checked at boot.
 */
export function lmdbEventStore({ path, maxBytes, durability }: LmdbEventStoreOptions): EventStore {
  const problems: string[] = [];
  if (typeof path !== 'string' || path.trim() === '') problems.push('store: path: expected a directory');
  if (maxBytes !== undefined && !(Number.isSafeInteger(maxBytes) && maxBytes > 0)) {
    problems.push('store: maxBytes: expected a whole number of bytes, 1 or more');
  }
  if (durability !== undefined && !['tick', 'capture'].includes(durability)) {
    problems.push('store: durability: expected tick or capture');
  }
  if (problems.length > 0) throw new PostHogConfigurationError(problems);
  return new LmdbEventStore(resolve(path), maxBytes ?? DEFAULT_MAX_BYTES, durability ?? 'tick');
}

interface Opened {
  readonly directory: StoreDirectory;
  /** Events that this process captured. */
  readonly own: EventFile;
  readonly adopted: AdoptedFiles;
}

/** A pending commit at the end of the current turn. */
interface Tick {
  readonly done: Promise<void>;
  readonly immediate: NodeJS.Immediate;
  readonly timer: Timer;
  /** Commits and settles `done`. */
  settle(): void;
}

class LmdbEventStore implements EventStore {
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #durability: 'tick' | 'capture';
  #project = '';
  #onLost: RecoveryRequest['onLost'];
  #opened: Opened | null = null;
  #tick: Tick | null = null;
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
      const { directory, adopted } = this.#open();
      return await adopted.recover(directory, { maxEvents, maxBytes });
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException;
      const failure = new Error(`cannot use ${JSON.stringify(this.#path)}: ${message}`, { cause: error });
      throw Object.assign(failure, { temporary: SHORTAGES.has(code) });
    }
  }

  append(events: readonly QueuedEvent[]): Promise<void> | undefined {
    const { own } = this.#open();
    for (const event of events) own.add(event);
    if (this.#durability === 'capture') {
      own.commit();
      return undefined;
    }
    return this.#atEndOfTurn(own.crowded);
  }

  remove(events: readonly QueuedEvent[]): Promise<void> | undefined {
    const { own, adopted } = this.#open();
    for (const event of events) if (!own.remove(event)) adopted.remove(event);
    return this.#atEndOfTurn(own.crowded);
  }

  async close(): Promise<void> {
    this.#unregisterExit();
    const opened = this.#opened;
    if (!opened) return;
    this.#commit();
    this.#opened = null;
    try {
      await opened.own.close();
    } finally {
      await opened.adopted.close().finally(() => opened.directory.leave());
    }
  }

  /** Reopens after a loss. Throws errors of the file system. */
  #open(): Opened {
    if (this.#opened) return this.#opened;
    const lmdb = loadLmdb();
    const directory = new StoreDirectory(this.#path, this.#project, () => this.#lost());
    try {
      const own = new EventFile(createRecordFile(lmdb, directory.ownFile), this.#project, null, this.#maxBytes);
      this.#opened = { directory, own, adopted: new AdoptedFiles(lmdb, this.#project) };
    } catch (error) {
      directory.leave();
      throw error;
    }
    this.#unregisterExit();
    // After process.exit() and an uncaught error, the turn does not end.
    this.#unregisterExit = onExit(() => this.#commit());
    return this.#opened;
  }

  /** Another process took this one for dead, or its files were deleted: rewrites the pending events. */
  #lost(): void {
    const opened = this.#opened;
    if (!opened) return;
    this.#opened = null;
    const pending = [...opened.adopted.pending, ...opened.own.pending];
    void opened.own.close().catch(() => undefined);
    void opened.adopted.close().catch(() => undefined);
    let written = 0;
    try {
      do {
        const { own } = this.#open();
        for (const event of pending.slice(written, written + REWRITTEN_EVENTS)) own.add(event);
        // Committed immediately, so that none of them can be removed in between.
        own.commit();
        written += REWRITTEN_EVENTS;
      } while (written < pending.length);
    } catch (error) {
      this.#onLost?.(error, pending.slice(written));
    }
  }

  /** @param now commits immediately instead of at the end of the turn */
  #atEndOfTurn(now: boolean): Promise<void> {
    this.#tick ??= this.#newTick();
    const { done } = this.#tick;
    if (now) this.#commit();
    return done;
  }

  #newTick(): Tick {
    let settle = (): void => undefined;
    const done = new Promise<void>((resolveTick) => {
      settle = () => {
        const committed = new Promise<void>((resolveCommit) => {
          this.#commitNow();
          resolveCommit();
        });
        resolveTick(committed);
      };
    });
    const commit = (): void => this.#commit();
    // Whichever comes first: from within an immediate, the next immediates are a turn away, but its timers are not.
    return { done, settle, immediate: setImmediate(commit), timer: setTimeout(commit, 0) };
  }

  #commit(): void {
    const tick = this.#tick;
    if (!tick) return;
    this.#tick = null;
    clearImmediate(tick.immediate);
    clearTimeout(tick.timer);
    tick.settle();
  }

  #commitNow(): void {
    const { own, adopted } = this.#open();
    try {
      own.commit();
    } finally {
      adopted.commit();
    }
  }
}

export { type EventStore } from '../delivery/durability/event-store.js';
