import { FakePostHog } from 'nestjs-posthog-capture/testing';

/** A PostHog on this machine, with a page of the events that it got. On any free port when the wanted one is taken. */
export async function startLocalPostHog(port: number): Promise<FakePostHog> {
  try {
    return await FakePostHog.start({ port });
  } catch {
    return FakePostHog.start();
  }
}
