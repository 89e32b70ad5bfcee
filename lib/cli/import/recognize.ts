import { once } from 'node:events';
import { type Readable } from 'node:stream';
import { constants, gunzipSync } from 'node:zlib';
import { UsageError } from '../terminal.js';

/** Bytes that suffice to recognize a file. */
export const HEAD_BYTES = 64 * 1024;

const ARCHIVES: readonly [start: readonly number[], name: string, remedy: string][] = [
  [[0x50, 0x4b, 0x03, 0x04], 'a ZIP archive', 'unzip it'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'compressed with zstd', 'decompress it with zstd -d'],
  [[0x42, 0x5a, 0x68], 'compressed with bzip2', 'decompress it with bunzip2'],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a], 'compressed with xz', 'decompress it with unxz'],
  [[0xff, 0xfe], 'UTF-16', 'convert it with iconv -f UTF-16 -t UTF-8'],
  [[0xfe, 0xff], 'UTF-16', 'convert it with iconv -f UTF-16 -t UTF-8'],
];
/** Names of columns. */
const CSV = /^\uFEFF?"?[\w$ .:-]+"?(?:[,;\t]"?[\w$ .:-]*"?)+\s*$/;
const LINES = 'expected one JSON object per line';

/**
 * Recognizes the input by its first bytes.
 *
 * @returns true if it is compressed with gzip
 * @throws UsageError if it has another form than one object per line
 */
export function isGzip(head: Buffer, name: string): boolean {
  const isCompressed = head[0] === 0x1f && head[1] === 0x8b;
  checkHead(isCompressed ? decompressed(head) : head, name);
  return isCompressed;
}

function checkHead(head: Buffer, name: string): void {
  const refuse = (what: string, remedy: string): never => {
    throw new UsageError(`${name} is ${what}, and ${LINES}: ${remedy}`);
  };
  for (const [start, what, remedy] of ARCHIVES) {
    if (start.every((byte, index) => head[index] === byte)) refuse(what, remedy);
  }
  if ((head[0] === 0 || head[1] === 0) && head.length > 1) refuse('UTF-16', 'convert it with iconv -f UTF-16 -t UTF-8');
  const [first = '', second] = head
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trimStart()
    .split('\n');
  if (first.startsWith('[')) refuse('a JSON array', "convert it with jq -c '.[]'");
  if (first.trim() === '{' && second !== undefined) refuse('formatted JSON', 'convert it with jq -c .');
  if (first.startsWith('<')) refuse('XML or HTML', 'export it as JSON');
  if (CSV.test(first)) refuse('CSV', 'convert it to JSON, for instance with csvjson --stream');
}

/** The beginning of the content. */
function decompressed(head: Buffer): Buffer {
  try {
    return gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, HEAD_BYTES);
  } catch {
    // Reading it reports what is wrong.
    return Buffer.alloc(0);
  }
}

/** The first bytes of a stream, which stay in it. Empty if it has none, or when the signal is aborted. */
export async function headOf(input: Readable, signal: AbortSignal): Promise<Buffer> {
  for (;;) {
    const chunk = input.read() as Buffer | null;
    if (chunk !== null) {
      input.unshift(chunk);
      return chunk.subarray(0, HEAD_BYTES);
    }
    if (signal.aborted || input.destroyed || input.readableEnded) return Buffer.alloc(0);
    const waiting = new AbortController();
    const stop = (): void => waiting.abort();
    signal.addEventListener('abort', stop, { once: true });
    try {
      const wait = (event: string): Promise<unknown> => once(input, event, { signal: waiting.signal });
      await Promise.race([wait('readable'), wait('end'), wait('close')]);
    } catch {
      // Aborted, or the stream failed: reading it reports that.
      return Buffer.alloc(0);
    } finally {
      signal.removeEventListener('abort', stop);
      waiting.abort();
    }
  }
}
