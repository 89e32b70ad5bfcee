import { headerOf, pathOf, type RequestFields } from './call-source.js';
import { type CheckedContext, NO_CONTEXT } from './capture-context.js';
import { distinctIdOf, isIllegalDistinctId } from './distinct-id.js';

/** Limit for values whose length the client decides. */
const MAX_LENGTH = 1000;
const CONTROL_CHARACTERS = /\p{Cc}/gu;

/**
 * Reads person and session from the headers that posthog-js adds to its requests, `X-PostHog-Distinct-Id` and `X-PostHog-Session-Id`.
 * They come from the client and must not be trusted; invalid values are ignored without a warning.
 *
 * @param isPersonTrusted false reads the session only: the application determines the person itself
 */
export function readTracingHeaders(request: RequestFields, isPersonTrusted: boolean): CheckedContext {
  const distinctId = isPersonTrusted ? headerOf(request, 'x-posthog-distinct-id', person) : undefined;
  const sessionId = headerOf(request, 'x-posthog-session-id', clean);
  if (distinctId === undefined) return sessionId === undefined ? NO_CONTEXT : { sessionId };
  return sessionId === undefined ? { distinctId } : { distinctId, sessionId };
}

function clean(value: string): string | undefined {
  const text = value.replace(CONTROL_CHARACTERS, '').trim().slice(0, MAX_LENGTH);
  return text === '' ? undefined : text;
}

function person(value: string): string | undefined {
  const text = clean(value);
  const id = text === undefined ? null : distinctIdOf(text);
  return id !== null && !isIllegalDistinctId(id) ? id : undefined;
}

/** A set of properties that a request adds to its events. */
export type RequestPropertySet = 'route' | 'url' | 'ip' | 'none';

type Read = (request: RequestFields, route: string | undefined) => unknown;

const ROUTE: Readonly<Record<string, Read>> = {
  $request_method: (request) => request.method,
  $request_route: (_request, route) => route,
  $user_agent: (request) => headerOf(request, 'user-agent', (value) => value.slice(0, MAX_LENGTH)),
};

/** Named as in PostHog's own SDK for Node where it has the property. */
const SETS: Readonly<Record<RequestPropertySet, Readonly<Record<string, Read>>>> = {
  route: ROUTE,
  url: { ...ROUTE, $request_path: pathOf, $current_url: urlOf },
  // From the framework, whose trust-proxy setting decides which header to believe; never read from a header here.
  ip: { $ip: (request) => request.ip },
  none: {},
};

export const REQUEST_PROPERTY_SETS: readonly string[] = Object.keys(SETS);

/**
 * Creates a function that reads the properties of one request, into a fresh object each time. undefined when there is nothing to
 * read.
 */
export function requestPropertyReader(
  sets: RequestPropertySet | readonly RequestPropertySet[],
): ((request: RequestFields, route: string | undefined) => Readonly<Record<string, unknown>>) | undefined {
  const readers = Object.entries([sets].flat().reduce<typeof ROUTE>((all, set) => ({ ...all, ...SETS[set] }), {}));
  if (readers.length === 0) return undefined;
  return (request, route) => {
    const properties: Record<string, unknown> = {};
    for (const [name, read] of readers) {
      const value = read(request, route);
      if (typeof value === 'string') properties[name] = value;
    }
    return properties;
  };
}

function urlOf(request: RequestFields): string | undefined {
  const path = pathOf(request);
  const host = headerOf(request, 'host', (value) => value);
  if (path === undefined || host === undefined || typeof request.protocol !== 'string') return undefined;
  return `${request.protocol}://${host}${path}`;
}
