import { type ExecutionContext, type Type } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { type CaptureBoundary } from '../../capture/exception/capture-boundary.js';
import { rawOf, requestOf, routeOf } from '../../context/call-source.js';
import { type ContextScope, innermost } from '../../context/context-scope.js';
import { AttachedState } from '../../shared/attached-state.js';
import { fieldOf } from '../../shared/untrusted-values.js';
import { scopeOfError } from '../call/error-scopes.js';
import { millisecondsSince } from '../call/tracked-call.js';
import { type RawResponse, type ResponseEnd } from '../http/response-end.js';
import { requestScope } from '../propagation/call-scopes.js';
import { type ExceptionObserver } from './exception-observer.js';
import { isDisconnect } from './expected-errors.js';
import { handlerName, type SeamHandler, type SeeError } from './filter-seams.js';

/** The part of an application that HTTP errors need. */
export interface HttpApplication {
  readonly exceptions: Pick<ExceptionObserver, 'caught'>;
  onResponseEnd(response: RawResponse, listener: (end: ResponseEnd) => void): void;
}

/** A failed request. */
interface Failure {
  readonly error: unknown;
  readonly request: object;
  readonly response: object;
  readonly handler: SeamHandler | undefined;
  readonly scope: ContextScope;
  /** The status of a response that had begun before the error, so it tells nothing of it. */
  readonly sentStatus: number | undefined;
  /** Called after the filters, so that errors they capture themselves come first. */
  isFiltered: boolean;
  end: ResponseEnd | undefined;
  isOver: boolean;
}

/** By raw response: the failure that is yet to be captured. A filter may throw another error, which Nest handles once more. */
const open = new AttachedState<Failure>('failure');

/** The errors of HTTP requests. They are captured when the response has ended, because its status decides. */
export class HttpErrors {
  readonly #app: HttpApplication;

  constructor(app: HttpApplication) {
    this.#app = app;
  }

  /** For the exception filters of routes, middleware, the body parser and requests not found. */
  readonly see: SeeError = (error, host, handler) => {
    const request = argumentOf(host, 0);
    const response = argumentOf(host, 1);
    if (request === undefined || response === undefined) return undefined;
    return this.failed(error, request, response, handler);
  };

  /**
   * Notes that a request failed.
   *
   * @returns called when the filters have returned
   */
  failed(
    error: unknown,
    request: object,
    response: object,
    handler: SeamHandler | undefined,
  ): (() => void) | undefined {
    const raw = rawOf<RawResponse>(response);
    if (raw === undefined || open.get(raw)?.isOver === false) return undefined;
    const failure: Failure = {
      error,
      request,
      response,
      handler,
      scope: scopeOfError(error) ?? innermost(requestScope(request).scope),
      sentStatus: raw.headersSent ? raw.statusCode : undefined,
      isFiltered: false,
      end: undefined,
      isOver: false,
    };
    open.set(raw, failure);
    const finish = (): void => {
      if (failure.isOver || !failure.isFiltered || failure.end === undefined) return;
      failure.isOver = true;
      this.#capture(failure, failure.end);
    };
    if (typeof raw.end === 'function' && typeof raw.once === 'function') {
      this.#app.onResponseEnd(raw, (end) => {
        // A filter has responded to a client that had left.
        const isAnswered = end.statusCode === undefined && raw.statusCode >= 400;
        failure.end = isAnswered ? { ...end, statusCode: raw.statusCode } : end;
        finish();
      });
    } else {
      // Not a response of Node: nothing tells when it ends.
      failure.end = { how: 'complete', statusCode: undefined };
    }
    return () => {
      failure.isFiltered = true;
      finish();
    };
  }

  #capture(failure: Failure, { how, statusCode: lastStatus }: ResponseEnd): void {
    const { error, request, scope, sentStatus } = failure;
    if (how === 'aborted' && isDisconnect(error)) return;
    const isTooLate = sentStatus !== undefined;
    const statusCode = sentStatus ?? lastStatus;
    const { source, startedAt } = requestScope(request);
    const fields = requestOf(source);
    const execution = executionOf(failure) ?? source.execution;
    this.#app.exceptions.caught(error, {
      boundary: isTooLate ? ESCAPED : ANSWERED,
      scope,
      handler:
        execution && handlerName({ instance: { constructor: execution.getClass() }, callback: execution.getHandler() }),
      isDecidedByStatus: !isTooLate && how !== 'broken',
      call: {
        transport: 'http',
        request: source.request as unknown,
        durationMs: millisecondsSince(startedAt),
        ...(statusCode !== undefined && { statusCode }),
        ...(execution !== undefined && { execution }),
      },
      properties: () => {
        const route = routeOf(fields);
        return { $request_method: fields.method, ...(route !== undefined && { $request_route: route }) };
      },
    });
  }
}

const ANSWERED: CaptureBoundary = { type: 'middleware', handled: true, level: 'error', source: 'nestjs.http' };
const ESCAPED: CaptureBoundary = { ...ANSWERED, handled: false };

/** An argument of a call, if it is an object. */
function argumentOf(host: unknown, index: number): object | undefined {
  const getArgByIndex = fieldOf(host, 'getArgByIndex');
  if (typeof getArgByIndex !== 'function') return undefined;
  const argument: unknown = Reflect.apply(getArgByIndex, host, [index]);
  return typeof argument === 'object' && argument !== null ? argument : undefined;
}

/** Nest's context of a handler, which it creates only for guards, pipes and interceptors. */
function executionOf({ request, response, handler }: Failure): ExecutionContext | undefined {
  if (handler === undefined || handlerName(handler) === undefined) return undefined;
  const { instance, callback } = handler;
  const type = fieldOf(instance, 'constructor') as Type;
  return new ExecutionContextHost([request, response], type, callback as () => unknown);
}
