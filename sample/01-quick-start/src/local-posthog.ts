import { FakePostHog } from 'nestjs-posthog-capture/testing';

/** Starts a local PostHog with a page that shows its events. Uses any free port if `port` is in use. */
export async function startLocalPostHog(port: number): Promise<FakePostHog> {
  try {
    return await FakePostHog.start({ port });
  } catch {
    return FakePostHog.start();
  }
}
