import { type Readable } from 'node:stream';

/** One line of a file. */
export interface Line {
  /** 1, 2, 3 …, blank lines counted. */
  readonly number: number;
  /** Where the next line begins, in bytes of the file. */
  readonly end: number;
  /** Without its end; null when it is longer than `maxBytes`. Blank lines are not told. */
  readonly text: string | null;
}

/** Where a reading begins. */
export interface Place {
  /** Lines before it. */
  readonly number: number;
  /** Bytes before it. */
  readonly end: number;
}

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = '\uFEFF';

/**
 * The lines of a stream, in memory of one line: a longer one is passed over, so a file without line ends cannot fill the memory.
 *
 * @param from what lies before the stream's first byte
 * @param maxBytes of a line
 */
export async function* readLines(stream: Readable, from: Place, maxBytes: number): AsyncGenerator<Line> {
  let { number, end } = from;
  let parts: Buffer[] = [];
  let bytes = 0;
  const add = (part: Buffer): void => {
    bytes += part.length;
    if (bytes <= maxBytes) parts.push(part);
  };
  const take = (): Line | null => {
    const isTooLong = bytes > maxBytes;
    const text = isTooLong ? null : textOf(parts, number === 0);
    number += 1;
    parts = [];
    bytes = 0;
    return text === '' ? null : { number, end, text };
  };
  for await (const data of stream) {
    const chunk = data as Buffer;
    let start = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, start)) {
      add(chunk.subarray(start, at));
      end += at + 1 - start;
      start = at + 1;
      const line = take();
      if (line) yield line;
    }
    if (start < chunk.length) add(chunk.subarray(start));
    end += chunk.length - start;
  }
  const last = bytes > 0 ? take() : null;
  if (last) yield last;
}

function textOf(parts: readonly Buffer[], isFirst: boolean): string {
  const [only] = parts;
  const text = (parts.length === 1 && only !== undefined ? only : Buffer.concat(parts)).toString('utf8');
  return (isFirst && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text).trim();
}
