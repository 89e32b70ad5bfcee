/** Where events can be seen: the local PostHog's page, or PostHog's application, which is not where events are sent. */
export function eventsPage(posthogHost = 'https://us.posthog.com'): string {
  return posthogHost.replace('.i.posthog.com', '.posthog.com');
}
