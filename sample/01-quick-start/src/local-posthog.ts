import { FakePostHog } from 'nestjs-posthog-capture/testing';

const USUAL_PORT = 8010;

/** A PostHog on this machine, with a page of the events that it got. On another port when the usual one is taken. */
export async function startLocalPostHog(): Promise<FakePostHog> {
  try {
    return await FakePostHog.start({ port: USUAL_PORT });
  } catch {
    return FakePostHog.start();
  }
}
