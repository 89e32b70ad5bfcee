import { Readable } from 'node:stream';
import { StreamableFile } from '@nestjs/common';
import { isObservable, type Observable, tap } from 'rxjs';
import { rawOf } from '../../context/call-source.js';
import { AttachedState } from '../../shared/attached-state.js';
import { processSingleton } from '../../shared/process-singleton.js';
import { fieldOf } from '../../shared/untrusted-values.js';
import { isEventStream } from '../call/nest-metadata.js';
import { type HttpAdapter } from '../http/http-adapters.js';
import { type RawResponse } from '../http/response-end.js';
import { type SeamHandler } from './filter-seams.js';
import { seamImports } from './import-seams.js';
import { type Method, replaceMethod } from './replace-method.js';

/** Called with the error of a response that no exception filter sees. Must not throw. */
export type StreamFailed = (
  error: unknown,
  request: object,
  response: object,
  handler: SeamHandler | undefined,
) => void;

/** By HTTP adapter. */
const applications = processSingleton('stream-applications', () => new WeakMap<object, StreamFailed>());
/** By raw response: the handler that may respond with a stream. */
const handlers = new AttachedState<SeamHandler>('stream-handler');

/** Reports the errors of streams that an application responds with. */
export function seeStreamErrors(adapter: HttpAdapter, failed: StreamFailed): void {
  if (applications.has(adapter)) return;
  applications.set(adapter, failed);
  const reply = fieldOf(adapter, 'reply');
  if (typeof reply !== 'function') return;
  const isFastify = adapter.getType?.() === 'fastify';
  const observed: Method = function (this: unknown, ...args) {
    const [response, body] = args;
    const stream = streamOf(body, isFastify);
    if (stream !== undefined) observeBody(stream, response, isFastify, failed);
    return Reflect.apply(reply, this, args);
  };
  Reflect.set(adapter, 'reply', observed);
}

/** The stream that the adapter sends. It listens to its errors as well, so that ours is never the only listener. */
function streamOf(body: unknown, isFastify: boolean): Readable | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const stream: unknown = body instanceof StreamableFile ? body.getStream() : isFastify ? body : undefined;
  return stream instanceof Readable ? stream : undefined;
}

function observeBody(stream: Readable, response: unknown, isFastify: boolean, failed: StreamFailed): void {
  const raw = rawOf<RawResponse>(response);
  const request: unknown = fieldOf(response, 'request') ?? raw?.req;
  if (raw === undefined || !isObject(request)) return;
  const notify = (error: unknown): void => {
    // Otherwise Fastify hands it to the exception filters.
    if (!isFastify || raw.headersSent) failed(error, request, raw, handlers.get(raw));
  };
  if (stream.errored) notify(stream.errored);
  else stream.once('error', notify);
}

/** The handler whose route Nest is creating. */
let creating: SeamHandler | undefined;

/** Prepares the class by which Nest creates routes, once per process. Returns false if that is impossible. */
export async function openRouteSeam(): Promise<boolean> {
  const prototype = fieldOf(fieldOf(await seamImports.routes(), 'RouterExecutionContext'), 'prototype');
  const isDone = replaceMethod(prototype, 'createHandleResponseFn', (original) => {
    return function (this: unknown, ...args) {
      const respond = Reflect.apply(original, this, args) as Method;
      const adapter = fieldOf(fieldOf(this, 'responseController'), 'applicationRef');
      const failed = typeof adapter === 'object' && adapter !== null ? applications.get(adapter) : undefined;
      return failed === undefined || creating === undefined ? respond : observeRoute(respond, creating, failed);
    };
  });
  return (
    isDone &&
    replaceMethod(prototype, 'create', (original) => {
      return function (this: unknown, ...args) {
        const outer = creating;
        creating = { instance: args[0], callback: args[1] };
        try {
          return Reflect.apply<unknown, unknown[], unknown>(original, this, args);
        } finally {
          creating = outer;
        }
      };
    })
  );
}

/** @param respond sends the result of the handler */
function observeRoute(respond: Method, handler: SeamHandler, failed: StreamFailed): Method {
  if (isEventStream(handler.callback)) {
    return function (this: unknown, result, response, request, ...rest) {
      const raw = rawOf<RawResponse>(response);
      if (raw === undefined || !isObject(request))
        return Reflect.apply(respond, this, [result, response, request, ...rest]);
      const seen = withErrors(result, (error) => {
        // Otherwise Nest hands it to the exception filters.
        if (raw.headersSent) failed(error, request, raw, handler);
      });
      return Reflect.apply(respond, this, [seen, response, request, ...rest]);
    };
  }
  return function (this: unknown, ...args) {
    const [result, response] = args;
    if (mayBeStream(result)) {
      const raw = rawOf(response);
      if (raw !== undefined) handlers.set(raw, handler);
    }
    return Reflect.apply(respond, this, args);
  };
}

/** Not for plain objects and arrays, which most handlers return. */
function mayBeStream(result: unknown): boolean {
  if (!isObject(result) || Array.isArray(result)) return false;
  const prototype: unknown = Object.getPrototypeOf(result);
  return prototype !== Object.prototype && prototype !== null;
}

function withErrors(result: unknown, failed: (error: unknown) => void): unknown {
  if (isObservable(result)) return observed(result, failed);
  // Newer versions of Nest accept the promise of an Observable.
  if (!(result instanceof Promise)) return result;
  return result.then((value: unknown) => (isObservable(value) ? observed(value, failed) : value));
}

const observed = (stream: Observable<unknown>, failed: (error: unknown) => void): Observable<unknown> =>
  stream.pipe(tap({ error: failed }));

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
