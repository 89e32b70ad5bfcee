import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { describeValue } from '../options/describe-value.js';
import {
  hasMethods,
  hasOnly,
  isIntegerBetween,
  isSynchronousFunction,
  LONGEST_TIMER_MS,
  optional,
  type Predicate,
} from '../options/predicates.js';
import { resolveSecretKey, type SecretKeySources } from '../options/secret-key.js';
import { didYouMean } from '../shared/did-you-mean.js';
import { isNonBlank, isObject } from '../shared/untrusted-values.js';
import { type FlagClient } from './flag-client.js';
import { type FlagDefinitionCache } from './flag-definitions.js';
import { type FlagSourceSettings } from './posthog-flag-source.js';
import { type SubjectProperties } from './flag-subject.js';

/** Options for loading the definitions of flags, which needs a secret key. */
export interface FlagDefinitionsOptions {
  /**
   * Milliseconds between two loads. PostHog bills a load as ten flag requests: 86 400 per month at the default, for each process that
   * loads definitions. Default: 300 000.
   */
  everyMs?: number | undefined;
  /** Shares definitions between processes, so that one of them loads for all. Processes that only read the cache need no secret key. */
  cache?: FlagDefinitionCache | undefined;
}

/** Options of `FeatureFlagsModule`. */
export interface FeatureFlagsModuleOptions extends SubjectProperties {
  /**
   * A secret key of the project (`phs_…`), or a personal API key (`phx_…`) that may read feature flags: with it, definitions are loaded, and
   * flags are evaluated in this process, without a request. Variable: `POSTHOG_SECRET_KEY`, for a named instance with its name, such as
   * `POSTHOG_BILLING_SECRET_KEY`. Default: none, so that PostHog evaluates flags, with at most one request per call.
   */
  secretKey?: string | undefined;
  /** Options for loading the definitions of flags. */
  definitions?: FlagDefinitionsOptions | undefined;
  /**
   * true: PostHog never evaluates flags. Flags that cannot be evaluated in this process, and all flags until the definitions are loaded,
   * have their default values. Needs a secret key or a cache. Default: false.
   */
  localOnly?: boolean | undefined;
  /** Milliseconds after which a read returns the default value. Default: 500. */
  timeoutMs?: number | undefined;
  /**
   * Milliseconds without requests after a failure, a time-out, or a response that the quota is used up. Meanwhile, reads return the default
   * value immediately. Then a single request is the probe. Default: 10 000.
   */
  coolDownMs?: number | undefined;
  /** `read`: values that code reads are added to later events of the call and its jobs, as `$feature/<key>`. Default: `read`. */
  attach?: 'read' | 'none' | undefined;
  /**
   * Flags that the application reads, which are evaluated with the first one. Flags of `@RequireFlag` and `@Flag` are found without it.
   * Default: none.
   */
  keys?: readonly string[] | undefined;
  /**
   * A client of posthog-node that evaluates, made with `PostHogNodeModule` or `bridgePostHog`. It loads its own definitions: give it the secret
   * key. Default: a client made on first use.
   */
  client?: FlagClient | undefined;
}

/** Valid options, with their defaults. */
export interface ResolvedFlagOptions extends FlagSourceSettings {
  readonly attaches: boolean;
  readonly keys: readonly string[];
}

interface Rule {
  readonly isValid: Predicate;
  readonly expected: string;
}

const isDelay = (min: 0 | 1): Rule => ({
  isValid: isIntegerBetween(min, LONGEST_TIMER_MS),
  expected: `a whole number of milliseconds from ${min} to ${LONGEST_TIMER_MS}`,
});
const IS_SWITCH: Rule = { isValid: (value) => typeof value === 'boolean', expected: 'true or false' };
const IS_CALLBACK: Rule = { isValid: isSynchronousFunction, expected: 'a synchronous function' };
const CACHE_METHODS = ['getFlagDefinitions', 'shouldFetchFlagDefinitions', 'onFlagDefinitionsReceived', 'shutdown'];

const RULES: Readonly<Record<keyof Omit<FeatureFlagsModuleOptions, 'secretKey'>, Rule>> = {
  definitions: {
    isValid: hasOnly({
      everyMs: optional(isDelay(1).isValid),
      cache: optional((value) => hasMethods(value, ...CACHE_METHODS)),
    }),
    expected: 'an object with everyMs (milliseconds) and cache (a FlagDefinitionCacheProvider of posthog-node)',
  },
  localOnly: IS_SWITCH,
  timeoutMs: isDelay(1),
  coolDownMs: isDelay(0),
  attach: { isValid: (value) => value === 'read' || value === 'none', expected: 'one of read, none' },
  keys: {
    isValid: (value) => Array.isArray(value) && value.every(isNonBlank),
    expected: 'an array of keys of flags',
  },
  person: IS_CALLBACK,
  group: IS_CALLBACK,
  client: {
    isValid: (value) => hasMethods(value, 'evaluateFlags', 'isLocalEvaluationReady', 'on'),
    expected: 'a client of posthog-node, such as bridgePostHog(capture)',
  },
};
const OPTION_NAMES = ['secretKey', ...Object.keys(RULES)];

/**
 * Checks the options, and reads the secret key.
 *
 * @param explicit the argument of `forRoot`, or the result of a factory
 * @throws PostHogConfigurationError listing every problem
 */
export function resolveFlagOptions(
  explicit: unknown,
  { name, config }: Pick<SecretKeySources, 'name' | 'config'>,
): ResolvedFlagOptions {
  if (explicit !== undefined && !isObject(explicit))
    throw new PostHogConfigurationError(['FeatureFlagsModule: expected an object of options'], name);
  const given = (explicit ?? {}) as FeatureFlagsModuleOptions;
  const problems = Object.entries(given).flatMap(([option, value]) => problemsOf(option, value));
  const secret = resolveSecretKey({ explicit: given.secretKey, name, config });
  if ('problem' in secret) problems.push(secret.problem);
  const secretKey = 'key' in secret ? secret.key : undefined;
  const { client, definitions, localOnly = false } = given;
  if (client !== undefined && (given.secretKey !== undefined || definitions !== undefined))
    problems.push('client: it loads its own definitions: give secretKey and the cache to that client');
  const isLocal = secretKey !== undefined || definitions?.cache !== undefined;
  if (localOnly && client === undefined && !isLocal && 'key' in secret)
    problems.push('localOnly: flags cannot be evaluated here without definitions: set secretKey or definitions.cache');
  if (problems.length > 0) throw new PostHogConfigurationError(problems, name);
  const { everyMs = 300_000, cache } = definitions ?? {};
  return {
    timeoutMs: given.timeoutMs ?? 500,
    coolDownMs: given.coolDownMs ?? 10_000,
    localOnly,
    attaches: given.attach !== 'none',
    keys: given.keys ?? [],
    person: given.person,
    group: given.group,
    client,
    definitions: isLocal && client === undefined ? { secretKey, everyMs, cache } : undefined,
  };
}

function problemsOf(option: string, value: unknown): string[] {
  const rule = Object.hasOwn(RULES, option) ? RULES[option as keyof typeof RULES] : undefined;
  if (value === undefined || option === 'secretKey') return [];
  if (rule !== undefined)
    return rule.isValid(value) ? [] : [`${option}: got ${describeValue(value, undefined)}; expected ${rule.expected}`];
  const meant = didYouMean(option, OPTION_NAMES);
  const remedy =
    option === 'name' || option === 'isGlobal'
      ? '; in forRootAsync pass it next to useFactory, useClass or useExisting'
      : meant === undefined
        ? ''
        : `; did you mean ${meant}?`;
  return [`FeatureFlagsModule has no option ${option}${remedy}`];
}
