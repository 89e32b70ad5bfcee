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

/** Where and how events are kept. */
export interface LmdbEventStoreOptions {
  /**
   * A directory on a local disk; created if need be. Processes may share it, and so may instances of one process. Not a network
   * file system: LMDB maps files into memory.
   */
  readonly path: string;
  /** Most bytes of records that one process keeps; what is captured beyond lives in memory only. Default: 256 MiB. */
  readonly maxBytes?: number;
  /**
   * When an event is committed. `tick`: at the end of the turn of the event loop in which it was captured, together with
   * the others of that turn. `capture`: before `capture()` returns, in a commit of its own. Both outlive the death of the
   * process (`kill -9`); neither waits for the disk, so a loss of power may cost the last seconds. Default: `tick`.
   */
  readonly durability?: 'tick' | 'capture';
}

const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;
/** So many events are written again at once: what fits is kept. */
const REWRITTEN_EVENTS = 100;
/** The file system is out of something: that passes, and is no fault of the configuration. */
const SHORTAGES = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOMEM', 'EFBIG']);

/**
 * Keeps events on disk, in LMDB, until PostHog has answered for them: for option `store`.
 *
 * @throws PostHogConfigurationError when an option is wrong. Whether the directory can be used turns out at boot.
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

/** What is open while the directory can be used. */
interface Opened {
  readonly directory: StoreDirectory;
  /** The events that this process captured. */
  readonly own: EventFile;
  readonly adopted: AdoptedFiles;
}

/** What is to be committed at the end of the current turn. */
interface Tick {
  readonly done: Promise<void>;
  readonly immediate: NodeJS.Immediate;
  readonly timer: Timer;
  /** Commits, and settles `done` accordingly. */
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
  #takeBackExit: () => void = () => undefined;

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
    this.#takeBackExit();
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

  /** Opened anew after it was lost; throws what the file system says. */
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
    this.#takeBackExit();
    // process.exit() and an uncaught error leave no turn to end.
    this.#takeBackExit = onExit(() => this.#commit());
    return this.#opened;
  }

  /** This process was taken for dead, or its files were deleted: what is pending is written once more. */
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
        // Now, so that nobody can answer for one of them meanwhile.
        own.commit();
        written += REWRITTEN_EVENTS;
      } while (written < pending.length);
    } catch (error) {
      this.#onLost?.(error, pending.slice(written));
    }
  }

  /**
   * Commits all that the current turn brings.
   *
   * @param now not even the end of the turn is soon enough
   */
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
    // What was captured in an immediate would wait for the next turn's immediates: its timers come first.
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
