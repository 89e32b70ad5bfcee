import { type IncomingMessage } from 'node:http';
import { isIPv4 } from 'node:net';

/** Whether an address is one of this machine's own. */
export function isLoopback(address: string): boolean {
  const plain = address.replace(/^::ffff:/i, '');
  return plain === '::1' || (isIPv4(plain) && plain.startsWith('127.'));
}

/** Whether a request asks for this machine by a name of its own: a name that was made to point here (DNS rebinding) is none. */
export function hasLoopbackHost({ headers }: IncomingMessage): boolean {
  const host = (headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
  return host === 'localhost' || host.endsWith('.localhost') || isLoopback(host.replace(/^\[(.*)\]$/, '$1'));
}

/** Whether a request comes from another site's page, by what the browser says of it. Requests of no browser say nothing. */
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
