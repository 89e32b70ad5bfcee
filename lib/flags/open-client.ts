import { type CaptureService } from '../capture/capture.service.js';
import type * as BridgeModule from '../posthog-node/bridge.js';
import { cannotBeLoaded, requireVersion } from '../posthog-node/posthog-node-package.js';
import { type DefinitionsSource, type OwnFlagClient } from './flag-client.js';

export interface ClientSettings {
  readonly timeoutMs: number;
  /** undefined: flags are not evaluated locally. */
  readonly definitions: DefinitionsSource | undefined;
}

/** posthog-node waits this long before its retry. */
const RETRY_PAUSE_MS = 3000;

type Bridge = Pick<typeof BridgeModule, 'bridgePostHog'>;

/**
 * Loads posthog-node, an optional peer.
 *
 * @throws Error that names the package to install
 */
export async function loadBridge(): Promise<Bridge> {
  let bridge: typeof BridgeModule;
  try {
    bridge = await import('../posthog-node/bridge.js');
  } catch (error) {
    throw cannotBeLoaded('FeatureFlagsModule', error);
  }
  requireVersion(bridge.PostHog);
  return bridge;
}

/** Makes the client that evaluates flags for an instance. Its events are captured by the instance. */
export async function openClient(
  capture: CaptureService,
  { timeoutMs, definitions }: ClientSettings,
): Promise<OwnFlagClient> {
  const { bridgePostHog } = await loadBridge();
  return bridgePostHog(capture, {
    featureFlagsRequestTimeoutMs: timeoutMs,
    // A retry that ends after the caller has got its default would be in vain.
    featureFlagsRequestMaxRetries: timeoutMs > RETRY_PAUSE_MS ? 1 : 0,
    // Its own timer would keep the process alive.
    featureFlagsPollingInterval: null,
    ...(definitions && {
      // Without a secret key, the client only reads definitions here, so that no evaluation waits until they are loaded.
      flagDefinitionCacheProvider: {
        getFlagDefinitions: () => definitions.getFlagDefinitions() as undefined,
        shouldFetchFlagDefinitions: () => false,
        onFlagDefinitionsReceived: () => undefined,
        shutdown: () => undefined,
      },
    }),
  });
}
