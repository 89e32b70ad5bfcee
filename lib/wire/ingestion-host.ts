/** Hosts of PostHog's application, and where they take events. */
const INGESTION_HOSTS = new Map([
  ['app.posthog.com', 'https://us.i.posthog.com'],
  ['us.posthog.com', 'https://us.i.posthog.com'],
  ['eu.posthog.com', 'https://eu.i.posthog.com'],
]);

/**
 * Where events go for a configured host: application hosts become their ingestion hosts; any other, a reverse proxy
 * with a path prefix included, is used as it is without trailing slashes.
 */
export function ingestionHost(host: string): string {
  const url = new URL(host);
  const mapped = INGESTION_HOSTS.get(url.host);
  return mapped ?? `${url.protocol}//${url.host}${url.pathname}`.replace(/\/+$/, '');
}
