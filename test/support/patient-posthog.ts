import { FakePostHog, type FakePostHogOptions, type WaitOptions } from 'nestjs-posthog-capture/testing';
import { KEY } from './secrets.js';
import { PATIENCE_MS } from './until.js';

/** A local PostHog whose waits allow for a busy machine. */
export async function startPatientPostHog(options: FakePostHogOptions = {}): Promise<FakePostHog> {
  const posthog = await FakePostHog.start({ apiKey: KEY, ...options });
  for (const method of ['waitFor', 'waitForEvents', 'waitForRequests'] as const) {
    const wait = posthog[method].bind(posthog) as (condition: unknown, options: WaitOptions) => Promise<unknown>;
    const patient: typeof wait = (condition, own) => wait(condition, { timeoutMs: PATIENCE_MS, ...own });
    Object.defineProperty(posthog, method, { value: patient });
  }
  return posthog;
}
