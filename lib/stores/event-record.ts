import * as zlib from 'node:zlib';
import { type QueuedEvent } from '../delivery/delivery.js';

/**
 * How an event is written: a checksum, a line of JSON that says what the payload is, and the payload as it will be sent.
 *
 * ```
 * 1c291ca3 [1,"9f2c…","0193…","order_placed","user_1","v0",1732000000000]
 * {"event":"order_placed",…}
 * ```
 */
const VERSION = 1;

/** Node has it since 20.15 and 22.2; without it a record goes unchecked. */
const checksum = (text: string): string => ('crc32' in zlib ? zlib.crc32(text).toString(16) : '-');

/** @param project the project that the event must be sent to; opaque */
export function writeRecord(event: QueuedEvent, project: string): string {
  const { id, name, orderKey, format, capturedAt, payload } = event;
  const text = `${JSON.stringify([VERSION, project, id, name, orderKey, format, capturedAt])}\n${payload}`;
  return `${checksum(text)} ${text}`;
}

/** The event of a record, or why there is none. */
export function readRecord(record: string, project: string): QueuedEvent | 'damaged' | 'foreign' {
  const blank = record.indexOf(' ');
  const text = record.slice(blank + 1);
  const sum = record.slice(0, blank);
  if (blank < 0 || (sum !== '-' && checksum(text) !== '-' && sum !== checksum(text))) return 'damaged';
  const line = text.indexOf('\n');
  const payload = text.slice(line + 1);
  const [version, owner, id, name, orderKey, format, capturedAt] = parseHead(text.slice(0, line));
  if (version !== VERSION || owner !== project) return 'foreign';
  const isText = (value: unknown): value is string => typeof value === 'string';
  if (!isText(id) || !isText(name) || !isText(orderKey) || !isText(format) || typeof capturedAt !== 'number') {
    return 'damaged';
  }
  return { id, name, orderKey, format, payload, bytes: Buffer.byteLength(payload), capturedAt };
}

function parseHead(head: string): readonly unknown[] {
  try {
    const fields: unknown = JSON.parse(head);
    return Array.isArray(fields) ? fields : [];
  } catch {
    return [];
  }
}
