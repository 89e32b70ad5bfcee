import { createHmac, timingSafeEqual } from 'node:crypto';
import { type IncomingMessage } from 'node:http';
import { isLoopback, hasLoopbackHost } from '../live/request-origin.js';

/** A request as Node has it; Express adds the address that was asked for before any router cut it. */
type RawRequest = IncomingMessage & { readonly originalUrl?: string };

const COOKIE = 'posthog_inspector';
const FORWARDING_HEADERS = /^(?:forwarded|via|x-forwarded-.*|x-real-ip|x-client-ip|cf-connecting-ip|true-client-ip)$/;

/** Whether a request came from this machine, by the address at the other end of its socket; what its headers say of it counts for nothing. */
export function isFromLoopback({ socket }: IncomingMessage): boolean {
  return isLoopback(socket.remoteAddress ?? '');
}

/**
 * Whether the browser asked for this machine by a name of its own. A name that an attacker had made to point here (DNS rebinding) is
 * none; neither is what a reverse proxy says, for it may bring anybody.
 */
export function isDirectToLoopback(request: IncomingMessage): boolean {
  const { headers, httpVersion } = request;
  // A proxy that says nothing of itself speaks HTTP/1.0, as nginx does where nobody tells it otherwise.
  if (httpVersion === '1.0' || Object.keys(headers).some((name) => FORWARDING_HEADERS.test(name))) return false;
  return hasLoopbackHost(request);
}

/** Whether a request has the token: in its address, in the cookie that the page gave it, or as a bearer. */
export function hasToken(token: string, request: IncomingMessage): boolean {
  const [, bearer] = /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? [];
  return (
    isSame(token, queryOf(request).get('token')) ||
    isSame(token, bearer) ||
    cookiesOf(request).some((cookie) => isSame(cookieValue(token), cookie))
  );
}

/** A cookie that opens the page, and does not tell the token. It works after a restart, too. */
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

/** Compares in a time that tells nothing, whatever the lengths. */
function isSame(secret: string, given: string | null | undefined): boolean {
  if (typeof given !== 'string') return false;
  const digest = (text: string): Buffer => createHmac('sha256', COOKIE).update(text).digest();
  return timingSafeEqual(digest(secret), digest(given));
}
