import { isUtf8 } from 'node:buffer';
import { type Readable } from 'node:stream';

/** A position between two lines. */
export interface Position {
  /** Number of lines before it, including blank ones. */
  readonly number: number;
  /** Number of bytes before it. */
  readonly end: number;
}

/** The text of a line without its line end, or the reason why it cannot be read. */
type Content = { readonly text: string } | { readonly problem: string };

/** A line that is not blank, and the position after it. */
export type Line = Position & Content;

const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = '\uFEFF';

/**
 * Reads the lines of a stream. Holds one line in memory; a line longer than `maxBytes` is skipped and reported as a problem.
 *
 * @param from the position at which the stream starts
 */
export async function* readLines(stream: Readable, from: Position, maxBytes: number): AsyncGenerator<Line> {
  let { number, end } = from;
  let parts: Buffer[] = [];
  let bytes = 0;
  const add = (part: Buffer): void => {
    bytes += part.length;
    if (bytes <= maxBytes) parts.push(part);
  };
  const take = (): Line | null => {
    const content =
      bytes > maxBytes ? { problem: `it is longer than ${maxBytes} bytes` } : contentOf(parts, number === 0);
    number += 1;
    parts = [];
    bytes = 0;
    return 'text' in content && content.text === '' ? null : { number, end, ...content };
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

function contentOf(parts: readonly Buffer[], isFirst: boolean): Content {
  const [only] = parts;
  const bytes = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
  // Decoding replaces invalid bytes, which could turn two distinct ids into one.
  if (!isUtf8(bytes)) return { problem: 'it is not valid UTF-8' };
  const text = bytes.toString('utf8');
  return { text: (isFirst && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text).trim() };
}
