import { AttachedState } from '../../shared/attached-state.js';

export interface ResponseEnd {
  /** `aborted`: the client disconnected before the last byte; `broken`: the server destroyed the response. */
  readonly how: 'complete' | 'aborted' | 'broken';
  /** undefined when the response ended before it had a status. */
  readonly statusCode: number | undefined;
  /** The error that the server destroyed the response with, if any. */
  readonly error?: unknown;
}

/** The part of Node's `ServerResponse` used here, the same for HTTP/1 and HTTP/2. */
export interface RawResponse {
  statusCode: number;
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  readonly destroyed: boolean;
  readonly socket: { readonly destroyed: boolean } | null;
  readonly req?: { readonly aborted?: boolean; readonly socket?: { readonly destroyed: boolean } | null };
  end: (this: RawResponse, ...args: unknown[]) => unknown;
  destroy: (this: RawResponse, ...args: unknown[]) => unknown;
  once(event: 'close', listener: () => void): unknown;
}

type Listener = (end: ResponseEnd) => void;

interface Watched {
  waiting: Listener[];
  end: ResponseEnd | undefined;
}

const watched = new AttachedState<Watched>('response-end');

/**
 * Calls the listener once when a response ends: just before its last bytes are sent, so that a client that has read the response finds
 * the listener's work done, or when the connection closes before. With a stream of known length, the last bytes have already been sent
 * when it ends. Listeners must not throw.
 *
 * `end` is replaced until it is called, as response middleware commonly does, because Node's `finish` event comes too late. So is
 * `destroy`, because the `close` event does not tell which side closed.
 *
 * @param open has the response until it ends
 */
export function onResponseEnd(response: RawResponse, listener: Listener, open?: Set<RawResponse>): void {
  const known = watched.get(response);
  if (known !== undefined) {
    known.waiting.push(listener);
    return;
  }
  const state: Watched = { waiting: [listener], end: undefined };
  watched.set(response, state);
  open?.add(response);
  const finish = (how: ResponseEnd['how'], error?: unknown): void => {
    const statusCode = how !== 'complete' && !response.headersSent ? undefined : response.statusCode;
    state.end ??= { how, statusCode, error };
    open?.delete(response);
    for (const notify of state.waiting.splice(0)) notify(state.end);
  };
  response.once('close', () => finish('aborted'));
  beforeEnd(response, ({ how }) => finish(how));
  beforeBreak(response, (error) => finish('broken', error));
}

/** undefined while the response has not ended. */
export function endOf(response: RawResponse): ResponseEnd | undefined {
  const known = watched.get(response)?.end;
  if (known !== undefined) return known;
  return response.destroyed && !response.writableEnded ? { how: 'aborted', statusCode: undefined } : undefined;
}

/** Calls the listener when the last bytes of a response are about to be sent; never if it does not end. The listener must not throw. */
export function beforeEnd(response: RawResponse, listener: Listener): void {
  const notify = (): void =>
    listener({ how: isGone(response) ? 'aborted' : 'complete', statusCode: response.statusCode });
  if (response.writableEnded) {
    notify();
    return;
  }
  const { end } = response;
  const ending: RawResponse['end'] = function (this: RawResponse, ...args) {
    // Unless other code has wrapped this in the meantime.
    if (response.end === ending) response.end = end;
    notify();
    return end.apply(this, args);
  };
  response.end = ending;
}

/** Calls the listener when a response is destroyed while its client is connected. When a client disconnects, Node destroys the socket, never the response. */
function beforeBreak(response: RawResponse, listener: (error: unknown) => void): void {
  const { destroy } = response;
  const destroying: RawResponse['destroy'] = function (this: RawResponse, ...args) {
    if (response.destroy === destroying) response.destroy = destroy;
    // A stream piped into a response destroys it too once the client has disconnected.
    if (!isGone(response)) listener(args[0] ?? undefined);
    return destroy.apply(this, args);
  };
  response.destroy = destroying;
}

function isGone({ req, destroyed, socket }: RawResponse): boolean {
  // With pipelining, a response behind others has no socket yet.
  return req?.aborted === true || destroyed || (socket ?? req?.socket)?.destroyed === true;
}
