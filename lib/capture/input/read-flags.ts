import { callMethod, isNonBlank, isObject, readField } from '../../shared/untrusted-values.js';

/** The value of a flag: false if it is off, true or the name of a variant if it is on. */
export type FlagValue = boolean | string;

/** The flags of an event, by key. */
export type FlagValues = ReadonlyMap<string, FlagValue>;

/** Bounds the work: projects have some hundred flags. */
const MAX_FLAGS = 10_000;

/** The values of EvaluatedFlags; null for anything else. Captures no `$feature_flag_called`, and marks no flag as accessed. Never throws. */
export function readFlags(given: unknown): FlagValues | null {
  if (!isObject(given)) return null;
  const keys = keysOf(given);
  if (keys === null) return null;
  const copy = typeof readField(given, 'only') === 'function' ? callMethod(given, 'only', [...keys]) : given;
  if (!isObject(copy) || typeof readField(copy, 'getFlag') !== 'function') return null;
  const values = new Map<string, FlagValue>();
  for (const key of keys) {
    const value = callMethod(copy, 'getFlag', key, { sendFeatureFlagEvents: false });
    if (typeof value === 'boolean' || isNonBlank(value)) values.set(key, value);
  }
  return values;
}

function keysOf(given: Readonly<Record<string, unknown>>): readonly string[] | null {
  const list = readField(given, 'keys');
  try {
    if (!Array.isArray(list) || list.length > MAX_FLAGS) return null;
    const keys: string[] = [];
    // By index, because a custom iterator may never end.
    for (let index = 0; index < list.length && index < MAX_FLAGS; index += 1) {
      const key: unknown = list[index];
      if (isNonBlank(key)) keys.push(key);
    }
    return keys;
  } catch {
    return null;
  }
}
