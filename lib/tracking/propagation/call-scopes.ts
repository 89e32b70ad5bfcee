import { type ExecutionContext } from '@nestjs/common';
import { type CallSource, type OpenSource, rawOf, type Transport } from '../../context/call-source.js';
import { checkContext, NO_CONTEXT } from '../../context/capture-context.js';
import { type ContextScope, currentScope, innermost, openScope } from '../../context/context-scope.js';
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

/** By raw HTTP request, or by Nest's context of a message. */
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
  const known = scopes.get(execution);
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
