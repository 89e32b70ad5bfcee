import { Attached } from '../context/attached.js';

/** How a response ended. */
export interface ResponseEnd {
  /** The client was gone before the last byte. */
  readonly aborted: boolean;
  /** Absent when the client went before there was a status. */
  readonly statusCode: number | undefined;
}

/** What is used of Node's `ServerResponse`, of HTTP/1 and HTTP/2 alike. */
export interface RawResponse {
  statusCode: number;
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  readonly destroyed: boolean;
  readonly socket: { readonly destroyed: boolean } | null;
  readonly req?: { readonly aborted?: boolean };
  end: (this: RawResponse, ...args: unknown[]) => unknown;
  once(event: 'close', listener: () => void): unknown;
}

type Listener = (end: ResponseEnd) => void;

const listeners = new Attached<Listener[]>('response-end');

/**
 * Tells once when a response ends: just before its last bytes leave, so that whoever has read the response finds the
 * listener's work done, or when the connection closes without them. Listeners must not throw.
 *
 * `end` is replaced until it is called, as response middleware commonly does, because Node's `finish` comes too late for that.
 */
export function onResponseEnd(response: RawResponse, listener: Listener): void {
  const waiting = listeners.get(response);
  if (waiting !== undefined) {
    waiting.push(listener);
    return;
  }
  listeners.set(response, [listener]);
  const finish = (aborted: boolean): void => {
    const told = listeners.get(response)?.splice(0) ?? [];
    const statusCode = aborted && !response.headersSent ? undefined : response.statusCode;
    for (const tell of told) tell({ aborted, statusCode });
  };
  response.once('close', () => finish(true));
  beforeEnd(response, ({ aborted }) => finish(aborted));
}

/** Tells when the last bytes of a response are about to leave, and nothing of one that never ends. The listener must not throw. */
export function beforeEnd(response: RawResponse, listener: Listener): void {
  const tell = (): void => listener({ aborted: isGone(response), statusCode: response.statusCode });
  if (response.writableEnded) {
    tell();
    return;
  }
  const { end } = response;
  const ending: RawResponse['end'] = function (this: RawResponse, ...args) {
    // Not when somebody has wrapped this in the meantime: that one stays.
    if (response.end === ending) response.end = end;
    tell();
    return end.apply(this, args);
  };
  response.end = ending;
}

function isGone(response: RawResponse): boolean {
  return response.req?.aborted === true || response.destroyed || response.socket?.destroyed === true;
}

/** The raw request or response: Fastify wraps Node's, Express extends them. */
export function rawOf<T extends object>(wrapped: unknown): T | undefined {
  if (typeof wrapped !== 'object' || wrapped === null) return undefined;
  const { raw } = wrapped as { readonly raw?: { readonly once?: unknown } | null };
  // Not what an application keeps there on Express's request, a body for instance.
  const isNodes = typeof raw === 'object' && raw !== null && typeof raw.once === 'function';
  return (isNodes ? raw : wrapped) as T;
}
