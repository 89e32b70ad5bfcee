import { createHmac, timingSafeEqual } from 'node:crypto';
import { type IncomingMessage } from 'node:http';
import { isLoopback, hasLoopbackHost } from '../live/request-origin.js';

/** Express keeps the complete URL in `originalUrl`; routers shorten `url`. */
type RawRequest = IncomingMessage & { readonly originalUrl?: string };

const COOKIE = 'posthog_inspector';
/** Headers that proxies, load balancers, CDNs and tunnels add, and browsers do not. */
const FORWARDING_HEADERS = new Set([
  'cdn-loop',
  'client-ip',
  'do-connecting-ip',
  'eagleid',
  'forwarded',
  'front-end-https',
  'incap-client-ip',
  'oci-real-ip',
  'proxy-connection',
  'rndr-id',
  'surrogate-capability',
  'true-client-ip',
  'via',
  'x-client-ip',
  'x-client-port',
  'x-cloud-trace-context',
  'x-bluecoat-via',
  'x-cluster-client-ip',
  'x-coming-from',
  'x-iinfo',
  'x-host',
  'x-nginx-proxy',
  'x-proto',
  'x-proxyuser-ip',
  'x-remote-addr',
  'x-remote-ip',
  'x-request-start',
  'x-rewrite-url',
  'x-scheme',
  'x-true-client-ip',
  'x-url-scheme',
  'x-varnish',
  'z-forwarded-for',
]);
const FORWARDING_PREFIXES = [
  'akamai-',
  'ali-',
  'cf-',
  'cloudfront-',
  'fastly-',
  'fly-',
  'ngrok-',
  'tailscale-',
  'wl-proxy-',
  'x-akamai-',
  'x-amz-cf-',
  'x-amzn-',
  'x-appengine-',
  'x-arr-',
  'x-azure-',
  'x-envoy-',
  'x-fd-',
  'x-forwarded',
  'x-goog-',
  'x-ms-forwarded-',
  'x-nf-',
  'x-original-',
  'x-proxy-',
  'x-railway-',
  'x-real-',
  'x-sucuri-',
  'x-vercel-',
];

/** Returns true if the socket's remote address is this machine. Forwarding headers are ignored. */
export function isFromLoopback({ socket }: IncomingMessage): boolean {
  return isLoopback(socket.remoteAddress ?? '');
}

/**
 * Returns true if the Host header names this machine and the request did not come through a proxy. Other names may point here through DNS
 * rebinding, and a proxy may forward requests from anywhere.
 */
export function isDirectToLoopback(request: IncomingMessage): boolean {
  const { headers, httpVersion } = request;
  // HTTP/1.0 indicates a proxy without forwarding headers, such as nginx with its default configuration.
  if (httpVersion === '1.0' || Object.keys(headers).some(isForwarding)) return false;
  return hasLoopbackHost(request);
}

const isForwarding = (name: string): boolean =>
  FORWARDING_HEADERS.has(name) || FORWARDING_PREFIXES.some((prefix) => name.startsWith(prefix));

/** Accepts the token as query parameter, as bearer token, or through the cookie that the page sets. */
export function hasToken(token: string, request: IncomingMessage): boolean {
  const [, bearer] = /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? [];
  return (
    isSame(token, queryOf(request).get('token')) ||
    isSame(token, bearer) ||
    cookiesOf(request).some((cookie) => isSame(cookieValue(token), cookie))
  );
}

/** The cookie holds an HMAC instead of the token, and stays valid across restarts. */
export function cookieFor(token: string, request: IncomingMessage): string {
  const path = urlOf(request).pathname.replace(/\/+$/, '');
  const secure = 'encrypted' in request.socket ? '; Secure' : '';
  return `${COOKIE}=${cookieValue(token)}; Path=${path === '' ? '/' : path}; HttpOnly; SameSite=Strict${secure}`;
}

export function queryOf(request: IncomingMessage): URLSearchParams {
  return urlOf(request).searchParams;
}

function urlOf({ originalUrl, url = '/' }: RawRequest): URL {
  return new URL(`http://localhost${originalUrl ?? url}`);
}

function cookieValue(token: string): string {
  return createHmac('sha256', token).update(COOKIE).digest('base64url');
}

function cookiesOf({ headers }: IncomingMessage): string[] {
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='));
  return pairs.flatMap(([name, value = '']) => (name === COOKIE ? [value] : []));
}

/** Compares in constant time, also for different lengths. */
function isSame(secret: string, given: string | null | undefined): boolean {
  if (typeof given !== 'string') return false;
  const digest = (text: string): Buffer => createHmac('sha256', COOKIE).update(text).digest();
  return timingSafeEqual(digest(secret), digest(given));
}
