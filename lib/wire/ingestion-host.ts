import { createHash } from 'node:crypto';

/** PostHog's app hosts, and the hosts that take their events. */
const INGESTION_HOSTS = new Map([
  ['app.posthog.com', 'https://us.i.posthog.com'],
  ['us.posthog.com', 'https://us.i.posthog.com'],
  ['eu.posthog.com', 'https://eu.i.posthog.com'],
]);

/**
 * The URL that events are sent to, without a trailing slash. App hosts are mapped to their ingestion hosts; any other host, such as a
 * reverse proxy with a path, is used as it is.
 */
export function ingestionHost(host: string): string {
  const url = new URL(host);
  const mapped = INGESTION_HOSTS.get(url.host);
  return mapped ?? `${url.protocol}//${url.host}${url.pathname}`.replace(/\/+$/, '');
}

/** Identifies the project in stored events without revealing the key. */
export function projectIdOf(host: string, apiKey: string): string {
  return createHash('sha256')
    .update(`${ingestionHost(host)}\n${apiKey}`)
    .digest('hex')
    .slice(0, 16);
}
