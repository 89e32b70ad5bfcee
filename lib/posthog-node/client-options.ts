import { type PostHogOptions } from 'posthog-node';
import { type ClientSettings } from '../capture/client-settings.js';
import { fieldOf } from '../shared/untrusted-values.js';

/** Options of posthog-node's queue and of its events, which are those of the instance. */
const WITHOUT_EFFECT = [
  'flushAt',
  'flushInterval',
  'maxQueueSize',
  'maxBatchSize',
  'historicalMigration',
  'isServer',
] as const satisfies readonly (keyof PostHogOptions)[];

/** posthog-node's own default. */
const POLLING_MS = 30_000;
const MIN_POLLING_MS = 100;

/** The options of the client, without `before_send`. Warns of options that have no effect. */
export function clientOptions(options: PostHogOptions, settings: ClientSettings, isEnabled: boolean): PostHogOptions {
  const { warn, host, disableGeoip, isRecorded, observesErrors } = settings;
  const ignored = WITHOUT_EFFECT.filter((name) => options[name] !== undefined);
  if (ignored.length > 0)
    warn(
      'posthog-node: options',
      `Options of posthog-node without effect on a bridged client: ${ignored.join(', ')}. Its events are sent by nestjs-posthog-capture: set its options.`,
    );
  if (isEnabled && settings.apiKey === '')
    warn(
      'posthog-node: apiKey',
      'The instance has no apiKey, so its client of posthog-node evaluates no feature flags.',
    );
  const capturesTwice = observesErrors && options.enableExceptionAutocapture === true;
  if (capturesTwice)
    warn(
      'posthog-node: exceptions',
      'enableExceptionAutocapture of posthog-node is ignored, because option exceptions already captures uncaught errors.',
    );
  return {
    host,
    disableGeoip,
    ...(isRecorded && options.host === undefined && { fetch: refuse }),
    ...options,
    ...(capturesTwice && { enableExceptionAutocapture: false }),
    featureFlagsPollingInterval: null,
  };
}

/** The interval at which definitions of flags are loaded, in milliseconds; null: never, or only once. */
export function pollingOf(options: PostHogOptions): number | null {
  const { secretKey, flagDefinitionCacheProvider, enableLocalEvaluation } = options;
  const source = secretKey ?? fieldOf(options, 'personalApiKey') ?? flagDefinitionCacheProvider;
  if (enableLocalEvaluation === false || !source) return null;
  const { featureFlagsPollingInterval: given = POLLING_MS } = options;
  return given === null ? null : Math.max(MIN_POLLING_MS, given);
}

/** In tests that record events. posthog-node does not retry a refused connection. */
function refuse(): Promise<never> {
  return Promise.reject(
    Object.assign(new Error('Nothing is sent while events are recorded'), { code: 'ECONNREFUSED' }),
  );
}
