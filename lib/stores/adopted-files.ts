import { type QueuedEvent } from '../delivery/delivery.js';
import { type Recovery, type RecoveryRequest } from '../delivery/event-store.js';
import { readRecord } from './event-record.js';
import { inspectFiles } from './inspect-files.js';
import { type LmdbPackage } from './lmdb.js';
import { RecordFile } from './record-file.js';
import { type StoreDirectory } from './store-directory.js';

/** A file of a process that lives no longer. */
interface AdoptedFile {
  readonly records: RecordFile;
  /** The next place to read; null when all was read. */
  next: number | null;
  /** Events that were brought back and nobody has answered for. */
  pending: number;
  readonly removed: Set<number>;
  /** It holds records that cannot be sent. */
  damaged: number;
}

/** Where the record of an event is. */
interface Place {
  readonly file: AdoptedFile;
  readonly place: number;
}

type Room = Pick<RecoveryRequest, 'maxEvents' | 'maxBytes'>;

/** Takes over the files of processes that live no longer, and brings their events back. */
export class AdoptedFiles {
  readonly #lmdb: LmdbPackage;
  readonly #project: string;
  /** Adopted, and not looked at yet. */
  #unknown: string[] = [];
  #files: AdoptedFile[] = [];
  readonly #places = new Map<QueuedEvent, Place>();
  #foreign = 0;

  constructor(lmdb: LmdbPackage, project: string) {
    this.#lmdb = lmdb;
    this.#project = project;
  }

  /** Events that were brought back and nobody has answered for. */
  get pending(): Iterable<QueuedEvent> {
    return this.#places.keys();
  }

  async recover(directory: StoreDirectory, room: Room): Promise<Recovery> {
    const warnings: string[] = [];
    const { files, foreign } = await directory.leftovers();
    if (foreign > this.#foreign) warnings.push(FOREIGN);
    this.#foreign = foreign;
    for (const file of files) {
      const path = directory.adopt(file);
      if (path !== null) this.#unknown.push(path);
    }
    await this.#openKnown(directory, warnings);
    const events = this.#read(room);
    this.#finish(directory, warnings);
    return { events, warnings };
  }

  remove(event: QueuedEvent): void {
    const known = this.#places.get(event);
    if (!known) return;
    this.#places.delete(event);
    known.file.removed.add(known.place);
    known.file.pending -= 1;
  }

  /** Writes what was removed; throws, and then writes it the next time. */
  commit(): void {
    for (const { records, removed } of this.#files) {
      if (removed.size === 0) continue;
      records.write([], removed);
      removed.clear();
    }
  }

  async close(): Promise<void> {
    const files = this.#files;
    this.#files = [];
    for (const file of files) {
      if (isDone(file) && file.damaged === 0) await file.records.discard();
      else await file.records.close();
    }
  }

  async #openKnown(directory: StoreDirectory, warnings: string[]): Promise<void> {
    if (this.#unknown.length === 0) return;
    const { whole, damaged } = await inspectFiles(this.#unknown);
    this.#unknown = [];
    for (const path of damaged) {
      const aside = directory.setAside(path);
      warnings.push(
        `The store had a damaged file. It was set aside as ${JSON.stringify(aside)}; events in it are not sent.`,
      );
    }
    for (const path of whole) {
      const records = new RecordFile(this.#lmdb, path);
      this.#files.push({ records, next: 0, pending: 0, removed: new Set(), damaged: 0 });
    }
  }

  #read({ maxEvents, maxBytes }: Room): QueuedEvent[] {
    const events: QueuedEvent[] = [];
    let bytes = 0;
    for (const file of this.#files) {
      if (file.next === null) continue;
      for (const { place, record } of file.records.read(file.next)) {
        const event = readRecord(record, this.#project);
        if (typeof event === 'string') {
          file.damaged += 1;
          file.next = place + 1;
          continue;
        }
        bytes += event.bytes;
        if (events.length >= maxEvents || (bytes > maxBytes && events.length > 0)) return events;
        file.next = place + 1;
        file.pending += 1;
        this.#places.set(event, { file, place });
        events.push(event);
      }
      file.next = null;
    }
    return events;
  }

  /** Files that have nothing left to say. */
  #finish(directory: StoreDirectory, warnings: string[]): void {
    for (const file of this.#files.filter(isDone)) {
      this.#files = this.#files.filter((other) => other !== file);
      if (file.damaged === 0) {
        void file.records.discard().catch(() => undefined);
        continue;
      }
      const { path } = file.records;
      void file.records.close().catch(() => undefined);
      const aside = directory.setAside(path);
      warnings.push(
        `The store had ${file.damaged} damaged records. They were set aside as ${JSON.stringify(aside)}; the others were sent.`,
      );
    }
  }
}

const FOREIGN =
  'The store holds events of another PostHog project: the key or the host was another one. They are kept and not sent; ' +
  'to have them sent, start once with the former key and host.';

const isDone = ({ next, pending }: AdoptedFile): boolean => next === null && pending === 0;
