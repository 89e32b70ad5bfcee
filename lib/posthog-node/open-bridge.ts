import { type PostHog, type PostHogOptions } from 'posthog-node';
import { claimForeignError, rememberForeignError } from '../capture/capture-foreign.js';
import { type CaptureService } from '../capture/capture.service.js';
import { clientSettingsOf } from '../capture/client-settings.js';
import { bridgedClient } from './bridged-client.js';
import { clientOptions, pollingOf } from './client-options.js';
import { EventHandover } from './event-handover.js';
import { requireVersion } from './posthog-node-package.js';

/** @throws Error if posthog-node has a version whose events cannot be captured */
export function openBridge(Base: typeof PostHog, capture: CaptureService, options: PostHogOptions): PostHog {
  requireVersion(Base);
  const settings = clientSettingsOf(capture);
  const { before_send: beforeSend, disableGeoip } = options;
  const handover = new EventHandover(capture, { beforeSend, disableGeoip, warn: settings.warn });
  let poll: NodeJS.Timeout | undefined;
  const Client = bridgedClient(Base);
  const client: PostHog = new Client(
    settings.apiKey,
    {
      ...clientOptions(options, settings, !capture.disabled),
      before_send: (event) => {
        if (!client.optedOut && !client.isDisabled) handover.take(event);
        return null;
      },
    },
    {
      claimError: (error) => claimForeignError(capture, error),
      markError: (error) => rememberForeignError(capture, error, null),
      flush: async (timeoutMs) => {
        await capture.flush(timeoutMs === undefined ? undefined : { timeoutMs });
      },
      stop: () => clearInterval(poll),
    },
  );
  const everyMs = client.isDisabled ? null : pollingOf(options);
  // posthog-node's own timer would keep the process alive.
  if (everyMs !== null)
    poll = setInterval(() => void client.reloadFeatureFlags().catch(() => undefined), everyMs).unref();
  return client;
}
