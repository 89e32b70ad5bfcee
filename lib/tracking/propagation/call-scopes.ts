import { type ExecutionContext } from '@nestjs/common';
import { type CallSource, type OpenSource, rawOf, type Transport } from '../../context/call-source.js';
import { checkContext, NO_CONTEXT } from '../../context/capture-context.js';
import { type ContextScope, currentScope, innermost, openScope, within } from '../../context/context-scope.js';
import { AttachedState } from '../../shared/attached-state.js';
import { type Warn } from '../../shared/unknown-fields.js';
import { fieldOf } from '../../shared/untrusted-values.js';
import { planOf } from '../call/tracked-methods.js';
import { takeCarriedContext } from './carried-context.js';

/** The context of a call, and its origin. */
export interface CallScope {
  readonly scope: ContextScope;
  readonly source: OpenSource;
  /** When the context was opened, by `performance.now()`. */
  readonly startedAt: number;
}

/** By raw HTTP request, by Nest's context of a message, or by the arguments of a message that a guard has seen. */
const scopes = new AttachedState<CallScope>('call');

/** Without HTTP, which is verified separately. */
const TRANSPORTS: readonly string[] = ['graphql', 'rpc', 'ws'] satisfies Transport[];

/** The context of an HTTP request: always the same one, and never inside another. */
export function requestScope(request: object): CallScope {
  const raw = rawOf(request) ?? request;
  return scopes.get(raw) ?? remember(raw, { transport: 'http', request }, undefined);
}

/** The context of a call that has reached Nest's interceptors. */
export function executionScope(execution: ExecutionContext, warn: Warn): CallScope {
  const known = scopes.get(execution) ?? scopes.get(execution.getArgs());
  if (known !== undefined) return known;
  const httpRequest = httpRequestOf(execution);
  if (httpRequest !== undefined) {
    const call = requestScope(httpRequest);
    call.source.execution = execution;
    return call;
  }
  const transport = transportOf(execution);
  if (transport === 'graphql') {
    // Several resolvers may serve one request, each with a context of its own.
    const around = currentScope.getStore();
    const request = graphqlRequest(execution) ?? (around?.source?.request as unknown);
    const source = { transport, execution, ...(request !== undefined && { request }) };
    // Inside the context of the request, if it is known: middleware may have switched to the context of another request.
    const own = typeof request === 'object' && request !== null ? scopes.get(rawOf(request) ?? request) : undefined;
    return remember(
      execution,
      source,
      own !== undefined ? innermost(own.scope) : around?.source?.transport === 'http' ? around : undefined,
    );
  }
  const request = transport === 'ws' ? handshakeRequest(execution) : undefined;
  const source = { transport, execution, ...(request !== undefined && { request }) };
  const carried = planOf(execution.getHandler()).restoresContext ? takeCarriedContext(execution.getArgs()) : undefined;
  // Never inside the current context, which is not the sender's.
  return remember(execution, source, undefined, carried === undefined ? NO_CONTEXT : checkContext(carried, warn));
}

/**
 * Runs a function of a guard or a pipe in the context that the handler will run in. For a message, guards run before the interceptor that
 * opens the context. Does not set the handler of an HTTP request, because a guard may still deny it.
 */
export function withinCall<T>(execution: ExecutionContext, warn: Warn, fn: () => T): T {
  const httpRequest = httpRequestOf(execution);
  if (httpRequest !== undefined) return within(requestScope(httpRequest).scope, fn);
  const transport = transportOf(execution);
  const around = currentScope.getStore()?.source;
  // Another library's call runs where that library has put it. A resolver runs in the context of its HTTP request.
  if (transport === 'provider' || (transport === 'graphql' && around?.transport === 'http')) return fn();
  // In a pipe, which gets a copy of the arguments.
  if (around?.execution !== undefined && isSameCall(around.execution, execution)) return fn();
  const call = executionScope(execution, warn);
  // Nest creates another context of the call for its interceptors, with the same arguments.
  scopes.set(execution.getArgs(), call);
  return within(call.scope, fn);
}

function isSameCall(one: ExecutionContext, other: ExecutionContext): boolean {
  const args: readonly unknown[] = other.getArgs();
  return (
    one.getHandler() === other.getHandler() && one.getArgs<unknown[]>().every((value, index) => value === args[index])
  );
}

function remember(key: object, source: CallSource, below: ContextScope | undefined, own = NO_CONTEXT): CallScope {
  const call: CallScope = { scope: openScope(below, own, source), source, startedAt: performance.now() };
  scopes.set(key, call);
  return call;
}

function transportOf(execution: ExecutionContext): Transport {
  const type = execution.getType<string>();
  return TRANSPORTS.includes(type) ? (type as Transport) : 'provider';
}

/** `http` is also Nest's default for libraries that use its ExternalContextCreator without setting a type. */
function httpRequestOf(execution: ExecutionContext): object | undefined {
  if (execution.getType<string>() !== 'http') return undefined;
  const http = execution.switchToHttp();
  const request = http.getRequest<unknown>();
  const isHttp = typeof fieldOf(rawOf(http.getResponse()), 'end') === 'function';
  return isHttp && typeof request === 'object' && request !== null ? request : undefined;
}

/** The application decides on the content of a GraphQL context; most keep the request where Apollo and Mercurius put it. */
function graphqlRequest(execution: ExecutionContext): unknown {
  const context: unknown = execution.getArgByIndex(2);
  return [fieldOf(context, 'req'), fieldOf(context, 'request'), fieldOf(fieldOf(context, 'reply'), 'request')].find(
    hasHeaders,
  );
}

/** socket.io keeps the request that opened the connection; ws does not. */
function handshakeRequest(execution: ExecutionContext): unknown {
  const request = fieldOf(execution.switchToWs().getClient<unknown>(), 'request');
  return hasHeaders(request) ? request : undefined;
}

const hasHeaders = (value: unknown): boolean => typeof fieldOf(value, 'headers') === 'object';
