import { type FlagValues } from '../input/read-flags.js';

type Properties = Record<string, unknown>;

const ACTIVE = '$active_feature_flags';

/**
 * The properties by which PostHog relates an event to flags: the value of each, and the sorted keys of those that are on. They complete the
 * flags that the context has, over which they take precedence.
 *
 * @param below the properties of the context
 */
export function flagProperties(flags: FlagValues, below: Readonly<Properties> | undefined): Properties {
  const properties: Properties = {};
  const known: unknown = below?.[ACTIVE];
  const active = new Set<unknown>(Array.isArray(known) ? known : []);
  for (const [key, value] of flags) {
    properties[`$feature/${key}`] = value;
    if (value === false) active.delete(key);
    else active.add(key);
  }
  if (active.size > 0 || known !== undefined) properties[ACTIVE] = active.size > 0 ? [...active].sort() : undefined;
  return properties;
}
