import { PostHog, type PostHogOptions } from 'posthog-node';
import { type CaptureService } from '../capture/capture.service.js';
import { openBridge } from './open-bridge.js';

export { PostHog };

/** `bridgePostHog` with the build of posthog-node that this build of the package imports. */
export function bridgePostHog(capture: CaptureService, options: PostHogOptions = {}): PostHog {
  return openBridge(PostHog, capture, options);
}
