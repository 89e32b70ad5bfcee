import { createHmac, timingSafeEqual } from 'node:crypto';
import { type IncomingMessage } from 'node:http';
import { isLoopback, hasLoopbackHost } from '../live/request-origin.js';

/** Express keeps the complete URL in `originalUrl`; routers shorten `url`. */
type RawRequest = IncomingMessage & { readonly originalUrl?: string };

const COOKIE = 'posthog_inspector';
const FORWARDING_HEADERS = /^(?:forwarded|via|x-forwarded-.*|x-real-ip|x-client-ip|cf-connecting-ip|true-client-ip)$/;

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
  if (httpVersion === '1.0' || Object.keys(headers).some((name) => FORWARDING_HEADERS.test(name))) return false;
  return hasLoopbackHost(request);
}

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
