/** URL of the page that shows the events: PostHog Cloud has separate hosts for ingestion and for its application. */
export function eventsPage(posthogHost = 'https://us.posthog.com'): string {
  return posthogHost.replace('.i.posthog.com', '.posthog.com');
}
