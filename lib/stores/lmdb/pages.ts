import { type FileHandle } from 'node:fs/promises';
import { PAGE_HEADER_BYTES } from './format.js';

/** Read at once, because pages that were written together are adjacent. */
const WINDOW_BYTES = 64 * 1024;
/** A larger value is damaged. */
const MAX_VALUE_BYTES = 64 * 1024 * 1024;

/** Reads the pages of a file, each at most once: in an intact tree, no page is referred to twice. Passes on errors of the file system. */
export class LmdbPages {
  readonly #file: FileHandle;
  readonly #fileBytes: number;
  readonly #pageSize: number;
  readonly #visited = new Set<number>();
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;

  constructor(file: FileHandle, fileBytes: number, pageSize: number) {
    this.#file = file;
    this.#fileBytes = fileBytes;
    this.#pageSize = pageSize;
  }

  /** Returns null if there is no such page, or if it has been read before. */
  async page(number: number): Promise<Buffer | null> {
    const start = this.#visit(number, this.#pageSize);
    if (start === null) return null;
    if (start < this.#windowStart || start + this.#pageSize > this.#windowStart + this.#window.length) {
      this.#window = await readAt(this.#file, start, Math.min(WINDOW_BYTES, this.#fileBytes - start));
      this.#windowStart = start;
    }
    const page = this.#window.subarray(start - this.#windowStart, start - this.#windowStart + this.#pageSize);
    return page.length === this.#pageSize ? page : null;
  }

  /** Marks the pages of a large value as read. Returns false if there are no such pages, or if one of them has been read before. */
  visitValue(page: number, length: number): boolean {
    return length <= MAX_VALUE_BYTES && this.#visit(page, PAGE_HEADER_BYTES + length) !== null;
  }

  /** Reads a large value, for which `visitValue` must have returned true. */
  async value(page: number, length: number): Promise<Buffer> {
    return readAt(this.#file, page * this.#pageSize + PAGE_HEADER_BYTES, length);
  }

  #visit(first: number, bytes: number): number | null {
    const start = first * this.#pageSize;
    if (start + bytes > this.#fileBytes) return null;
    const count = Math.ceil(bytes / this.#pageSize);
    for (let page = first; page < first + count; page += 1) if (this.#visited.has(page)) return null;
    for (let page = first; page < first + count; page += 1) this.#visited.add(page);
    return start;
  }
}

/** Returns fewer bytes at the end of the file. */
export async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let end = 0;
  while (end < length) {
    const { bytesRead } = await file.read(buffer, end, length - end, position + end);
    if (bytesRead === 0) break;
    end += bytesRead;
  }
  return buffer.subarray(0, end);
}
