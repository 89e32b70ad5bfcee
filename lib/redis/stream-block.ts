import { brotliCompress, brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { promisify } from 'node:util';
import { type QueuedEvent } from '../delivery/delivery.js';
import { checksumOf, matchesChecksum, writeChecksum } from '../records/block-start.js';
import { CompactBlockWriter } from '../records/compact-block.js';
import { isOfOtherVersion, readBlock } from '../records/read-block.js';

/** Fields of an entry: a block as it is or compressed, and the number of its events. */
const PLAIN = 'b';
const COMPRESSED = 'z';
const COUNT = 'n';
/** Bytes of a block that is compressed. */
const SIZE = 's';
/** Checksum of the compressed bytes, which are fewer than the block's. An uncompressed block contains its own. */
const CHECKSUM = 'c';
/** Present if no other event in the queue has the id of one of these. */
const OWN_IDS = 'u';

const MAX_EVENTS = 128;
const MAX_BYTES = 256 * 1024;
/** Smaller blocks are not compressed. */
const MIN_COMPRESSED_BYTES = 2048;
/** Larger blocks are compressed in the thread pool. A block of this size takes a quarter of a millisecond. */
const MAX_SYNC_BYTES = 96 * 1024;
/** Limit for a block that claims to be larger than any that was written: `maxEventBytes` and its overhead are far below. */
const MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024;
/** Room for a block without a size, and the most that one is given at once. */
const DECOMPRESSED_CHUNK_BYTES = 64 * 1024;
const MAX_CHUNK_BYTES = 1024 * 1024;
const MIN_CHUNK_BYTES = 64;
/** Takes half as long as deflate at its fastest level, and results in fewer bytes. */
const COMPRESSION = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };

const compress = promisify(brotliCompress);

/** Cuts events into pieces that fit into a block. A single event may exceed the limit of bytes. */
export function blocksOf(events: readonly QueuedEvent[]): readonly (readonly QueuedEvent[])[] {
  const blocks: QueuedEvent[][] = [];
  let block: QueuedEvent[] = [];
  let bytes = 0;
  for (const event of events) {
    if (block.length > 0 && (block.length >= MAX_EVENTS || bytes + event.bytes > MAX_BYTES)) {
      blocks.push(block);
      block = [];
      bytes = 0;
    }
    block.push(event);
    bytes += event.bytes;
  }
  if (block.length > 0) blocks.push(block);
  return blocks;
}

/** Writes entries of streams. */
export class EntryWriter {
  readonly #blocks: CompactBlockWriter;

  constructor(project: string) {
    this.#blocks = new CompactBlockWriter(project);
  }

  /**
   * Returns the fields of an entry; a promise if the block is large.
   *
   * @param haveOwnIds true if no other event in the queue has the id of one of these
   */
  write(events: readonly QueuedEvent[], haveOwnIds: boolean): Fields | Promise<Fields> {
    const block = this.#blocks.write(events);
    const rest = [COUNT, String(events.length), ...(haveOwnIds ? [OWN_IDS, '1'] : [])];
    if (block.length < MIN_COMPRESSED_BYTES) {
      writeChecksum(block);
      // The next block is written into the same memory.
      return [PLAIN, Buffer.from(block), ...rest];
    }
    const fieldsOf = (compressed: Buffer): Fields => [
      COMPRESSED,
      compressed,
      ...rest,
      SIZE,
      String(block.length),
      CHECKSUM,
      checksumOf(compressed),
    ];
    if (block.length < MAX_SYNC_BYTES) return fieldsOf(brotliCompressSync(block, COMPRESSION));
    return compress(Buffer.from(block), COMPRESSION).then(fieldsOf);
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
  const compressed = fieldOf(fields, COMPRESSED);
  const plain = fieldOf(fields, PLAIN);
  // A newer version may use other fields.
  if (compressed === undefined && plain === undefined) return NEWER;
  const block = Buffer.isBuffer(compressed) ? decompressed(compressed, fields) : copyOf(plain);
  if (!block) return DAMAGED;
  const events = readBlock(block, project, fieldOf(fields, OWN_IDS) !== undefined);
  if (events) return { kind: 'events', events };
  return isOfOtherVersion(block) ? NEWER : DAMAGED;
}

/** The number of events of an entry as its writer stated it; 0 if it is unreadable. */
export function countOf(fields: unknown): number {
  return Array.isArray(fields) ? numberIn(fields, COUNT) : 0;
}

/** 0 if it is missing or unreadable. */
function numberIn(fields: readonly unknown[], name: string): number {
  const value = Number(String(fieldOf(fields, name)));
  return Number.isSafeInteger(value) && value >= 0 ? value : 0;
}

/** The fields of an entry are names and values in turn. */
function fieldOf(fields: readonly unknown[], name: string): unknown {
  const at = fields.findIndex((field, index) => index % 2 === 0 && String(field) === name);
  return at < 0 ? undefined : fields[at + 1];
}

/** Its events stay in these bytes, which must not be a part of what the client has received at once. */
const copyOf = (block: unknown): Buffer | null => (Buffer.isBuffer(block) ? Buffer.from(block) : null);

function decompressed(bytes: Buffer, fields: readonly unknown[]): Buffer | null {
  const sum = fieldOf(fields, CHECKSUM);
  const isIntact = sum === undefined || (Buffer.isBuffer(sum) && matchesChecksum(bytes, sum.toString()));
  if (!isIntact) return null;
  const size = numberIn(fields, SIZE);
  // One byte more shows that nothing follows.
  const room = size > 0 ? Math.min(size + 1, MAX_CHUNK_BYTES) : DECOMPRESSED_CHUNK_BYTES;
  const chunkSize = Math.max(room, MIN_CHUNK_BYTES);
  try {
    return brotliDecompressSync(bytes, { maxOutputLength: MAX_DECOMPRESSED_BYTES, chunkSize });
  } catch {
    return null;
  }
}
