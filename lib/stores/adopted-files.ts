import { existsSync } from 'node:fs';
import { backoffMs } from '../delivery/sending/retry-policy.js';
import { type QueuedEvent } from '../delivery/delivery.js';
import { type Recovery, type RecoveryRequest } from '../delivery/durability/event-store.js';
import { EventFile } from './event-file.js';
import { inspectFiles } from './inspect-files.js';
import { type LmdbPackage } from './lmdb.js';
import { RecordFile } from './record-file.js';
import { type StoreDirectory } from './store-directory.js';

type Room = Pick<RecoveryRequest, 'maxEvents' | 'maxBytes'>;

/** How long files are left alone after looking at them was ended: it may be one of them that takes all memory, again and again. */
const LOOK_AGAIN = { retryBaseMs: 10_000, retryMaxMs: 5 * 60_000 };

/** Takes over the files of processes that live no longer, and brings their events back. */
export class AdoptedFiles {
  readonly #lmdb: LmdbPackage;
  readonly #project: string;
  /** Adopted, and not looked at yet. */
  #unknown: string[] = [];
  /** How often in a row looking at them was ended. */
  #ended = 0;
  /** When they are looked at again, by the clock that nobody sets. */
  #lookAt = 0;
  #files: EventFile[] = [];
  #foreign = 0;
  /** What is to be told with what is brought back next: a failure in between must not cost it. */
  #warnings: string[] = [];

  constructor(lmdb: LmdbPackage, project: string) {
    this.#lmdb = lmdb;
    this.#project = project;
  }

  /** Events that were brought back and nobody has answered for. */
  get pending(): readonly QueuedEvent[] {
    return this.#files.flatMap((file) => file.pending);
  }

  async recover(directory: StoreDirectory, room: Room): Promise<Recovery> {
    const { files, foreign } = await directory.leftovers();
    if (foreign > this.#foreign) this.#warnings.push(FOREIGN);
    this.#foreign = foreign;
    for (const file of files) {
      const path = directory.adopt(file);
      if (path !== null) this.#unknown.push(path);
    }
    await this.#openKnown(directory);
    const events = this.#read(room);
    this.#finish(directory);
    const warnings = this.#warnings;
    this.#warnings = [];
    return { events, warnings };
  }

  remove(event: QueuedEvent): void {
    this.#files.some((file) => file.remove(event));
  }

  /** Writes what was removed; throws, and then writes it the next time. */
  commit(): void {
    for (const file of this.#files) file.commit();
  }

  async close(): Promise<void> {
    const files = this.#files;
    this.#files = [];
    await Promise.all(files.map((file) => file.close()));
  }

  async #openKnown(directory: StoreDirectory): Promise<void> {
    // Somebody may have taken one away.
    this.#unknown = this.#unknown.filter((path) => existsSync(path));
    if (this.#unknown.length === 0 || performance.now() < this.#lookAt) return;
    const { whole, damaged, unknown, endedBy } = await inspectFiles(this.#unknown);
    this.#ended = endedBy === null ? 0 : this.#ended + 1;
    if (endedBy !== null) {
      this.#lookAt = performance.now() + backoffMs(this.#ended, LOOK_AGAIN);
      this.#warnings.push(
        `Files that earlier processes left in the store could not all be looked at: the process that does so was ended (${endedBy}). ` +
          'Their events are kept and sent later.',
      );
    }
    // One by one: where one fails, the others are still to be taken over.
    for (const path of damaged) {
      const aside = directory.setAside(path);
      this.#known(path);
      this.#warnings.push(
        `The store had a damaged file. It was set aside as ${JSON.stringify(aside)}; events in it are not sent.`,
      );
    }
    for (const path of whole) {
      this.#files.push(new EventFile(new RecordFile(this.#lmdb, path), this.#project, 1));
      this.#known(path);
    }
    this.#unknown = [...unknown];
  }

  #known(path: string): void {
    this.#unknown = this.#unknown.filter((other) => other !== path);
  }

  #read({ maxEvents, maxBytes }: Room): QueuedEvent[] {
    const events: QueuedEvent[] = [];
    let bytes = 0;
    for (const file of this.#files) {
      const room = { maxEvents: maxEvents - events.length, maxBytes: maxBytes - bytes };
      for (const event of file.read(room, events.length === 0)) {
        events.push(event);
        bytes += event.bytes;
      }
    }
    return events;
  }

  /** Files that have nothing left to say. */
  #finish(directory: StoreDirectory): void {
    for (const file of this.#files.filter(({ done }) => done)) {
      this.#files = this.#files.filter((other) => other !== file);
      void file.close().catch(() => undefined);
      if (file.damaged === 0) continue;
      const aside = directory.setAside(file.path);
      this.#warnings.push(
        `The store had ${file.damaged} damaged records. They were set aside as ${JSON.stringify(aside)}; the others were sent.`,
      );
    }
  }
}

const FOREIGN =
  'The store holds events of another PostHog project: the key or the host was another one. They are kept and not sent; ' +
  'to have them sent, start once with the former key and host.';
