import { type InstanceSource } from '../module/instance-module.js';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { describeUrl } from '../options/describe-value.js';
import { parseOption, variableOf } from '../options/environment.js';
import { EXPECTED_QUEUE, isQueue } from '../options/option-rules.js';
import { type PostHogCaptureModuleOptions } from '../options/posthog-capture.options.js';
import { configuredOptions, type ResolvedOptions, resolveOptions } from '../options/resolve-options.js';
import { type CaptureQueue } from '../queue/capture-queue.js';
import { isObject } from '../shared/untrusted-values.js';

/**
 * Options of a relay: those of PostHogCaptureModule, apart from `queue` and `store`, and `source`. `flushAt`, `concurrency` and the other
 * options of delivery apply to the requests to PostHog; `onDrop` and `onDelivery` are called with the events of all pods. A relay tracks no
 * requests and no errors, whatever the options are.
 */
export interface PostHogRelayModuleOptions extends Omit<PostHogCaptureModuleOptions, 'queue' | 'store'> {
  /**
   * The queue that events are taken from: that of the pods, such as `redisQueue({ connection })`, or the URL of a Redis.
   *
   * Required, unless `enabled` is false. Variable: `POSTHOG_QUEUE_URL`.
   */
  source?: CaptureQueue | string | undefined;
}

export interface ResolvedRelayOptions extends ResolvedOptions {
  /** undefined only if the relay is disabled. */
  readonly queue: CaptureQueue | string | undefined;
}

/** Takes `source` apart, which PostHogCaptureModule does not know. */
export function splitSource(explicit: unknown): Pick<InstanceSource, 'explicit' | 'queue'> {
  if (!isObject(explicit)) return { explicit };
  const { source, ...others } = explicit;
  return { explicit: others, queue: source };
}

/** Options of PostHogCaptureModule that a relay does not take. */
const REFUSED: Readonly<Record<string, string>> = {
  queue: 'queue: a relay takes events from a queue: pass it as source',
  store: 'store: a relay has no store, because events stay in the queue until they are delivered',
};

/**
 * Resolves the options of a relay.
 *
 * @param variables the instance whose variables are read; undefined: the default instance
 * @throws PostHogConfigurationError listing every problem
 */
export function resolveRelayOptions(
  { explicit, queue: source, config }: InstanceSource,
  variables: string | undefined,
): ResolvedRelayOptions {
  const given = isObject(explicit) ? explicit : {};
  const problems = Object.keys(REFUSED).flatMap((option) =>
    given[option] === undefined ? [] : (REFUSED[option] ?? []),
  );
  const known = Object.fromEntries(Object.entries(given).filter(([option]) => !(option in REFUSED)));
  const isSourceValid = isQueue(source);
  const configured = configuredOptions({ name: variables, config });
  const isNeeded = parseOption('enabled', given.enabled ?? configured.enabled) !== false;
  if (!isSourceValid && (source !== undefined || (isNeeded && configured.queue === undefined)))
    problems.push(
      `source (${variableOf('queue', variables)}): got ${describeUrl(source, given.apiKey)}; expected ${EXPECTED_QUEUE}`,
    );
  try {
    const resolved = resolveOptions({ explicit: isObject(explicit) ? known : explicit, name: variables, config });
    const { enabled, apiKey, queue } = resolved.options;
    // A pod whose queue names its project needs none.
    if (enabled && apiKey === '')
      problems.push('apiKey: a relay sends to PostHog, and needs the project API key (phc_…)');
    if (problems.length === 0) return { ...resolved, queue: isSourceValid ? source : queue };
  } catch (error) {
    if (!(error instanceof PostHogConfigurationError)) throw error;
    problems.push(...error.problems);
  }
  throw new PostHogConfigurationError(problems, variables);
}
