import { type QueuedEvent } from '../delivery/delivery.js';
import { type EventRecord, RecordedEvent, utf8Of } from '../delivery/recorded-event.js';
import {
  type BlockStart,
  isCount,
  MAX_BYTES_PER_CHARACTER,
  mostBytesOfStart,
  Scratch,
  writeStart,
} from './block-start.js';

/**
 * The format of events that are compressed together, and sent as they are read. All have the same format. A checksum and a line of JSON are
 * followed by eight columns of numbers, the texts that the payloads do not contain, and the payloads, with a comma between two of them.
 *
 * ```
 * 1c291ca3 [3,"9f2c…","v0",100,62,0,36,0,…]
 * ‹bytes of the columns›‹texts›{"event":"order_placed",…},{"event":…
 * ```
 *
 * The line has, for each column, its smallest number and the bytes that the differences from it take. A column is written byte by byte:
 * the lowest of all events, then the next. Equal bytes in a row compress to nearly nothing.
 *
 * Ids, names and order keys are part of nearly every payload, so only their places are written: the offset in the payload plus 1, and the
 * number of bytes. 0 means that the text is not part of the payload, and is among the texts.
 */
export const COMPACT_VERSION = 3;

const ID = 0;
const NAME = 2;
const ORDER_KEY = 4;
/** Bytes of the payload. */
const PAYLOAD = 6;
const CAPTURED_AT = 7;
const COLUMNS = 8;
/** The column after that of an offset. */
const LENGTH = 1;
const MAX_WIDTH = 6;
/** Columns of the offsets. */
const IN_PAYLOAD = [ID, NAME, ORDER_KEY];
const COMMA = ','.charCodeAt(0);

/** Nearly all blocks have fewer events. */
const MIN_CAPACITY = 128;

/** Only the start of a payload is searched. */
const SEARCHED_CHARACTERS = 1024;

/** Writes blocks that are smaller, once compressed, than those of BlockWriter. */
export class CompactBlockWriter {
  readonly #project: string;
  readonly #scratch = new Scratch();
  /** One column after the other, each with room for `#capacity` events. */
  #numbers = new Float64Array(0);
  #capacity = 0;
  /** By column, where its text was found in the last payload: the next one is usually the same up to there. */
  readonly #lastOffsets = new Array<number>(COLUMNS).fill(0);
  #texts = '';

  /** @param project opaque id of the project that the events belong to */
  constructor(project: string) {
    this.#project = project;
  }

  /**
   * Writes a block without a checksum, for `writeChecksum` or the checksum of what it is compressed to. The next call overwrites it.
   *
   * @param events of one format
   */
  write(events: readonly QueuedEvent[]): Buffer {
    const payloadBytes = this.#fill(events);
    const ranges = Array.from({ length: COLUMNS }, (_, column) => this.#rangeOf(column, events.length));
    const layout = ranges.flatMap(({ base, width }) => [base, width]);
    const line = JSON.stringify([COMPACT_VERSION, this.#project, events[0]?.format ?? '', events.length, ...layout]);
    const block = this.#scratch.ofSize(
      mostBytesOfStart(line) +
        events.length * (COLUMNS * MAX_WIDTH + 1) +
        this.#texts.length * MAX_BYTES_PER_CHARACTER +
        payloadBytes,
    );
    let end = writeStart(block, 0, line);
    for (const [column, range] of ranges.entries()) end = this.#writeColumn(block, end, column, events.length, range);
    end += block.write(this.#texts, end);
    let isFirst = true;
    for (const { payload, bytes } of events) {
      if (!isFirst) block[end++] = COMMA;
      isFirst = false;
      // A payload with as many bytes as characters is ASCII, which latin1 copies faster.
      end += block.write(payload, end, payload.length === bytes ? 'latin1' : 'utf8');
    }
    return block.subarray(0, end);
  }

  /** Returns the bytes of all payloads. */
  #fill(events: readonly QueuedEvent[]): number {
    if (events.length > this.#capacity) {
      this.#capacity = Math.max(events.length, MIN_CAPACITY);
      this.#numbers = new Float64Array(COLUMNS * this.#capacity);
    }
    this.#texts = '';
    let payloadBytes = 0;
    for (let row = 0; row < events.length; row += 1) {
      const event = events[row];
      if (!event) break;
      this.#place(ID, row, event.id, event);
      this.#place(NAME, row, event.name, event);
      this.#place(ORDER_KEY, row, event.orderKey, event);
      this.#set(PAYLOAD, row, event.bytes);
      this.#set(CAPTURED_AT, row, Math.round(event.capturedAt));
      payloadBytes += event.bytes;
    }
    return payloadBytes;
  }

  #set(column: number, row: number, value: number): void {
    this.#numbers[column * this.#capacity + row] = value;
  }

  #place(column: number, row: number, text: string, { payload, bytes }: QueuedEvent): void {
    // Otherwise characters are not bytes.
    const offset = payload.length === bytes ? this.#find(column, text, payload) : -1;
    this.#set(column, row, offset + 1);
    this.#set(column + LENGTH, row, offset < 0 ? Buffer.byteLength(text) : text.length);
    if (offset < 0) this.#texts += text;
  }

  #find(column: number, text: string, payload: string): number {
    const last = this.#lastOffsets[column] ?? 0;
    // Three times as fast as startsWith.
    if (payload.slice(last, last + text.length) === text) return last;
    const offset = payload.slice(0, SEARCHED_CHARACTERS).indexOf(text);
    if (offset >= 0) this.#lastOffsets[column] = offset;
    return offset;
  }

  #rangeOf(column: number, count: number): Range {
    const start = column * this.#capacity;
    let base = Infinity;
    let largest = 0;
    for (let at = start; at < start + count; at += 1) {
      const value = this.#numbers[at] ?? 0;
      if (value < base) base = value;
      if (value > largest) largest = value;
    }
    let width = 0;
    for (let rest = largest - base; rest >= 1; rest /= 256) width += 1;
    return { base: count === 0 ? 0 : base, width };
  }

  /** Returns the offset after the column. */
  #writeColumn(block: Buffer, start: number, column: number, count: number, { base, width }: Range): number {
    const first = column * this.#capacity;
    let end = start;
    let scale = 1;
    for (let byte = 0; byte < width; byte += 1) {
      for (let at = first; at < first + count; at += 1) {
        block[end] = (((this.#numbers[at] ?? 0) - base) / scale) & 0xff;
        end += 1;
      }
      scale *= 256;
    }
    return end;
  }
}

interface Range {
  /** The smallest number. */
  readonly base: number;
  /** Bytes that the largest difference from it takes. */
  readonly width: number;
}

/**
 * Returns null if the block is damaged.
 *
 * @param haveOwnIds true if no other event has the id of one of these
 */
export function readCompact(block: Buffer, start: BlockStart, haveOwnIds: boolean): readonly QueuedEvent[] | null {
  const [format, count, ...layout] = start.fields;
  // An event takes more than a byte, so a larger number is wrong.
  if (typeof format !== 'string' || !isCount(count) || count > block.length) return null;
  if (layout.length !== 2 * COLUMNS || !layout.every(isCount)) return null;
  const text = block.toString('latin1', start.end);
  return new CompactRecord(text, format, haveOwnIds, new Columns(text, count, layout)).events();
}

/** The numbers of a block. */
class Columns {
  readonly #text: string;
  readonly #bases: readonly number[];
  readonly #widths: readonly number[];
  readonly #starts: readonly number[];
  /** Offset of what follows. */
  readonly end: number;

  /** @param layout by column, its smallest number and its width */
  constructor(
    text: string,
    readonly count: number,
    layout: readonly number[],
  ) {
    this.#text = text;
    this.#bases = layout.filter((_, index) => index % 2 === 0);
    this.#widths = layout.filter((_, index) => index % 2 === 1);
    const starts: number[] = [];
    let end = 0;
    for (const width of this.#widths) {
      starts.push(end);
      end += width * count;
    }
    this.#starts = starts;
    this.end = end;
  }

  /** Not more than any of its numbers. */
  base(column: number): number {
    return this.#bases[column] ?? 0;
  }

  at(column: number, row: number): number {
    let value = this.#bases[column] ?? 0;
    let at = (this.#starts[column] ?? 0) + row;
    let scale = 1;
    for (let left = this.#widths[column] ?? 0; left > 0; left -= 1) {
      value += this.#text.charCodeAt(at) * scale;
      at += this.count;
      scale *= 256;
    }
    return value;
  }
}

/** A block that was read. */
class CompactRecord implements EventRecord {
  readonly #columns: Columns;
  /** By row, the offset of its first text; null if the payloads contain all. */
  readonly #textStarts: Uint32Array | null;
  readonly #textsEnd: number;

  constructor(
    readonly text: string,
    readonly format: string,
    readonly haveOwnIds: boolean,
    columns: Columns,
  ) {
    this.#columns = columns;
    const { count, end } = columns;
    const hasTexts = IN_PAYLOAD.some((column) => columns.base(column) === 0);
    this.#textStarts = hasTexts ? new Uint32Array(count) : null;
    this.#textsEnd = end;
    for (let row = 0; this.#textStarts && row < count; row += 1) {
      this.#textStarts[row] = this.#textsEnd;
      for (const column of IN_PAYLOAD) this.#textsEnd += this.#textBytes(column, row);
    }
  }

  /** Returns null if the block does not have the size that its numbers add up to. */
  events(): readonly QueuedEvent[] | null {
    const { count } = this.#columns;
    const events: QueuedEvent[] = [];
    let start = this.#textsEnd;
    for (let row = 0; row < count; row += 1) {
      const bytes = this.#columns.at(PAYLOAD, row);
      events.push(new RecordedEvent(this, row, this.#text(ORDER_KEY, row, start), start, bytes));
      start += bytes + 1;
    }
    return start - Math.min(count, 1) === this.text.length ? events : null;
  }

  idOf(row: number, payloadStart: number): string {
    return this.#text(ID, row, payloadStart);
  }

  nameOf(row: number, payloadStart: number): string {
    return this.#text(NAME, row, payloadStart);
  }

  capturedAtOf(row: number): number {
    return this.#columns.at(CAPTURED_AT, row);
  }

  #text(column: number, row: number, payloadStart: number): string {
    const place = this.#columns.at(column, row);
    const length = this.#columns.at(column + LENGTH, row);
    if (place > 0) {
      const start = payloadStart + place - 1;
      return this.text.slice(start, start + length);
    }
    let start = this.#textStarts?.[row] ?? 0;
    for (const other of IN_PAYLOAD) if (other < column) start += this.#textBytes(other, row);
    return utf8Of(this.text.slice(start, start + length));
  }

  /** 0 if the payload contains the text. */
  #textBytes(column: number, row: number): number {
    return this.#columns.at(column, row) === 0 ? this.#columns.at(column + LENGTH, row) : 0;
  }
}
