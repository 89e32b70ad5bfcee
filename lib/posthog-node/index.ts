/**
 * posthog-node over this package: a client whose events are captured by CaptureService. Needs the package `posthog-node`, 5.61.1 or later.
 *
 * @module nestjs-posthog-capture/posthog-node
 */
export { bridgePostHog } from './bridge-posthog.js';
export { getPostHogToken, InjectPostHog, PostHogNodeModule } from './posthog-node.module.js';
export {
  type PostHogNodeModuleAsyncOptions,
  type PostHogNodeModuleExtras,
  type PostHogNodeModuleOptions,
  type PostHogNodeOptionsFactory,
} from './posthog-node.module-definition.js';
