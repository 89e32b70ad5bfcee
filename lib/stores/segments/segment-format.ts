/**
 * The format of a segment, a file of frames. A frame holds the events that were committed together. All numbers are 32 bits,
 * little-endian.
 *
 * ```
 * header  "PHEVENTS" · version · generation · check
 * frame   "FRM1" · generation · number of events n · length of block · check · n bytes: 0 or REMOVED · block (see records/event-block.ts)
 * …
 * end     "END" mixed with the generation; the next frame overwrites it
 * ```
 *
 * A frame is written by one call, never moves and never changes, except for the bytes that mark its events as removed. When all events
 * of a segment have been removed, it is written again from the start under the next generation, which makes all old frames invalid.
 * So the file neither grows nor needs new space.
 */
const SIGNATURE = 'PHEVENTS';
const VERSION = 1;
const FRAME = 0x314d_5246;
const END = 0x0044_4e45;

export const HEADER_BYTES = 20;
export const FRAME_BYTES = 20;
export const END_BYTES = 4;

/** Four bits differ from 0, so that no flipped bit removes an event. */
export const REMOVED = 0xa5;

export interface FrameHeader {
  readonly generation: number;
  readonly count: number;
  readonly length: number;
}

/** Header and end of an empty segment. */
export function emptySegment(generation: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + END_BYTES);
  bytes.write(SIGNATURE, 'latin1');
  bytes.writeUInt32LE(VERSION, 8);
  bytes.writeUInt32LE(generation, 12);
  bytes.writeUInt32LE(mix(VERSION, generation, SIGNATURE_CHECK), 16);
  writeEnd(bytes, HEADER_BYTES, generation);
  return bytes;
}

/** Returns the generation, `newer` for a file of a later version of this package, or null if the header is damaged. */
export function readHeader(bytes: Buffer): number | 'newer' | null {
  if (bytes.length < HEADER_BYTES || bytes.toString('latin1', 0, SIGNATURE.length) !== SIGNATURE) return null;
  const generation = bytes.readUInt32LE(12);
  // Also if the version itself is damaged.
  if (bytes.readUInt32LE(16) === mix(VERSION, generation, SIGNATURE_CHECK)) return generation;
  return bytes.readUInt32LE(8) === VERSION ? null : 'newer';
}

export function writeFrameHeader(bytes: Buffer, { generation, count, length }: FrameHeader): void {
  bytes.writeUInt32LE(FRAME, 0);
  bytes.writeUInt32LE(generation, 4);
  bytes.writeUInt32LE(count, 8);
  bytes.writeUInt32LE(length, 12);
  bytes.writeUInt32LE(mix(generation, count, length), 16);
}

/** Returns null if there is no frame. */
export function readFrameHeader(bytes: Buffer, start = 0): FrameHeader | null {
  if (start + FRAME_BYTES > bytes.length || bytes.readUInt32LE(start) !== FRAME) return null;
  const [generation, count, length] = [4, 8, 12].map((offset) => bytes.readUInt32LE(start + offset)) as [
    number,
    number,
    number,
  ];
  return bytes.readUInt32LE(start + 16) === mix(generation, count, length) ? { generation, count, length } : null;
}

/** Offset of the next bytes that may begin a frame; -1 if there are none. */
export function findFrame(bytes: Buffer, from: number): number {
  return bytes.indexOf(FRAME_START, from);
}

export function writeEnd(bytes: Buffer, at: number, generation: number): void {
  bytes.writeUInt32LE((END ^ generation) >>> 0, at);
}

export function isEnd(bytes: Buffer, generation: number): boolean {
  return bytes.length >= END_BYTES && bytes.readUInt32LE(0) === (END ^ generation) >>> 0;
}

const FRAME_START = Buffer.from('FRM1');
const SIGNATURE_CHECK = 0x5048_4556;

/** Each factor is odd, so a change of one bit always changes the result. */
const mix = (a: number, b: number, c: number): number =>
  (Math.imul(a, 0x9e37_79b1) ^ Math.imul(b, 0x85eb_ca6b) ^ Math.imul(c, 0xc2b2_ae35)) >>> 0;
