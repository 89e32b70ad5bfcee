import { type InstanceSource } from '../module/instance-module.js';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { describeUrl } from '../options/describe-value.js';
import { parseOption, variableOf } from '../options/environment.js';
import { isQueue } from '../options/option-rules.js';
import { type PostHogCaptureModuleOptions } from '../options/posthog-capture.options.js';
import { configuredOptions, type ResolvedOptions, resolveOptions } from '../options/resolve-options.js';
import { type CaptureQueue, type RelaySource } from '../queue/capture-queue.js';
import { isObject } from '../shared/untrusted-values.js';

/**
 * Options of a relay: those of PostHogCaptureModule, apart from `store` and `waitUntil`, and `source`. `flushAt`, `concurrency` and the other
 * options of delivery apply to the requests to PostHog; `onDrop` and `onDelivery` are called with the events of all pods. A relay tracks no
 * requests and no errors, whatever the options are.
 */
export interface PostHogRelayModuleOptions extends Omit<PostHogCaptureModuleOptions, 'queue' | 'store' | 'waitUntil'> {
  /**
   * Where events are taken from: the queue of the pods, such as `redisQueue({ connection })`, or the URL of a Redis; or the outbox of the
   * application, `sqlOutbox({ run, dialect })`.
   *
   * Required, unless `enabled` is false. Variable: `POSTHOG_QUEUE_URL`.
   */
  source?: RelaySource | string | undefined;
  /**
   * Only with an outbox as `source`: its events are put into this queue, from which other relays send them to PostHog.
   *
   * Default: they are sent to PostHog. Variable: `POSTHOG_QUEUE_URL`.
   */
  queue?: CaptureQueue | string | undefined;
}

export interface ResolvedRelayOptions extends ResolvedOptions {
  /** undefined only if the relay is disabled. */
  readonly source: RelaySource | string | undefined;
  /** The queue that the events of an outbox are put into. undefined: they are sent to PostHog. */
  readonly handsOnTo: CaptureQueue | string | undefined;
}

/** Takes `source` apart, which PostHogCaptureModule does not know. */
export function splitSource(explicit: unknown): Pick<InstanceSource, 'explicit' | 'queue'> {
  if (!isObject(explicit)) return { explicit };
  const { source, ...others } = explicit;
  return { explicit: others, queue: source };
}

const EXPECTED_SOURCE =
  'a queue, such as redisQueue({ connection }), an outbox, such as sqlOutbox({ run, dialect }), or the URL of a Redis (redis:// or rediss://)';

const QUEUE_REFUSED = 'queue: a relay takes events from a queue: pass it as source';
const STORE_REFUSED = 'store: a relay has no store, because events stay where they are until they are delivered';
const WAIT_UNTIL_REFUSED = 'waitUntil: a relay runs until it is closed: remove it';

const isOutbox = (value: unknown): value is RelaySource =>
  isObject(value) &&
  value.kind === 'outbox' &&
  typeof value.source === 'function' &&
  typeof value.sample === 'function';

const isSource = (value: unknown): value is RelaySource | string => isOutbox(value) || isQueue(value);

/**
 * Resolves the options of a relay.
 *
 * @param variables the instance whose variables are read; undefined: the default instance
 * @throws PostHogConfigurationError listing every problem
 */
export function resolveRelayOptions(
  { explicit, queue: given, config }: InstanceSource,
  variables: string | undefined,
): ResolvedRelayOptions {
  const { store, waitUntil, queue: next, ...others } = isObject(explicit) ? explicit : {};
  const handsOn = isOutbox(given);
  const problems = store === undefined ? [] : [STORE_REFUSED];
  if (waitUntil !== undefined) problems.push(WAIT_UNTIL_REFUSED);
  if (next !== undefined && !handsOn) problems.push(QUEUE_REFUSED);
  const isGivenValid = isSource(given);
  const configured = configuredOptions({ name: variables, config });
  const isNeeded = parseOption('enabled', others.enabled ?? configured.enabled) !== false;
  if (!isGivenValid && (given !== undefined || (isNeeded && configured.queue === undefined)))
    problems.push(
      `source (${variableOf('queue', variables)}): got ${describeUrl(given, others.apiKey)}; expected ${EXPECTED_SOURCE}`,
    );
  try {
    const known = handsOn && next !== undefined ? { ...others, queue: next } : others;
    const resolved = resolveOptions({ explicit: isObject(explicit) ? known : explicit, name: variables, config });
    const { enabled, apiKey, queue } = resolved.options;
    // A pod whose queue names its project needs none.
    if (enabled && apiKey === '')
      problems.push('apiKey: a relay sends to PostHog, and needs the project API key (phc_…)');
    if (problems.length === 0)
      return { ...resolved, source: isGivenValid ? given : queue, handsOnTo: handsOn ? queue : undefined };
  } catch (error) {
    if (!(error instanceof PostHogConfigurationError)) throw error;
    problems.push(...error.problems);
  }
  throw new PostHogConfigurationError(problems, variables);
}
