import { type JsonObject } from '../json-values.js';
import { type FakeFlag, type FakeFlagResult, type FlagEntry, toResult } from './fake-flag.js';

/** A flag as in the response of `/flags/definitions`, from which clients compute the same values as `/flags/`. */
export function toDefinition(entry: FlagEntry): JsonObject {
  const base = staticResult(entry.flag);
  const overrides = [...entry.overrides].map(([distinctId, flag]) => ({ distinctId, result: staticResult(flag) }));
  const results = [base, ...overrides.map(({ result }) => result)];
  const first = base ?? {};
  const payloads = payloadsOf(results);
  const variants = [...new Set(results.flatMap((result) => result?.variant ?? []))];
  return {
    id: first.id ?? entry.id,
    key: entry.key,
    name: '',
    active: true,
    deleted: false,
    version: first.version ?? entry.version,
    // Clients ask PostHog for the value of a flag with this setting.
    ensure_experience_continuity: payloads === null || results.includes(null),
    evaluation_runtime: 'all',
    ...(first.hasExperiment === undefined ? {} : { has_experiment: first.hasExperiment }),
    filters: {
      groups: [
        ...overrides.map(({ distinctId, result }) => conditionOf(result, personIs('exact', [distinctId]))),
        conditionOf(base, personIs('is_not', [...entry.overrides.keys()])),
      ].flat(),
      payloads: payloads ?? {},
      // Each condition selects its variant, so that no person gets one by chance.
      multivariate:
        variants.length === 0 ? null : { variants: variants.map((key) => ({ key, rollout_percentage: 0 })) },
    },
  };
}

/** Null: only the server can evaluate the flag. */
function staticResult(flag: FakeFlag): FakeFlagResult | null {
  return typeof flag === 'function' ? null : toResult(flag);
}

function personIs(operator: 'exact' | 'is_not', distinctIds: readonly string[]): JsonObject[] {
  return distinctIds.length === 0 ? [] : [{ key: 'distinct_id', type: 'person', operator, value: distinctIds }];
}

function conditionOf(result: FakeFlagResult | null, properties: JsonObject[]): JsonObject[] {
  if (result?.enabled === false) return [];
  return [{ properties, rollout_percentage: 100, variant: result?.variant ?? null }];
}

/** By value, as JSON text. Null: two persons have the same value with different payloads. */
function payloadsOf(results: readonly (FakeFlagResult | null)[]): Record<string, string> | null {
  const payloads = new Map<string, string | undefined>();
  for (const result of results) {
    if (result === null || result.enabled === false) continue;
    const value = result.variant ?? 'true';
    const payload = result.payload === undefined ? undefined : JSON.stringify(result.payload);
    if (payloads.has(value) && payloads.get(value) !== payload) return null;
    payloads.set(value, payload);
  }
  return Object.fromEntries(
    [...payloads].flatMap(([value, payload]) => (payload === undefined ? [] : [[value, payload]])),
  );
}
