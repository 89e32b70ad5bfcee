import { type PostHog, type PostHogOptions } from 'posthog-node';
import { type CaptureService } from '../capture/capture.service.js';
import { requirePackage } from '../shared/require.js';
import { openBridge } from './open-bridge.js';
import { cannotBeLoaded } from './posthog-node-package.js';

/**
 * Makes a client of posthog-node whose events are captured by an instance of this package: they get its context, are queued in order with
 * its events, and count in its `stats()`. Flags are evaluated by posthog-node, for the project and host of the instance. In an application of
 * Nest, import `PostHogNodeModule` instead.
 *
 * `flush()` of the client flushes the instance. `shutdown()` stops the client and flushes the instance, which is not closed.
 *
 * @param options those of posthog-node. `before_send` is called before the event is captured. Options of its queue have no effect
 * @throws Error if posthog-node is not installed or has another version than 5.61.1 or later of 5
 */
export function bridgePostHog(capture: CaptureService, options: PostHogOptions = {}): PostHog {
  return openBridge(load().PostHog, capture, options);
}

function load(): { readonly PostHog: typeof PostHog } {
  try {
    return requirePackage('posthog-node') as { PostHog: typeof PostHog };
  } catch (error) {
    throw cannotBeLoaded('bridgePostHog', error);
  }
}
