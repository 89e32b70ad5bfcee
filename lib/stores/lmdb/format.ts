/**
 * The data file format of LMDB, version 2, as the package `lmdb` writes it on 64-bit little-endian systems. A file consists of pages. The
 * first two are meta pages, which two successive commits write alternately. Each points to the root of a tree of branch and leaf pages,
 * and a large value has overflow pages of its own. No page is overwritten while a meta page refers to it.
 */

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const PAGE_SIZES = [512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536];
/** Of every page. Offsets within a page count from its end. */
export const PAGE_HEADER_BYTES = 24;
export const META_BYTES = PAGE_HEADER_BYTES + 144;
/** The magic number has this offset in files of 32-bit systems. */
const MAGIC_OFFSET_32 = 16;

const BRANCH = 1;
const LEAF = 2;
const META = 8;
/** All flags that determine the kind of a page. */
const PAGE_KINDS = 0x6f;

const NODE_HEADER_BYTES = 8;
const BIG_VALUE = 1;

/** A file that cannot be read at all. */
export class LmdbFormatError extends Error {
  override readonly name = 'LmdbFormatError';

  /** @param reason `unsupported`: the file may be intact, but another version of LMDB or another kind of system wrote it */
  constructor(readonly reason: 'damaged' | 'unsupported') {
    super(reason === 'damaged' ? 'the file is damaged' : 'the file has an unsupported format');
  }
}

export interface Meta {
  readonly pageSize: number;
  readonly transaction: bigint;
  /** Page number; null if the tree is empty. */
  readonly root: number | null;
  /** Number of records in the tree. */
  readonly entries: number;
  /** Size of the file at the time of the commit. */
  readonly bytes: number;
}

export type Node =
  /** A branch node. */
  | { readonly child: number }
  | { readonly key: number; readonly value: Buffer }
  /** A value on pages of its own, which start at `page`. */
  | { readonly key: number; readonly page: number; readonly length: number };

/** Finds the meta pages in the start of a file, newest first. Returns none if the file has not been initialized. */
export function readMetas(start: Buffer): readonly Meta[] {
  if (start.length === 0) return [];
  // The second one is at an offset that only the first one tells, unless that is damaged.
  const first = readMeta(start, 0);
  const sizes = first ? [first.pageSize] : PAGE_SIZES;
  const second = sizes.map((size) => readMeta(start, size)).find((meta, index) => meta?.pageSize === sizes[index]);
  const metas = [first, second].filter((meta) => meta != null);
  if (metas.length === 0) throw new LmdbFormatError(isForeign(start) ? 'unsupported' : 'damaged');
  return metas.sort((a, b) => (a.transaction < b.transaction ? 1 : -1));
}

export const BYTES_WITH_METAS = Math.max(...PAGE_SIZES) + META_BYTES;

function readMeta(start: Buffer, offset: number): Meta | null {
  if (offset + META_BYTES > start.length) return null;
  const meta = start.subarray(offset + PAGE_HEADER_BYTES, offset + META_BYTES);
  if ((start.readUInt16LE(offset + 18) & PAGE_KINDS) !== META || meta.readUInt32LE(0) !== MAGIC) return null;
  const pageSize = meta.readUInt32LE(24);
  if ((meta.readUInt32LE(4) & 0xffff) !== DATA_VERSION || !PAGE_SIZES.includes(pageSize)) return null;
  const root = meta.readBigUInt64LE(112);
  return {
    pageSize,
    transaction: meta.readBigUInt64LE(128),
    root: root === NO_PAGE ? null : Number(root),
    entries: Number(meta.readBigUInt64LE(104)),
    bytes: (Number(meta.readBigUInt64LE(120)) + 1) * pageSize,
  };
}

const NO_PAGE = 2n ** 64n - 1n;

function isForeign(start: Buffer): boolean {
  if (start.length < PAGE_HEADER_BYTES + 8) return false;
  const hasMagic =
    start.readUInt32LE(PAGE_HEADER_BYTES) === MAGIC && start.readUInt32LE(PAGE_HEADER_BYTES + 4) !== DATA_VERSION;
  return hasMagic || start.readUInt32BE(PAGE_HEADER_BYTES) === MAGIC || start.readUInt32LE(MAGIC_OFFSET_32) === MAGIC;
}

/** Reads the nodes of a page of a tree, in key order. A damaged node is null. Returns null if the page is damaged. */
export function readPage(page: Buffer, number: number): readonly (Node | null)[] | null {
  const kind = page.readUInt16LE(18) & PAGE_KINDS;
  const lower = page.readUInt16LE(20);
  const upper = page.readUInt16LE(22);
  const body = page.subarray(PAGE_HEADER_BYTES);
  if (page.readBigUInt64LE(0) !== BigInt(number) || (kind !== BRANCH && kind !== LEAF)) return null;
  if (lower % 2 !== 0 || lower > upper || upper > body.length) return null;
  // Nodes do not overlap. Otherwise, a small page could contain any number of large values.
  let room = body.length - upper;
  return Array.from({ length: lower / 2 }, (_, index) => {
    const start = body.readUInt16LE(index * 2);
    if (start < upper || start + NODE_HEADER_BYTES > body.length) return null;
    if (kind === BRANCH) return { child: body.readUIntLE(start, 6) };
    const node = readLeaf(body.subarray(start));
    if (node && 'value' in node) room -= node.value.length;
    return room < 0 ? null : node;
  });
}

function readLeaf(node: Buffer): Node | null {
  const length = node.readUInt32LE(0);
  const flags = node.readUInt16LE(4);
  const keyEnd = NODE_HEADER_BYTES + node.readUInt16LE(6);
  if (keyEnd > node.length) return null;
  const key = readKey(node.subarray(NODE_HEADER_BYTES, keyEnd));
  if (flags === 0 && keyEnd + length <= node.length) {
    return { key, value: node.subarray(keyEnd, keyEnd + length) };
  }
  if (flags === BIG_VALUE && keyEnd + 8 <= node.length) {
    return { key, page: Number(node.readBigUInt64LE(keyEnd)), length };
  }
  return null;
}

const MAX_KEY_BYTES = 9;
const MAGNITUDE = 2n ** 63n - 1n;

/**
 * Numeric keys are stored as a nibble (1: positive, 0: negative), the bits of the double and a nibble 0, all without trailing zeros. All
 * bits of a negative number but the first are inverted, so that the bytes sort like the numbers. Returns NaN if the key is damaged.
 */
function readKey(key: Buffer): number {
  if (key.length === 0 || key.length > MAX_KEY_BYTES) return NaN;
  const bytes = Buffer.alloc(MAX_KEY_BYTES);
  key.copy(bytes);
  const kind = bytes.readUInt8(0) >> 3;
  const bits = BigInt.asUintN(64, (bytes.readBigUInt64BE(0) << 4n) | BigInt(bytes.readUInt8(8) >> 4));
  if (kind !== 1 && kind !== 2) return NaN;
  bytes.writeBigUInt64BE(kind === 2 ? bits : bits ^ MAGNITUDE);
  return bytes.readDoubleBE(0);
}
