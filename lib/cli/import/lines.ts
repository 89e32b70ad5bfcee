import { isUtf8 } from 'node:buffer';
import { type Readable } from 'node:stream';

/** A place between two lines. */
export interface Place {
  /** Lines before it, blank ones counted: also the number of the last of these. */
  readonly number: number;
  /** Bytes before it. */
  readonly end: number;
}

/** What a line says, without its end, or why nobody can tell. */
type Content = { readonly text: string } | { readonly problem: string };

/** One line of a file, and the place after it. Blank lines are not told. */
export type Line = Place & Content;

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
  // Decoding would replace what it cannot read, and make one person of two.
  if (!isUtf8(bytes)) return { problem: 'it is not UTF-8' };
  const text = bytes.toString('utf8');
  return { text: (isFirst && text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text).trim() };
}
