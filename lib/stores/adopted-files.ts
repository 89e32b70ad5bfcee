import { existsSync } from 'node:fs';
import { backoffMs } from '../delivery/sending/retry-policy.js';
import { type QueuedEvent } from '../delivery/delivery.js';
import { type Capacity, type Recovery } from '../delivery/durability/event-store.js';
import { EventFile } from './event-file.js';
import { inspectFiles } from './inspect-files.js';
import { type LmdbPackage } from './lmdb.js';
import { RecordFile } from './record-file.js';
import { type StoreDirectory } from './store-directory.js';

/** Delay before the next inspection after one was killed: one of the files may exhaust the memory each time. */
const INSPECTION_BACKOFF = { retryBaseMs: 10_000, retryMaxMs: 5 * 60_000 };

/** Takes over the files of dead processes and recovers their events. */
export class AdoptedFiles {
  readonly #lmdb: LmdbPackage;
  readonly #project: string;
  /** Adopted, but not inspected yet. */
  #unknown: string[] = [];
  /** Consecutive inspections that were killed. */
  #killed = 0;
  /** Time of the next inspection by `performance.now()`, which no clock change affects. */
  #inspectAt = 0;
  #files: EventFile[] = [];
  #foreign = 0;
  /** For the next result of `recover`; kept if recovering fails in between. */
  #warnings: string[] = [];

  constructor(lmdb: LmdbPackage, project: string) {
    this.#lmdb = lmdb;
    this.#project = project;
  }

  /** Recovered events that have not been removed. */
  get pending(): readonly QueuedEvent[] {
    return this.#files.flatMap((file) => file.pending);
  }

  async recover(directory: StoreDirectory, capacity: Capacity): Promise<Recovery> {
    const { files, foreign } = await directory.leftovers();
    if (foreign > this.#foreign) this.#warnings.push(FOREIGN);
    this.#foreign = foreign;
    for (const file of files) {
      const path = directory.adopt(file);
      if (path !== null) this.#unknown.push(path);
    }
    await this.#inspect(directory);
    const events = this.#read(capacity);
    this.#finish(directory);
    const warnings = this.#warnings;
    this.#warnings = [];
    return { events, warnings };
  }

  remove(event: QueuedEvent): void {
    this.#files.some((file) => file.remove(event));
  }

  /** Writes the removals. If it throws, they are written the next time. */
  commit(): void {
    for (const file of this.#files) file.commit();
  }

  async close(): Promise<void> {
    const files = this.#files;
    this.#files = [];
    await Promise.all(files.map((file) => file.close()));
  }

  async #inspect(directory: StoreDirectory): Promise<void> {
    // Somebody may have deleted one.
    this.#unknown = this.#unknown.filter((path) => existsSync(path));
    if (this.#unknown.length === 0 || performance.now() < this.#inspectAt) return;
    const { intact, damaged, unknown, endedBy } = await inspectFiles(this.#unknown);
    this.#killed = endedBy === null ? 0 : this.#killed + 1;
    if (endedBy !== null) {
      this.#inspectAt = performance.now() + backoffMs(this.#killed, INSPECTION_BACKOFF);
      this.#warnings.push(
        `Not all files of earlier processes in the store could be inspected: the inspecting process was killed (${endedBy}). ` +
          'Their events are kept and sent later.',
      );
    }
    // Each is noted immediately: if one fails, the others can still be taken over.
    for (const path of damaged) {
      const aside = directory.setAside(path);
      this.#known(path);
      this.#warnings.push(
        `The store contained a damaged file. It was set aside as ${JSON.stringify(aside)}; its events are not sent.`,
      );
    }
    for (const path of intact) {
      this.#files.push(new EventFile(new RecordFile(this.#lmdb, path), this.#project, 1));
      this.#known(path);
    }
    this.#unknown = [...unknown];
  }

  #known(path: string): void {
    this.#unknown = this.#unknown.filter((other) => other !== path);
  }

  #read({ maxEvents, maxBytes }: Capacity): QueuedEvent[] {
    const events: QueuedEvent[] = [];
    let bytes = 0;
    for (const file of this.#files) {
      const rest = { maxEvents: maxEvents - events.length, maxBytes: maxBytes - bytes };
      for (const event of file.read(rest, events.length === 0)) {
        events.push(event);
        bytes += event.bytes;
      }
    }
    return events;
  }

  /** Closes the files whose events have all been recovered and removed. */
  #finish(directory: StoreDirectory): void {
    for (const file of this.#files.filter(({ done }) => done)) {
      this.#files = this.#files.filter((other) => other !== file);
      void file.close().catch(() => undefined);
      if (file.damaged === 0) continue;
      const aside = directory.setAside(file.path);
      this.#warnings.push(
        `The store contained ${file.damaged} damaged records. They were set aside as ${JSON.stringify(aside)}; the other events were sent.`,
      );
    }
  }
}

const FOREIGN =
  'The store holds events of another PostHog project, captured with another key or host. They are kept and not sent. ' +
  'To send them, start once with the former key and host.';
