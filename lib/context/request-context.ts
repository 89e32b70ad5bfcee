import { type Warn } from '../shared/unknown-fields.js';
import { headerOf, pathOf, type RequestFields } from './call-source.js';
import { type CheckedContext, NO_CONTEXT } from './capture-context.js';
import { cutDistinctId, distinctIdOf, isIllegalDistinctId, MAX_DISTINCT_ID_BYTES } from './distinct-id.js';
import { type CookieNames, readBrowserState } from './posthog-cookie.js';

/** Limit for values whose length the client decides. */
const MAX_LENGTH = 1000;
const CONTROL_CHARACTERS = /\p{Cc}/gu;

const DISTINCT_ID_HEADER = 'x-posthog-distinct-id';
const SESSION_ID_HEADER = 'x-posthog-session-id';

/**
 * Reads person and session from the headers that posthog-js adds to its requests, `X-PostHog-Distinct-Id` and `X-PostHog-Session-Id`.
 * They come from the client and must not be trusted; invalid values are ignored without a warning.
 *
 * @param isPersonTrusted false reads the session only: the application determines the person itself
 */
export function readTracingHeaders(request: RequestFields, isPersonTrusted: boolean, warn: Warn): CheckedContext {
  const distinctId = isPersonTrusted
    ? headerOf(request, DISTINCT_ID_HEADER, (value) => person(value, `the header ${DISTINCT_ID_HEADER}`, warn))
    : undefined;
  return contextOf(distinctId, headerOf(request, SESSION_ID_HEADER, clean));
}

/** True if posthog-js added a header to the request, even if its value is not used. */
export function hasTracingHeaders(request: RequestFields): boolean {
  return [DISTINCT_ID_HEADER, SESSION_ID_HEADER].some((name) => headerOf(request, name, clean) !== undefined);
}

/**
 * Reads person and session from the cookie of posthog-js, which comes from the client like the headers.
 *
 * @param isPersonTrusted false reads the session only
 */
export function readPostHogCookie(
  request: RequestFields,
  names: CookieNames,
  isPersonTrusted: boolean,
  warn: Warn,
): CheckedContext {
  const state = readBrowserState(request, names, Date.now());
  if (state === undefined) return NO_CONTEXT;
  const { distinctId, sessionId } = state;
  const isUsed = isPersonTrusted && distinctId !== undefined;
  return contextOf(
    isUsed ? person(distinctId, "PostHog's cookie", warn) : undefined,
    sessionId === undefined ? undefined : clean(sessionId),
  );
}

function contextOf(distinctId: string | undefined, sessionId: string | undefined): CheckedContext {
  if (distinctId === undefined) return sessionId === undefined ? NO_CONTEXT : { sessionId };
  return sessionId === undefined ? { distinctId } : { distinctId, sessionId };
}

function clean(value: string): string | undefined {
  const text = value.replace(CONTROL_CHARACTERS, '').trim().slice(0, MAX_LENGTH);
  return text === '' ? undefined : text;
}

/** @param where the source of the value, for the warning */
function person(value: string, where: string, warn: Warn): string | undefined {
  const text = clean(value);
  if (text === undefined) return undefined;
  const whole = distinctIdOf(text);
  const id = whole ?? cutDistinctId(text);
  if (id === null || isIllegalDistinctId(id)) return undefined;
  if (whole === null)
    warn(`the distinct id in ${where} is longer than ${MAX_DISTINCT_ID_BYTES} bytes and was cut, as PostHog does`);
  return id;
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
