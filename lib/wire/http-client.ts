import { ClientRequest } from 'node:http';

export interface HttpPost {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** A response with any status. */
export interface HttpResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: ResponseBody;
}

export interface ResponseBody {
  /** All of it, or the part that arrived. */
  readonly text: string;
  /** false if it broke off, did not end in time, cannot be decompressed, or is larger than any response of PostHog. */
  readonly isComplete: boolean;
}

/** Redirects are responses like any other: following one would lose the body. */
export interface HttpClient {
  /** Called once, when the application has started. Throws PostHogConfigurationError if the client cannot work. */
  prepare(): void;
  /** Rejects without a response. Until the status arrives, it also rejects as soon as the signal aborts. */
  post(request: HttpPost, signal: AbortSignal): Promise<HttpResponse>;
  /** Closes idle connections; further requests open new ones. */
  releaseConnections(): void;
}

/** Far more than any response of PostHog. */
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;

/** Reads a response body until it ends, fails or is too large, or the signal aborts. Never rejects. */
export function readBody(
  stream: NodeJS.ReadableStream & { destroy(): unknown },
  signal: AbortSignal,
): Promise<ResponseBody> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const finish = (isComplete: boolean): void => {
      signal.removeEventListener('abort', stop);
      resolve({ text: chunks.length === 1 ? String(chunks[0]) : Buffer.concat(chunks).toString(), isComplete });
    };
    const stop = (): void => {
      stream.destroy();
      finish(false);
    };
    signal.addEventListener('abort', stop, { once: true });
    stream.on('data', (chunk: Buffer | string) => {
      const part = Buffer.from(chunk);
      bytes += part.length;
      if (bytes > MAX_RESPONSE_BYTES) stop();
      else chunks.push(part);
    });
    stream.once('end', () => finish(true));
    // Kept after the end: an error without a listener would crash the process.
    stream.on('error', stop);
    stream.once('close', stop);
    if (signal.aborted) stop();
  });
}

/**
 * Destroys a request that was refused before all of it was sent: a server that stops reading would keep it, and its connection, open.
 * A successful request continues, and a connection that has been returned to its pool is kept.
 *
 * @param request the ClientRequest, if the HTTP client exposes it
 */
export function endRefused(request: unknown, status: number): void {
  if (status < 300 || !(request instanceof ClientRequest) || request.writableFinished) return;
  // Over TLS, `writableFinished` is set in the next turn, which may be after the response.
  setImmediate(() => {
    if (!request.writableFinished) request.destroy();
  });
}
