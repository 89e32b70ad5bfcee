import { finished, Readable } from 'node:stream';
import { setImmediate } from 'node:timers';
import { StreamableFile } from '@nestjs/common';
import { type TrackedCall } from '../call/tracked-call.js';
import { type ResponseEnd } from './response-end.js';

/** Keeps the result of a handler until the response ends, and an error of its stream. */
export function noteResult(call: TrackedCall, result: unknown): void {
  call.noteResult(result);
  // Emitted before Nest reacts to it by ending the response.
  if (result instanceof StreamableFile) result.getStream().once('error', (error: Error) => call.noteError(error));
}

/** Ends a call with its response, which decides the outcome. */
export function endWithResponse(call: TrackedCall, { how, statusCode, error }: ResponseEnd): void {
  const endWithError = (cause: unknown): void => {
    if (cause !== undefined) call.noteError(cause);
    call.end('error', statusCode);
  };
  if (call.hasFailed) call.end('error', statusCode);
  else if (how === 'aborted') call.end('aborted', statusCode);
  else if (how === 'complete' && (statusCode === undefined || statusCode < 400)) call.end('success', statusCode);
  else if (error !== undefined) endWithError(error);
  else findBodyError(call.result, endWithError);
}

/**
 * Finds the error that the body of a response failed with: undefined where the body is not the reason, or where only reading the body
 * could tell, as with an async generator.
 *
 * @param found called at least once; only the first call counts
 */
function findBodyError(body: unknown, found: (error: unknown) => void): void {
  const stream: unknown = body instanceof StreamableFile ? body.getStream() : body;
  if (stream instanceof Readable) {
    found(stream.errored ?? undefined);
    return;
  }
  try {
    const web: unknown = kindOf(stream) === '[object Response]' ? Reflect.get(stream as object, 'body') : stream;
    if (kindOf(web) === '[object ReadableStream]') {
      // Only observes the end: neither locks the stream nor consumes it.
      finished(web as NodeJS.ReadableStream, (error) => found(error ?? undefined));
      // A stream that has failed calls back before this; others may never end. Not the global function, which fake timers may replace.
      setImmediate(found, undefined);
      return;
    }
  } catch {
    // A proxy that throws, or a stream that is not Node's own.
  }
  found(undefined);
}

const kindOf = (value: unknown): string => Object.prototype.toString.call(value);
