import * as zlib from 'node:zlib';
import { type QueuedEvent } from '../delivery/delivery.js';

/**
 * How events that are committed together are written: as one record, because a record costs as much as many events. A
 * checksum, a line of JSON that says what follows, and the payloads as they will be sent, end to end.
 *
 * ```
 * 1c291ca3 [1,"9f2c…",1732000000000,["0193…","order_placed","user_1","v0",0,412,"0193…",…]]
 * {"event":"order_placed",…}{"event":…
 * ```
 */
const VERSION = 1;
const CHECKSUM_CHARACTERS = 8;
const TEXT_START = CHECKSUM_CHARACTERS + 1;
const NO_CHECKSUM = '-'.repeat(CHECKSUM_CHARACTERS);

/** Enough for nearly every block. */
const SCRATCH_BYTES = 512 * 1024;
/** What is written of an event besides its payload. */
const HEAD_FIELDS = 6;
/** In UTF-8, of one UTF-16 code unit. */
const MOST_BYTES_OF_CHARACTER = 3;

/** Node has it since 20.15 and 22.2; without it a block goes unchecked. */
const checksum = (bytes: Buffer): string =>
  'crc32' in zlib ? zlib.crc32(bytes).toString(16).padStart(CHECKSUM_CHARACTERS, '0') : NO_CHECKSUM;

/** Writes blocks into one piece of memory again and again: a fresh one for each would cost more than the rest of the work. */
export class BlockWriter {
  readonly #project: string;
  #scratch: Buffer | null = null;

  /** @param project the project that the events must be sent to; opaque */
  constructor(project: string) {
    this.#project = project;
  }

  /** The block of some events. It is overwritten by the next call. */
  write(events: readonly QueuedEvent[]): Buffer {
    const heads: unknown[] = [];
    // Small numbers are written in a third of the time that large ones take.
    const since = events[0]?.capturedAt ?? 0;
    let bytes = TEXT_START;
    for (const { id, name, orderKey, format, capturedAt, payload, bytes: payloadBytes } of events) {
      heads.push(id, name, orderKey, format, capturedAt - since, payload.length);
      bytes += payloadBytes;
    }
    const head = JSON.stringify([VERSION, this.#project, since, heads]);
    bytes += head.length * MOST_BYTES_OF_CHARACTER + 1;
    this.#scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    const block = bytes <= SCRATCH_BYTES ? this.#scratch : Buffer.allocUnsafe(bytes);
    let end = block.write(`${NO_CHECKSUM} `, 'latin1');
    end += block.write(head, end);
    end += block.write('\n', end);
    // As many bytes as characters: ASCII, which is copied as it is.
    for (const { payload, bytes: payloadBytes } of events) {
      end += block.write(payload, end, payload.length === payloadBytes ? 'latin1' : 'utf8');
    }
    const written = block.subarray(0, end);
    written.write(checksum(written.subarray(TEXT_START)), 'latin1');
    return written;
  }
}

/** The events of a block; null when it is damaged, or not of this project. */
export function readBlock(block: Buffer, project: string): readonly QueuedEvent[] | null {
  const sum = block.toString('latin1', 0, CHECKSUM_CHARACTERS);
  const actual = checksum(block.subarray(TEXT_START));
  if (sum !== actual && sum !== NO_CHECKSUM && actual !== NO_CHECKSUM) return null;
  const text = block.toString('utf8', TEXT_START);
  let start = text.indexOf('\n') + 1;
  const [version, owner, since, heads] = parseList(text.slice(0, start));
  if (version !== VERSION || owner !== project || typeof since !== 'number' || !Array.isArray(heads)) return null;
  const events: QueuedEvent[] = [];
  for (let at = 0; at < heads.length; at += HEAD_FIELDS) {
    const [id, name, orderKey, format, later, length] = heads.slice(at, at + HEAD_FIELDS) as unknown[];
    if (!isText(id) || !isText(name) || !isText(orderKey) || !isText(format)) return null;
    if (typeof later !== 'number' || typeof length !== 'number' || start + length > text.length) return null;
    const payload = text.slice(start, start + length);
    start += length;
    events.push({ id, name, orderKey, format, payload, bytes: Buffer.byteLength(payload), capturedAt: since + later });
  }
  return events;
}

/** Which events of a block are answered for, by their index in it. */
export function writeGaps(gaps: readonly number[]): Buffer {
  return Buffer.from(JSON.stringify(gaps));
}

/** What cannot be read names none: an event that is sent twice is one row, and one that is not sent is lost. */
export function readGaps(gaps: Buffer | undefined): ReadonlySet<unknown> {
  return new Set(gaps ? parseList(gaps.toString()) : []);
}

const isText = (value: unknown): value is string => typeof value === 'string';

function parseList(json: string): readonly unknown[] {
  try {
    const list: unknown = JSON.parse(json);
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}
