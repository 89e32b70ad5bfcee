import { ClientRequest } from 'node:http';

/** One POST, body and all. */
export interface HttpPost {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What came back, whatever the status. */
export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, unknown>>;
  /** '' when it broke off, has no end, cannot be unpacked, or is larger than any answer of PostHog's. */
  readonly body: string;
}

/** How requests travel. Redirects are answers like any other: following one would lose the body. */
export interface HttpClient {
  /** Throws PostHogConfigurationError when it cannot work. Called once, when the application has started. */
  prepare(): void;
  /** Rejects when there was no answer, and, whatever it waits for before the status, as soon as the signal aborts. */
  post(request: HttpPost, signal: AbortSignal): Promise<HttpAnswer>;
  /** Closes idle connections; further requests open new ones. */
  releaseConnections(): void;
}

/** Far more than any answer of PostHog's; the rest of a larger one is not read. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** Reads an answer's body as text; '' when it breaks off, is too large, or the time is over. Never rejects. */
export function readBody(stream: NodeJS.ReadableStream & { destroy(): unknown }, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const stop = (): void => {
      signal.removeEventListener('abort', stop);
      stream.destroy();
      resolve('');
    };
    signal.addEventListener('abort', stop, { once: true });
    stream.on('data', (chunk: Buffer | string) => {
      const part = Buffer.from(chunk);
      bytes += part.length;
      if (bytes > MAX_ANSWER_BYTES) stop();
      else chunks.push(part);
    });
    stream.once('end', () => {
      signal.removeEventListener('abort', stop);
      resolve(chunks.length === 1 ? String(chunks[0]) : Buffer.concat(chunks).toString());
    });
    // Stays: an error after the end must not be nobody's.
    stream.on('error', stop);
    stream.once('close', stop);
    if (signal.aborted) stop();
  });
}

/**
 * Ends a request that was refused before all of it was sent, for a server that reads no further would keep it, and its connection, for as
 * long as it likes. One that was taken goes on: what is sent may still count. Does nothing to a connection that is free for other requests.
 *
 * @param request what a client says it was, if it does
 */
export function endRefused(request: unknown, status: number): void {
  if (status < 300 || !(request instanceof ClientRequest) || request.writableFinished) return;
  // That all is sent TLS learns only in the next turn, which may be after the answer to it.
  setImmediate(() => {
    if (!request.writableFinished) request.destroy();
  });
}
