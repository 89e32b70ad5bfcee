import { IncomingMessage } from 'node:http';
import { types } from 'node:util';
import { type ArgumentsHost, type ExecutionContext } from '@nestjs/common';
import { AttachedState } from '../shared/attached-state.js';
import { processSingleton } from '../shared/process-singleton.js';

/** Transport of a call. `provider` is a method of a plain provider: a job, a schedule, an event or command handler. */
export type Transport = 'http' | 'graphql' | 'rpc' | 'ws' | 'provider';

/**
 * A value of the application or its framework, typed as loosely as Nest's own `getRequest()` and `getArgs()`, so that
 * `request.user` needs no cast.
 */
export type LooseValue = ReturnType<ArgumentsHost['getArgs']>[number];

/** Origin of a call, passed to the `identity` option. Shared by all instances, each of which may interpret it differently. */
export interface CallSource {
  readonly transport: Transport;
  /**
   * The request as Express or Fastify has it: of HTTP, of the HTTP request behind a GraphQL operation, or of the handshake
   * that opened a socket.io connection. Otherwise absent: the payload of a message is never read as a request.
   */
  readonly request?: LooseValue;
  /** Nest's context of the handler; absent until all guards have passed, and where there is no handler. */
  readonly execution?: ExecutionContext;
}

/** A call whose handler becomes known later. */
export type OpenSource = { -readonly [Field in keyof CallSource]: CallSource[Field] };

/** The fields read from a request of Express or Fastify. All are untrusted, and any of them may be missing. */
export interface RequestFields {
  readonly method?: unknown;
  readonly url?: unknown;
  readonly originalUrl?: unknown;
  readonly baseUrl?: unknown;
  readonly protocol?: unknown;
  readonly ip?: unknown;
  readonly headers?: unknown;
  /** Fastify's request wraps Node's. */
  readonly raw?: unknown;
  /** Express */
  readonly route?: { readonly path?: unknown; readonly stack?: readonly { readonly handle?: unknown }[] } | null;
  /** Fastify */
  readonly routeOptions?: { readonly url?: unknown } | null;
}

const NO_FIELDS: RequestFields = Object.freeze({});

/** The request behind a call; empty where there is none. */
export function requestOf(source: CallSource): RequestFields {
  const request: unknown = source.request;
  return typeof request === 'object' && request !== null ? request : NO_FIELDS;
}

/** Node's own request or response: Fastify wraps it, Express extends it. */
export function rawOf<T extends object>(wrapped: unknown): T | undefined {
  if (typeof wrapped !== 'object' || wrapped === null) return undefined;
  const { raw } = wrapped as { readonly raw?: { readonly once?: unknown } | null };
  // An application may keep something else under this name on Express's request, a body for instance.
  const isNodes = typeof raw === 'object' && raw !== null && typeof raw.once === 'function';
  return (isNodes ? raw : wrapped) as T;
}

/**
 * Reads a header, whatever the case of its name. Of a repeated header, the first value that `accept` takes.
 *
 * @param name in lower case
 */
export function headerOf<T>(
  request: RequestFields,
  name: string,
  accept: (value: string) => T | undefined,
): T | undefined {
  const { headers } = request;
  if (typeof headers !== 'object' || headers === null) return undefined;
  const byName = headers as Record<string, unknown>;
  const value = byName[name] ?? (isParsedByNode(headers, request) ? undefined : valueInAnyCase(byName, name));
  if (typeof value === 'string') return accept(value);
  if (!Array.isArray(value)) return undefined;
  for (const one of value as unknown[]) {
    const accepted = typeof one === 'string' ? accept(one) : undefined;
    if (accepted !== undefined) return accepted;
  }
  return undefined;
}

/** Node's parser makes all header names lower case; other sources of headers need not. */
function isParsedByNode(headers: object, request: RequestFields): boolean {
  const message = request.raw instanceof IncomingMessage ? request.raw : request;
  return message instanceof IncomingMessage && message.headers === headers;
}

function valueInAnyCase(headers: Record<string, unknown>, name: string): unknown {
  for (const key in headers) if (key.length === name.length && key.toLowerCase() === name) return headers[key];
  return undefined;
}

/** Nest's middleware and its handler for requests not found have routes of their own on Express. */
const noHandlers = processSingleton('no-handlers', () => new WeakSet());
/** The route of a request that all handlers have passed on. */
const leftRoute = new AttachedState<object>('left-route');

export function markAsNoHandler(layer: object): void {
  noHandlers.add(layer);
}

/** No handler has responded to a request of Express. */
export function markAsUnmatched(request: RequestFields): void {
  if (typeof request.route === 'object' && request.route !== null) leftRoute.set(request, request.route);
}

/** With this route, @fastify/cors responds to preflight requests. Nest's own routes begin with a slash. */
const PREFLIGHT_ROUTE = '*';

/**
 * The template of the route of the handler that serves a request (`/users/:id`, with global prefix and version); undefined until the
 * router has chosen one, and for requests that match none.
 */
export function routeOf(request: RequestFields): string | undefined {
  const fastify = request.routeOptions?.url;
  if (typeof fastify === 'string') return fastify === PREFLIGHT_ROUTE ? undefined : fastify;
  if (isHandlerless(request)) return undefined;
  const templates = [request.route?.path].flat().filter((one) => typeof one === 'string' || types.isRegExp(one));
  if (templates.length === 0) return undefined;
  const base = typeof request.baseUrl === 'string' ? request.baseUrl : '';
  return `${base}${templates.join('|')}`;
}

function isHandlerless(request: RequestFields): boolean {
  const { route } = request;
  if (typeof route !== 'object' || route === null) return false;
  const handler = route.stack?.[0]?.handle;
  return (typeof handler === 'function' && noHandlers.has(handler)) || leftRoute.get(request) === route;
}

/** The requested path, without the query. */
export function pathOf(request: RequestFields): string | undefined {
  const url = typeof request.originalUrl === 'string' ? request.originalUrl : request.url;
  return typeof url === 'string' ? url.split(/[?#]/, 1)[0] : undefined;
}
