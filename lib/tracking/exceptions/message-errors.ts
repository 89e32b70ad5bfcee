import { type Type } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { type CaptureBoundary } from '../../capture/exception/capture-boundary.js';
import { type Transport } from '../../context/call-source.js';
import { fieldOf } from '../../shared/untrusted-values.js';
import { scopeOfError } from '../call/error-scopes.js';
import { millisecondsSince } from '../call/tracked-call.js';
import { executionScope } from '../propagation/call-scopes.js';
import { type CaughtError, type ExceptionObserver } from './exception-observer.js';
import { type Filtered, handlerName, type SeamHandler, type SeeError } from './filter-seams.js';
import { markSeen } from './seen-errors.js';

const SOURCES = { graphql: 'nestjs.graphql', rpc: 'nestjs.rpc', ws: 'nestjs.websocket', provider: 'nestjs.external' };

const ignoreWarning = (): void => undefined;

/** The errors of GraphQL operations, of messages, and of other packages that run handlers with Nest's `ExternalContextCreator`. */
export class MessageErrors {
  readonly #exceptions: Pick<ExceptionObserver, 'caught'>;

  constructor(exceptions: Pick<ExceptionObserver, 'caught'>) {
    this.#exceptions = exceptions;
  }

  readonly rpc: SeeError = (error, host, handler) => () => this.#caught(error, callOf(host, handler, 'rpc'));

  readonly ws: SeeError = (error, host, handler) => () => this.#caught(error, callOf(host, handler, 'ws'));

  readonly external: SeeError = (error, host, handler) => {
    const isGraphql = typeOf(host) === 'graphql';
    markSeen(error);
    return (filtered) => {
      const call = callOf(host, handler, isGraphql ? 'graphql' : 'provider');
      afterFilters(filtered, (answer) => {
        // A filter has made data of the error.
        if (answer !== undefined) this.#caught(error, { ...call, answer });
      });
    };
  };

  #caught(error: unknown, call: CaughtError): void {
    this.#exceptions.caught(error, { ...call, scope: scopeOfError(error) ?? call.scope });
  }
}

type Answer = CaughtError['answer'];

/** @param decide called with the error that the filters have made of the original one; undefined if it is none */
function afterFilters(filtered: Filtered, decide: (answer: Answer) => void): void {
  if ('thrown' in filtered) {
    decide(answered(filtered.thrown));
    return;
  }
  const { result } = filtered;
  const decideBy = (value: unknown): void => decide(value instanceof Error ? answered(value) : undefined);
  if (result instanceof Promise) {
    result.then(decideBy, (error: unknown) => decide(answered(error)));
  } else {
    decideBy(result);
  }
}

function answered(error: unknown): Answer {
  markSeen(error);
  return { error };
}

function callOf(host: unknown, handler: SeamHandler, transport: keyof typeof SOURCES & Transport): CaughtError {
  const { instance, callback } = handler;
  const getArgs = fieldOf(host, 'getArgs');
  const args = typeof getArgs === 'function' ? (Reflect.apply(getArgs, host, []) as unknown[]) : [];
  const execution = new ExecutionContextHost(
    args,
    fieldOf(instance, 'constructor') as Type,
    callback as (...args: unknown[]) => unknown,
  );
  execution.setType(transport === 'provider' ? typeOf(host) : transport);
  const { scope, source, startedAt } = executionScope(execution, ignoreWarning);
  const request: unknown = source.request;
  const boundary: CaptureBoundary = { type: 'middleware', handled: true, level: 'error', source: SOURCES[transport] };
  return {
    boundary,
    scope,
    handler: handlerName(handler),
    call: {
      transport,
      execution,
      durationMs: millisecondsSince(startedAt),
      ...(request !== undefined && { request }),
    },
  };
}

function typeOf(host: unknown): string {
  const getType = fieldOf(host, 'getType');
  return typeof getType === 'function' ? String(Reflect.apply(getType, host, [])) : '';
}
