import { headerOf, pathOf, type RequestFields } from './request-fields.js';

/** What a request adds to its events. */
export type RequestPropertySet = 'route' | 'url' | 'ip' | 'none';

type Read = (request: RequestFields, route: string | undefined) => unknown;

/** A user agent is as long as its client likes. */
const MAX_USER_AGENT_LENGTH = 1000;

const ROUTE: Readonly<Record<string, Read>> = {
  $request_method: (request) => request.method,
  $request_route: (_request, route) => route,
  $user_agent: (request) => headerOf(request, 'user-agent', (value) => value.slice(0, MAX_USER_AGENT_LENGTH)),
};

/** The properties of each set, under the names that PostHog's own SDK for Node uses where it has one. */
const SETS: Readonly<Record<RequestPropertySet, Readonly<Record<string, Read>>>> = {
  route: ROUTE,
  url: { ...ROUTE, $request_path: pathOf, $current_url: urlOf },
  // Of the framework, which knows by its trust-proxy setting whom to believe; never of a header.
  ip: { $ip: (request) => request.ip },
  none: {},
};

/** The names of the sets. */
export const REQUEST_PROPERTY_SETS: readonly string[] = Object.keys(SETS);

/**
 * Reads what requests add to their events.
 *
 * @returns what reads one request that is on a route: a fresh object each time, with what is known by then
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
