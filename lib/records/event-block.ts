import { isAscii } from 'node:buffer';
import * as zlib from 'node:zlib';
import { CapturedEvent, CapturedEventOfGivenId } from '../delivery/captured-event.js';
import { type QueuedEvent } from '../delivery/delivery.js';

/**
 * The format of events that are committed together: one record, because a record costs as much as many events. It consists of a
 * checksum, a line of JSON, a table with a row of 28 bytes per event, the ids, names, order keys and formats of all events, and their
 * payloads as they will be sent. All text after the table is UTF-8 without separators.
 *
 * ```
 * 1c291ca3 [2,"9f2c…",100]
 * ‹lengths of id, name, order key, format and payload: u32; capture time: f64›…
 * 0193…order_placeduser_1v00193…{"event":"order_placed",…}{"event":…
 * ```
 */
const VERSION = 2;
const CHECKSUM_CHARACTERS = 8;
const LINE_START = CHECKSUM_CHARACTERS + 1;
const NO_CHECKSUM = '-'.repeat(CHECKSUM_CHARACTERS);
const LINE_END = '\n';

/** Large enough for nearly every block. */
const SCRATCH_BYTES = 512 * 1024;
const LENGTH_BYTES = 4;
const LENGTHS = 5;
/** The column of the payload, which is the last of the lengths. */
const PAYLOAD = LENGTHS - 1;
const ROW_BYTES = LENGTHS * LENGTH_BYTES + 8;
/** UTF-8 bytes of one UTF-16 code unit. */
const MAX_BYTES_PER_CHARACTER = 3;

const NO_ROOM = { before: 0, after: 0 };

/** Node has crc32 since 20.15 and 22.2. Without it, blocks are not checked. */
const checksum = (bytes: Buffer): string =>
  'crc32' in zlib ? zlib.crc32(bytes).toString(16).padStart(CHECKSUM_CHARACTERS, '0') : NO_CHECKSUM;

/** Reuses one buffer: allocating one per block would cost more than the rest of the work. */
export class BlockWriter {
  readonly #project: string;
  #scratch: Buffer | null = null;

  /** @param project opaque id of the project that the events belong to */
  constructor(project: string) {
    this.#project = project;
  }

  /**
   * The next call overwrites the result.
   *
   * @param room bytes to leave free in the result, before and after the block
   */
  write(events: readonly QueuedEvent[], room = NO_ROOM): Buffer {
    const line = JSON.stringify([VERSION, this.#project, events.length]) + LINE_END;
    let names = '';
    let payloadBytes = 0;
    for (const { id, name, orderKey, format, bytes } of events) {
      names += id + name + orderKey + format;
      payloadBytes += bytes;
    }
    const most =
      room.before +
      room.after +
      LINE_START +
      (line.length + names.length) * MAX_BYTES_PER_CHARACTER +
      events.length * ROW_BYTES +
      payloadBytes;
    this.#scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    const block = most <= SCRATCH_BYTES ? this.#scratch : Buffer.allocUnsafe(most);
    const start = room.before;
    let end = start + block.write(`${NO_CHECKSUM} `, start, 'latin1');
    end += block.write(line, end);
    const table = new DataView(block.buffer, block.byteOffset);
    for (const event of events) end = writeRow(table, end, event);
    end += block.write(names, end);
    // A payload with as many bytes as characters is ASCII, which latin1 copies faster.
    for (const { payload, bytes } of events) {
      end += block.write(payload, end, payload.length === bytes ? 'latin1' : 'utf8');
    }
    block.write(checksum(block.subarray(start + LINE_START, end)), start, 'latin1');
    return block.subarray(0, end + room.after);
  }
}

/** Returns the offset of the next row. */
function writeRow(
  table: DataView,
  start: number,
  { id, name, orderKey, format, payload, capturedAt }: QueuedEvent,
): number {
  // A DataView, because the methods of Buffer validate each number, which takes more than ten times as long.
  table.setUint32(start, id.length, true);
  table.setUint32(start + LENGTH_BYTES, name.length, true);
  table.setUint32(start + 2 * LENGTH_BYTES, orderKey.length, true);
  table.setUint32(start + 3 * LENGTH_BYTES, format.length, true);
  table.setUint32(start + 4 * LENGTH_BYTES, payload.length, true);
  table.setFloat64(start + LENGTHS * LENGTH_BYTES, capturedAt, true);
  return start + ROW_BYTES;
}

interface BlockStart {
  readonly version: unknown;
  readonly project: unknown;
  readonly count: unknown;
  /** Offset of the table. */
  readonly table: number;
}

/** Returns null if the checksum is wrong. */
function readStart(block: Buffer): BlockStart | null {
  const sum = block.toString('latin1', 0, CHECKSUM_CHARACTERS);
  const actual = checksum(block.subarray(LINE_START));
  if (sum !== actual && sum !== NO_CHECKSUM && actual !== NO_CHECKSUM) return null;
  const table = block.indexOf(LINE_END) + 1;
  const [version, project, count] = parseList(block.toString('utf8', LINE_START, table));
  return { version, project, count, table };
}

/** The block is intact, but another version of this package wrote it. In every version, it starts with a checksum and a version. */
export function isOfOtherVersion(block: Buffer): boolean {
  const version = readStart(block)?.version;
  return isCount(version) && version !== VERSION;
}

/**
 * Returns null if the block is damaged, of another version or of another project.
 *
 * @param haveOwnIds true if no other event has the id of one of these
 */
export function readBlock(block: Buffer, project: string, haveOwnIds = false): readonly QueuedEvent[] | null {
  const { version, project: owner, count, table } = readStart(block) ?? {};
  if (version !== VERSION || owner !== project || !isCount(count) || table === undefined) return null;
  const tableEnd = table + count * ROW_BYTES;
  if (tableEnd > block.length) return null;
  const rows = new DataView(block.buffer, block.byteOffset + table, count * ROW_BYTES);
  const text = block.subarray(tableEnd);
  // Most blocks are, and latin1 is faster.
  const isOfBytes = isAscii(text);
  const characters = text.toString(isOfBytes ? 'latin1' : 'utf8');
  const lengths = lengthsOf(rows);
  if (lengths?.all !== characters.length) return null;
  const nextName = cut(characters, 0);
  const nextPayload = cut(characters, lengths.names);
  const Recorded = haveOwnIds ? CapturedEvent : CapturedEventOfGivenId;
  const events: QueuedEvent[] = [];
  for (let row = 0; row < rows.byteLength; row += ROW_BYTES) {
    const payload = nextPayload(lengthAt(rows, row, PAYLOAD));
    events.push(
      new Recorded(
        nextName(lengthAt(rows, row, 0)),
        nextName(lengthAt(rows, row, 1)),
        nextName(lengthAt(rows, row, 2)),
        nextName(lengthAt(rows, row, 3)),
        payload,
        isOfBytes ? payload.length : Buffer.byteLength(payload),
        capturedAtOf(rows, row),
      ),
    );
  }
  return events;
}

/** In UTF-16 code units. Returns null if the table is damaged. */
function lengthsOf(rows: DataView): { readonly names: number; readonly all: number } | null {
  let names = 0;
  let payloads = 0;
  for (let row = 0; row < rows.byteLength; row += ROW_BYTES) {
    for (let column = 0; column < PAYLOAD; column += 1) names += lengthAt(rows, row, column);
    payloads += lengthAt(rows, row, PAYLOAD);
    if (!Number.isFinite(capturedAtOf(rows, row))) return null;
  }
  return { names, all: names + payloads };
}

const lengthAt = (rows: DataView, row: number, column: number): number =>
  rows.getUint32(row + column * LENGTH_BYTES, true);

const capturedAtOf = (rows: DataView, row: number): number => rows.getFloat64(row + LENGTHS * LENGTH_BYTES, true);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Returns a function that returns the next part of the string. */
function cut(text: string, start: number): (length: number) => string {
  return (length) => text.slice(start, (start += length));
}

/** Empty if unreadable: an event that is sent twice is stored once, but one that is not sent is lost. */
export function readGaps(gaps: Buffer | undefined): ReadonlySet<unknown> {
  return new Set(gaps ? parseList(gaps.toString()) : []);
}

function parseList(json: string): readonly unknown[] {
  try {
    const list: unknown = JSON.parse(json);
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}
