/** The value of a flag: false if it is off, true or the name of a variant if it is on. */
export type FlagValue = boolean | string;

/** The evaluated flags of one person, as `evaluateFlags()` of posthog-node returns them. */
export interface FlagSnapshot {
  readonly keys: readonly string[];
  /** undefined for a flag that PostHog does not know. Captures `$feature_flag_called` unless `sendFeatureFlagEvents` is false. */
  getFlag(key: string, options?: { sendFeatureFlagEvents?: boolean }): FlagValue | undefined;
  /** undefined for a flag without a payload. */
  getFlagPayload(key: string): unknown;
}

/**
 * The reason why values are not known, so that code gets its defaults.
 *
 * - `no_identity`: neither the context nor the call names a person.
 * - `disabled`: the instance is disabled, or a test records its events.
 * - `timeout`: PostHog did not respond within `timeoutMs`.
 * - `failed`: PostHog could not be reached, or returned an error.
 * - `quota`: the project is over its quota of flag requests.
 * - `cool_down`: a request has failed less than `coolDownMs` ago.
 * - `local_only`: no definition is loaded from which the flag can be evaluated here, and PostHog must not be asked.
 */
export type FlagDegradation = 'no_identity' | 'disabled' | 'timeout' | 'failed' | 'quota' | 'cool_down' | 'local_only';

/** Evaluated flags. */
export interface FlagAnswer {
  readonly snapshot: FlagSnapshot | undefined;
  /** The keys of the evaluated flags. A key without a value in `snapshot` is unknown to PostHog, or `degraded` is the reason. */
  readonly keys: readonly string[];
  readonly degraded: FlagDegradation | undefined;
}
