import { isAscii } from 'node:buffer';
import { CapturedEvent, CapturedEventOfGivenId } from '../delivery/captured-event.js';
import { type QueuedEvent } from '../delivery/delivery.js';
import {
  type BlockStart,
  isCount,
  MAX_BYTES_PER_CHARACTER,
  mostBytesOfStart,
  parseList,
  Scratch,
  writeChecksum,
  writeStart,
} from './block-start.js';

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
 *
 * Stores write it. For blocks that are compressed, there is `compact-block.ts`.
 */
export const TABLE_VERSION = 2;

const LENGTH_BYTES = 4;
const LENGTHS = 5;
/** The column of the payload, which is the last of the lengths. */
const PAYLOAD = LENGTHS - 1;
const ROW_BYTES = LENGTHS * LENGTH_BYTES + 8;

const NO_ROOM = { before: 0, after: 0 };

export class BlockWriter {
  readonly #project: string;
  readonly #scratch = new Scratch();

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
    const line = JSON.stringify([TABLE_VERSION, this.#project, events.length]);
    let names = '';
    let payloadBytes = 0;
    for (const { id, name, orderKey, format, bytes } of events) {
      names += id + name + orderKey + format;
      payloadBytes += bytes;
    }
    const most =
      room.before +
      room.after +
      mostBytesOfStart(line) +
      names.length * MAX_BYTES_PER_CHARACTER +
      events.length * ROW_BYTES +
      payloadBytes;
    const block = this.#scratch.ofSize(most);
    const start = room.before;
    let end = writeStart(block, start, line);
    const table = new DataView(block.buffer, block.byteOffset);
    for (const event of events) end = writeRow(table, end, event);
    end += block.write(names, end);
    // A payload with as many bytes as characters is ASCII, which latin1 copies faster.
    for (const { payload, bytes } of events) {
      end += block.write(payload, end, payload.length === bytes ? 'latin1' : 'utf8');
    }
    writeChecksum(block, start, end);
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

/**
 * Returns null if the block is damaged.
 *
 * @param haveOwnIds true if no other event has the id of one of these
 */
export function readTable(
  block: Buffer,
  { fields: [count], end: table }: BlockStart,
  haveOwnIds: boolean,
): readonly QueuedEvent[] | null {
  if (!isCount(count)) return null;
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

/** Returns a function that returns the next part of the string. */
function cut(text: string, start: number): (length: number) => string {
  return (length) => text.slice(start, (start += length));
}

/** Empty if unreadable: an event that is sent twice is stored once, but one that is not sent is lost. */
export function readGaps(gaps: Buffer | undefined): ReadonlySet<unknown> {
  return new Set(gaps ? parseList(gaps.toString()) : []);
}
