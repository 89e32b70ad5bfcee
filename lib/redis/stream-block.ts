import { constants, deflateRaw, deflateRawSync, inflateRawSync } from 'node:zlib';
import { promisify } from 'node:util';
import { type QueuedEvent } from '../delivery/delivery.js';
import { BlockWriter, isOfOtherVersion, readBlock } from '../records/event-block.js';

/** Fields of an entry: a block as it is or deflated, and the number of its events. */
const PLAIN = 'b';
const DEFLATED = 'z';
const COUNT = 'n';

const MAX_EVENTS = 128;
const MAX_BYTES = 256 * 1024;
/** Smaller blocks are not compressed. */
const MIN_DEFLATED_BYTES = 2048;
/** Larger blocks are compressed in the thread pool. A smaller one takes tens of microseconds. */
const MAX_SYNC_BYTES = 16 * 1024;
/** Limit for a block that claims to be larger than any that was written: `maxEventBytes` and its overhead are far below. */
const MAX_INFLATED_BYTES = 64 * 1024 * 1024;
const DEFLATE = { level: constants.Z_BEST_SPEED };

const deflate = promisify(deflateRaw);

/** Cuts events into pieces that fit into a block. A single event may exceed the limit of bytes. */
export function* blocksOf(events: readonly QueuedEvent[]): Generator<readonly QueuedEvent[]> {
  let from = 0;
  let bytes = 0;
  for (const [index, event] of events.entries()) {
    if (index > from && (index - from >= MAX_EVENTS || bytes + event.bytes > MAX_BYTES)) {
      yield events.slice(from, index);
      from = index;
      bytes = 0;
    }
    bytes += event.bytes;
  }
  if (from < events.length) yield from === 0 ? events : events.slice(from);
}

/** Writes entries of streams. */
export class EntryWriter {
  readonly #blocks: BlockWriter;

  constructor(project: string) {
    this.#blocks = new BlockWriter(project);
  }

  /** Returns the fields of an entry; a promise if the block is large. */
  write(events: readonly QueuedEvent[]): Fields | Promise<Fields> {
    const block = this.#blocks.write(events);
    const count = String(events.length);
    // The next block is written into the same memory.
    if (block.length < MIN_DEFLATED_BYTES) return [PLAIN, Buffer.from(block), COUNT, count];
    if (block.length < MAX_SYNC_BYTES) return [DEFLATED, deflateRawSync(block, DEFLATE), COUNT, count];
    return deflate(Buffer.from(block), DEFLATE).then((deflated) => [DEFLATED, deflated, COUNT, count]);
  }
}

type Fields = readonly (string | Buffer)[];

/** The content of an entry. */
export type Entry =
  | { readonly kind: 'events'; readonly events: readonly QueuedEvent[] }
  /** A newer version of the package wrote it. */
  | { readonly kind: 'newer' }
  | { readonly kind: 'damaged' };

const DAMAGED: Entry = { kind: 'damaged' };
const NEWER: Entry = { kind: 'newer' };

/** Reads an entry as Redis returns it. */
export function readEntry(fields: unknown, project: string): Entry {
  if (!Array.isArray(fields)) return DAMAGED;
  let block: Buffer | null = null;
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const [name, value] = [String(fields[index]), fields[index + 1] as unknown];
    if (!Buffer.isBuffer(value)) continue;
    if (name === PLAIN) block = value;
    if (name === DEFLATED) block = inflate(value);
    // A newer version may use other fields; only these are those of a block.
  }
  if (block === null) return hasBlock(fields) ? DAMAGED : NEWER;
  const events = readBlock(block, project);
  if (events) return { kind: 'events', events };
  return isOfOtherVersion(block) ? NEWER : DAMAGED;
}

const hasBlock = (fields: readonly unknown[]): boolean =>
  fields.some((field, index) => index % 2 === 0 && [PLAIN, DEFLATED].includes(String(field)));

/** The number of events of an entry as its writer stated it; 0 if it is unreadable. */
export function countOf(fields: unknown): number {
  if (!Array.isArray(fields)) return 0;
  const at = fields.findIndex((field, index) => index % 2 === 0 && String(field) === COUNT);
  const count = at < 0 ? 0 : Number(String(fields[at + 1]));
  return Number.isSafeInteger(count) && count >= 0 ? count : 0;
}

function inflate(bytes: Buffer): Buffer | null {
  try {
    return inflateRawSync(bytes, { maxOutputLength: MAX_INFLATED_BYTES });
  } catch {
    return null;
  }
}
