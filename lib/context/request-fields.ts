import { IncomingMessage } from 'node:http';
import { types } from 'node:util';
import { type CallSource } from './call-source.js';

/** What is read of a request of Express or Fastify. Everything in it is the client's word or the framework's; nothing is certain to be there. */
export interface RequestFields {
  readonly method?: unknown;
  readonly url?: unknown;
  readonly originalUrl?: unknown;
  readonly baseUrl?: unknown;
  readonly protocol?: unknown;
  readonly ip?: unknown;
  readonly headers?: unknown;
  /** Fastify's request has Node's within. */
  readonly raw?: unknown;
  readonly route?: unknown;
  readonly routeOptions?: unknown;
}

const NO_FIELDS: RequestFields = Object.freeze({});

/** The request behind a call; empty where there is none. */
export function requestOf(source: CallSource): RequestFields {
  const request: unknown = source.request;
  return typeof request === 'object' && request !== null ? request : NO_FIELDS;
}

/**
 * One header, whatever the case of its name: the first value that `accept` takes, of those a client repeated.
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
  const bag = headers as Record<string, unknown>;
  const value = bag[name] ?? (areNodes(headers, request) ? undefined : valueInAnyCase(bag, name));
  if (typeof value === 'string') return accept(value);
  if (!Array.isArray(value)) return undefined;
  for (const one of value as unknown[]) {
    const accepted = typeof one === 'string' ? accept(one) : undefined;
    if (accepted !== undefined) return accepted;
  }
  return undefined;
}

/** Whether headers are as Node itself has read them: with all names in lower case, which other sources of headers need not have. */
function areNodes(headers: object, request: RequestFields): boolean {
  const message = request.raw instanceof IncomingMessage ? request.raw : request;
  return message instanceof IncomingMessage && message.headers === headers;
}

function valueInAnyCase(headers: Record<string, unknown>, name: string): unknown {
  for (const key in headers) if (key.length === name.length && key.toLowerCase() === name) return headers[key];
  return undefined;
}

/**
 * The template of the route that serves a request (`/users/:id`, with global prefix and version); undefined until the router has
 * chosen one, and for requests that match none.
 */
export function routeOf(request: RequestFields): string | undefined {
  const fastify = fieldOf(request.routeOptions, 'url');
  if (typeof fastify === 'string') return fastify;
  const path = fieldOf(request.route, 'path');
  const templates = [path].flat().filter((one) => typeof one === 'string' || types.isRegExp(one));
  if (templates.length === 0) return undefined;
  const base = typeof request.baseUrl === 'string' ? request.baseUrl : '';
  return `${base}${templates.join('|')}`;
}

/** The path of a request as the client sent it, without its query. */
export function pathOf(request: RequestFields): string | undefined {
  const url = typeof request.originalUrl === 'string' ? request.originalUrl : request.url;
  return typeof url === 'string' ? url.split(/[?#]/, 1)[0] : undefined;
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, field) : undefined;
}
