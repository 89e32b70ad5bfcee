import { finished, Readable } from 'node:stream';
import { setImmediate } from 'node:timers';
import { StreamableFile } from '@nestjs/common';

/**
 * Tells what the body of a call that failed has failed with: undefined where that is not the reason, or cannot be found out without reading
 * the body, as with an async generator. May tell more than once; the first is right.
 */
export function whenBodyFailed(body: unknown, tell: (error: unknown) => void): void {
  const stream: unknown = body instanceof StreamableFile ? body.getStream() : body;
  if (stream instanceof Readable) {
    tell(stream.errored ?? undefined);
    return;
  }
  try {
    const web: unknown = kindOf(stream) === '[object Response]' ? Reflect.get(stream as object, 'body') : stream;
    if (kindOf(web) === '[object ReadableStream]') {
      // Asks for its end only, which locks nothing and leaves what is in it to its reader.
      finished(web as NodeJS.ReadableStream, (error) => tell(error ?? undefined));
      // The answer comes before this, if it is one that has failed. Others may never end. Not the global one, which fake timers may hold.
      setImmediate(tell, undefined);
      return;
    }
  } catch {
    // A proxy that does not want to be looked at, or a stream that is not Node's own.
  }
  tell(undefined);
}

const kindOf = (value: unknown): string => Object.prototype.toString.call(value);
