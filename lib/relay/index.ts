/**
 * The relay, which takes events from the queue that pods share and sends them to PostHog.
 *
 * @module nestjs-posthog-capture/relay
 */
export { PostHogRelayModule } from './posthog-relay.module.js';
export {
  type PostHogRelayModuleAsyncOptions,
  type PostHogRelayModuleExtras,
  type PostHogRelayOptionsFactory,
} from './posthog-relay.module-definition.js';
export { type PostHogRelayModuleOptions } from './relay-options.js';
