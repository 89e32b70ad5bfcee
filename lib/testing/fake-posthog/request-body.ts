import { type IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { isJsonObject, quoted } from './json-values.js';
import { type RuleViolation } from './recorded.js';

/** The decoded body of a request, or the reason why it could not be decoded. */
export type RequestBody =
  { readonly text: string } | { readonly unreadable: RuleViolation & { readonly status: number } };

export interface BodyLimits {
  readonly maxWireBytes: number;
  readonly maxDecodedBytes: number;
  /** Supported values of `Content-Encoding`. */
  readonly encodings: readonly string[];
  /** The response status to any other `Content-Encoding`. */
  readonly unknownEncodingStatus: number;
}

export type RawBody =
  | { readonly kind: 'whole'; readonly bytes: Buffer }
  | { readonly kind: 'tooLarge' }
  /** The client disconnected before the end. */
  | { readonly kind: 'aborted' };

/** Reads a body to its end even if it is too large, because a client that is still sending would not see an early response. */
export function readRawBody(request: IncomingMessage, maxBytes: number): Promise<RawBody> {
  return new Promise((resolve) => {
    let chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) chunks.push(chunk);
      else chunks = [];
    });
    request.on('end', () =>
      resolve(size > maxBytes ? { kind: 'tooLarge' } : { kind: 'whole', bytes: Buffer.concat(chunks) }),
    );
    // No effect after `end`.
    request.on('error', () => resolve({ kind: 'aborted' }));
    request.on('close', () => resolve({ kind: 'aborted' }));
  });
}

const DECODERS = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
} as const;

/**
 * Decompresses a body and decodes its UTF-8, within the limits of the endpoint. `zstd` is treated as unsupported although
 * PostHog's v1 supports it, because older versions of Node.js do not.
 *
 * @param encoding the `Content-Encoding`; undefined if the header is absent
 */
export async function decodeBody(
  raw: Exclude<RawBody, { kind: 'aborted' }>,
  encoding: string | undefined,
  limits: BodyLimits,
): Promise<RequestBody> {
  if (raw.kind === 'tooLarge') {
    return unreadable(413, 'body_too_large', `the body is larger than ${limits.maxWireBytes} bytes`);
  }
  const decode = decoderOf(encoding, limits);
  if (decode === null) {
    const detail = `Content-Encoding ${quoted(encoding)} is not supported`;
    return unreadable(limits.unknownEncodingStatus, 'content_encoding', detail);
  }
  try {
    const bytes = await decode(raw.bytes, { maxOutputLength: limits.maxDecodedBytes });
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch (error) {
    // No instanceof: in a test runner, Node's errors belong to another realm.
    if (isJsonObject(error) && error.code === 'ERR_BUFFER_TOO_LARGE') {
      const detail = `the body is larger than ${limits.maxDecodedBytes} bytes after decompression`;
      return unreadable(413, 'body_too_large', detail);
    }
    return unreadable(400, 'body_unreadable', `the body is not valid ${encoding ?? 'UTF-8'}`);
  }
}

type Decoder = (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

function decoderOf(encoding: string | undefined, limits: BodyLimits): Decoder | null {
  if (encoding === undefined) return (bytes) => Promise.resolve(bytes);
  if (!limits.encodings.includes(encoding)) return null;
  if (encoding === 'gzip' || encoding === 'deflate' || encoding === 'br') return DECODERS[encoding];
  return null;
}

function unreadable(status: number, rule: string, detail: string): RequestBody {
  return { unreadable: { status, rule, detail } };
}
