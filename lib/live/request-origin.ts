import { type IncomingMessage } from 'node:http';
import { isIPv4 } from 'node:net';

/** Returns true for an IP address of the loopback interface. */
export function isLoopback(address: string): boolean {
  const plain = address.replace(/^::ffff:/i, '');
  return plain === '::1' || (isIPv4(plain) && plain.startsWith('127.'));
}

/** Returns true if the Host header is `localhost` or a loopback address. Any other name may point here through DNS rebinding. */
export function hasLoopbackHost({ headers }: IncomingMessage): boolean {
  const host = (headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
  return host === 'localhost' || host.endsWith('.localhost') || isLoopback(host.replace(/^\[(.*)\]$/, '$1'));
}

/** Returns true for a request from a page of another site, according to the browser's headers. Other clients do not send them. */
export function isCrossSite({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers;
  const site = headers['sec-fetch-site'];
  const isNavigation = headers['sec-fetch-mode'] === 'navigate';
  if (origin !== undefined && originHost(origin) !== host) return true;
  return !isNavigation && (site === 'cross-site' || site === 'same-site');
}

function originHost(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}
