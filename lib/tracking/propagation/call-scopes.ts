import { type ExecutionContext } from '@nestjs/common';
import { AttachedState } from '../../shared/attached-state.js';
import { checkContext, NO_CONTEXT, type Warn } from '../../context/capture-context.js';
import { type CallSource, type OpenSource, rawOf, type Transport } from '../../context/call-source.js';
import { type ContextScope, currentScope, openScope } from '../../context/context-scope.js';
import { takeCarriedContext } from './carried-context.js';
import { fieldOf } from '../../shared/untrusted-values.js';
import { planOf } from '../call/tracked-methods.js';

/** The context of a call, and what is known of where it came from. */
export interface CallScope {
  readonly scope: ContextScope;
  readonly source: OpenSource;
  /** The layer in which its route has opened the call of its handler. */
  entered?: ContextScope | undefined;
}

/** Raw HTTP requests and Nest's contexts of messages, each with its one context. */
const opened = new AttachedState<CallScope>('call');

/** Beside HTTP, which is not believed without a look at it. */
const TRANSPORTS: readonly string[] = ['graphql', 'rpc', 'ws'] satisfies Transport[];

/** The context of an HTTP request: the same whoever asks, and never within another one. */
export function requestScope(request: object): CallScope {
  const raw = rawOf(request) ?? request;
  return opened.get(raw) ?? remember(raw, { transport: 'http', request }, undefined);
}

/** The context of a call that has reached Nest's interceptors. */
export function executionScope(execution: ExecutionContext, warn: Warn): CallScope {
  const known = opened.get(execution);
  if (known !== undefined) return known;
  const httpRequest = httpRequestOf(execution);
  if (httpRequest !== undefined) {
    const call = requestScope(httpRequest);
    call.source.execution = execution;
    return call;
  }
  const transport = transportOf(execution);
  if (transport === 'graphql') {
    // Several resolvers may serve one request, each on its own.
    const around = currentScope.getStore();
    const request = graphqlRequest(execution) ?? (around?.source?.request as unknown);
    const source = { transport, execution, ...(request !== undefined && { request }) };
    // Of the request itself where it is known: middleware may have left its context for that of another request.
    const own = typeof request === 'object' && request !== null ? opened.get(rawOf(request) ?? request) : undefined;
    return remember(
      execution,
      source,
      own !== undefined ? innermost(own.scope) : around?.source?.transport === 'http' ? around : undefined,
    );
  }
  const request = transport === 'ws' ? handshakeRequest(execution) : undefined;
  const source = { transport, execution, ...(request !== undefined && { request }) };
  const carried = planOf(execution.getHandler()).restoresContext ? takeCarriedContext(execution.getArgs()) : undefined;
  // Never within the context around it: what happens to be there is not the sender's.
  return remember(execution, source, undefined, carried === undefined ? NO_CONTEXT : checkContext(carried, warn));
}

/** The current context when it lies within the given one, or that one. */
export function innermost(scope: ContextScope): ContextScope {
  const current = currentScope.getStore();
  return current !== undefined && liesWithin(current, scope) ? current : scope;
}

/** Runs something in a context, unless it does already. */
export function within<T>(scope: ContextScope, fn: () => T): T {
  const current = currentScope.getStore();
  return current !== undefined && liesWithin(current, scope) ? fn() : currentScope.run(scope, fn);
}

function liesWithin(layer: ContextScope, scope: ContextScope): boolean {
  for (let one: ContextScope | undefined = layer; one !== undefined; one = one.below) if (one === scope) return true;
  return false;
}

function remember(key: object, source: CallSource, below: ContextScope | undefined, own = NO_CONTEXT): CallScope {
  const call: CallScope = { scope: openScope(below, own, source), source };
  opened.set(key, call);
  return call;
}

function transportOf(execution: ExecutionContext): Transport {
  const type = execution.getType<string>();
  return TRANSPORTS.includes(type) ? (type as Transport) : 'provider';
}

/** Nest calls everything `http` that a library runs through its ExternalContextCreator without saying what it is. */
function httpRequestOf(execution: ExecutionContext): object | undefined {
  if (execution.getType<string>() !== 'http') return undefined;
  const http = execution.switchToHttp();
  const request = http.getRequest<unknown>();
  const isHttp = typeof fieldOf(rawOf(http.getResponse()), 'end') === 'function';
  return isHttp && typeof request === 'object' && request !== null ? request : undefined;
}

/** A GraphQL context is what the application made of it; most keep the request where Apollo and Mercurius put it. */
function graphqlRequest(execution: ExecutionContext): unknown {
  const context: unknown = execution.getArgByIndex(2);
  return [fieldOf(context, 'req'), fieldOf(context, 'request'), fieldOf(fieldOf(context, 'reply'), 'request')].find(
    hasHeaders,
  );
}

/** socket.io keeps the request that opened the connection; ws keeps none. */
function handshakeRequest(execution: ExecutionContext): unknown {
  const request = fieldOf(execution.switchToWs().getClient<unknown>(), 'request');
  return hasHeaders(request) ? request : undefined;
}

const hasHeaders = (value: unknown): boolean => typeof fieldOf(value, 'headers') === 'object';
