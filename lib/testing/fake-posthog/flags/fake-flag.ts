import { isJsonObject, type JsonObject } from '../json-values.js';

/** A variant, or true or false for a flag without variants. */
export type FakeFlagValue = boolean | string;

/** A flag with more than a value. */
export interface FakeFlagResult {
  /** Default: true. */
  readonly enabled?: boolean;
  /** Default: none. */
  readonly variant?: string;
  /** Any JSON value. Default: none. */
  readonly payload?: unknown;
  /** `has_experiment`. Default: absent, as in the responses of an older PostHog. */
  readonly hasExperiment?: boolean;
  /** `reason.description`. Default: that of a condition that matched, or of none. */
  readonly reason?: string;
  /** Default: assigned, from 1. */
  readonly id?: number;
  /** Default: 1, plus 1 each time the flag is set again. */
  readonly version?: number;
}

/** The person whose flags are evaluated. */
export interface FakeFlagQuery {
  readonly distinctId: string;
  readonly groups: Readonly<Record<string, unknown>>;
  readonly personProperties: Readonly<Record<string, unknown>>;
  readonly groupProperties: Readonly<Record<string, unknown>>;
}

/**
 * A flag: its value, more than its value, or a function of the person. A function that returns undefined leaves the flag
 * out of the response.
 */
export type FakeFlag =
  FakeFlagValue | FakeFlagResult | ((query: FakeFlagQuery) => FakeFlagValue | FakeFlagResult | undefined);

/** A flag with its overrides for single persons. */
export interface FlagEntry {
  readonly key: string;
  readonly id: number;
  version: number;
  flag: FakeFlag;
  readonly overrides: Map<string, FakeFlag>;
}

/** A flag as in the response of `/flags/?v=2`. Null: the flag has no value for this person. */
export function evaluateFlag(entry: FlagEntry, query: FakeFlagQuery): JsonObject | null {
  const flag = entry.overrides.get(query.distinctId) ?? entry.flag;
  const value = typeof flag === 'function' ? flag(query) : flag;
  if (value === undefined) return null;
  const result = toResult(value);
  const enabled = result.enabled ?? true;
  const matched = { code: 'condition_match', condition_index: 0, description: 'Matched condition set 1' };
  const unmatched = { code: 'no_condition_match', condition_index: null, description: 'No matching condition set' };
  return {
    key: entry.key,
    enabled,
    variant: enabled ? (result.variant ?? null) : null,
    reason: {
      ...(enabled ? matched : unmatched),
      ...(result.reason === undefined ? {} : { description: result.reason }),
    },
    metadata: {
      id: result.id ?? entry.id,
      version: result.version ?? entry.version,
      description: null,
      ...(enabled && result.payload !== undefined ? { payload: JSON.stringify(result.payload) } : {}),
      ...(result.hasExperiment === undefined ? {} : { has_experiment: result.hasExperiment }),
    },
  };
}

export function toResult(value: FakeFlagValue | FakeFlagResult): FakeFlagResult {
  if (isJsonObject(value)) return value;
  return typeof value === 'string' ? { variant: value } : { enabled: value === true };
}
