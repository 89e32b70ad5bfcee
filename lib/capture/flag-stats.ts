import { AttachedState } from '../shared/attached-state.js';

/** The feature flags of an instance. */
export interface FlagStats {
  /** `local`: definitions are loaded; `remote`: PostHog evaluates; `none`: neither is possible, so code gets its default values. */
  source: 'local' | 'remote' | 'none';
  /** Age of the flag definitions in milliseconds; null if none are loaded. */
  definitionsAgeMs: number | null;
  /** Interval at which the definitions are loaded, in milliseconds; null if they are not loaded. */
  definitionsEveryMs: number | null;
  /**
   * End of the cool-down, in which nothing is requested and code gets its default values, in epoch milliseconds. If it is in the past, the
   * next read is the probe. null after a request that succeeded.
   */
  coolDownUntil: number | null;
  /** The error of the last request, with a remedy; null after a request that succeeded. */
  lastError: FlagError | null;
  /** Number of requests for values. */
  requests: number;
  /** Requests for values that took longer than `timeoutMs`. */
  timeouts: number;
  /** Reads by flag and value, the most frequent first: the first 100 pairs that were read. */
  reads: readonly FlagRead[];
  /** Reads of all other pairs. */
  otherReads: number;
}

/** The error of a request for feature flags. */
export interface FlagError {
  message: string;
  remedy: string;
  /** true: it lasts until somebody acts, for example if PostHog refuses the secret key. */
  needsAction: boolean;
}

/** Number of reads of a feature flag, by value. */
export interface FlagRead {
  key: string;
  /** null: the value was not known, so code got its default value. */
  value: boolean | string | null;
  count: number;
}

type FlagStatsSource = () => FlagStats;

/** Beside the service, which does not know flags. */
const sources = new AttachedState<FlagStatsSource>('flag-stats');

/** From now on, `stats().flags` of this instance is what `source` returns. */
export function reportFlags(capture: object, source: FlagStatsSource): void {
  sources.set(capture, source);
}

/** null if nothing evaluates flags for this instance. */
export function flagStatsOf(capture: object): FlagStats | null {
  return sources.get(capture)?.() ?? null;
}
