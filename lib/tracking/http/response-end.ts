import { AttachedState } from '../../shared/attached-state.js';

/** How a response ended. */
export interface ResponseEnd {
  /** `aborted`: the client was gone before the last byte; `broken`: the client was there, and the server gave the response up. */
  readonly how: 'complete' | 'aborted' | 'broken';
  /** Absent when it was over before there was a status. */
  readonly statusCode: number | undefined;
  /** What the response was given up for, where whoever did it has said so. */
  readonly error?: unknown;
}

/** What is used of Node's `ServerResponse`, of HTTP/1 and HTTP/2 alike. */
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

/** Of a response that somebody listens to. */
interface Watched {
  waiting: Listener[];
  end: ResponseEnd | undefined;
}

const watched = new AttachedState<Watched>('response-end');

/**
 * Tells once when a response ends: just before its last bytes leave, so that whoever has read the response finds the
 * listener's work done, or when the connection closes or is closed without them. Of a stream whose length was sent the last bytes have left
 * already when it ends. Listeners must not throw.
 *
 * `end` is replaced until it is called, as response middleware commonly does, because Node's `finish` comes too late for that. So is
 * `destroy`, because `close` does not say whose doing it was.
 */
export function onResponseEnd(response: RawResponse, listener: Listener): void {
  const known = watched.get(response);
  if (known !== undefined) {
    known.waiting.push(listener);
    return;
  }
  const state: Watched = { waiting: [listener], end: undefined };
  watched.set(response, state);
  const finish = (how: ResponseEnd['how'], error?: unknown): void => {
    const statusCode = how !== 'complete' && !response.headersSent ? undefined : response.statusCode;
    state.end ??= { how, statusCode, error };
    for (const tell of state.waiting.splice(0)) tell(state.end);
  };
  response.once('close', () => finish('aborted'));
  beforeEnd(response, ({ how }) => finish(how));
  beforeBreak(response, (error) => finish('broken', error));
}

/** How a response has ended, for those who came too late to hear of it; undefined while it goes on. */
export function endOf(response: RawResponse): ResponseEnd | undefined {
  const known = watched.get(response)?.end;
  if (known !== undefined) return known;
  return response.destroyed && !response.writableEnded ? { how: 'aborted', statusCode: undefined } : undefined;
}

/** Tells when the last bytes of a response are about to leave, and nothing of one that never ends. The listener must not throw. */
export function beforeEnd(response: RawResponse, listener: Listener): void {
  const tell = (): void =>
    listener({ how: isGone(response) ? 'aborted' : 'complete', statusCode: response.statusCode });
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

/** Tells when a response is destroyed whose client is there. Node destroys the socket when a client has left, and never the response. */
function beforeBreak(response: RawResponse, listener: (error: unknown) => void): void {
  const { destroy } = response;
  const destroying: RawResponse['destroy'] = function (this: RawResponse, ...args) {
    if (response.destroy === destroying) response.destroy = destroy;
    // Streams that are piped into a response destroy it too once its client has left.
    if (!isGone(response)) listener(args[0] ?? undefined);
    return destroy.apply(this, args);
  };
  response.destroy = destroying;
}

function isGone({ req, destroyed, socket }: RawResponse): boolean {
  // A response that waits behind others on its connection has no socket yet.
  return req?.aborted === true || destroyed || (socket ?? req?.socket)?.destroyed === true;
}
