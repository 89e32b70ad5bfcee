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

/** `page`: may be opened by an address or a link. `data`: is read by the page, and starts or shows the recording of events. */
export type Resource = 'page' | 'data';

/**
 * Returns true for a request that a browser makes for a page of another site, or in a frame, according to its headers. Other clients do
 * not send them. Old browsers, and browsers that use neither HTTPS nor localhost, send no `Sec-Fetch-` headers: for data, the Referer must
 * be the page.
 */
export function isForeign({ headers }: IncomingMessage, resource: Resource): boolean {
  const { origin, host, referer } = headers;
  const site = headers['sec-fetch-site'];
  if (origin !== undefined && hostOf(origin) !== host) return true;
  if (site === undefined) {
    const isBrowser = BROWSER.test(headers['user-agent'] ?? '');
    return resource === 'data' && isBrowser && (referer === undefined || hostOf(referer) !== host);
  }
  if (headers['sec-fetch-mode'] === 'navigate') return resource === 'data' || headers['sec-fetch-dest'] !== 'document';
  return site !== 'same-origin';
}

/** All browsers, and few other clients. */
const BROWSER = /^Mozilla\//;

function hostOf(url: string): string | null {
  return URL.canParse(url) ? new URL(url).host : null;
}
