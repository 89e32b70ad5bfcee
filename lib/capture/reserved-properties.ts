import { groupKeyOf } from '../context/group-keys.js';
import { describe, isBag } from '../context/untrusted-values.js';
import { cleanCopy } from '../json/safe-json.js';
import { isGroupKey, isText, MAX_GROUP_KEY_LENGTH, MAX_UNSET_NAMES, propertyNamesOf } from './dto/rules.js';

type Properties = Record<string, unknown>;

/** What a property must be that PostHog reads itself. */
interface ReservedProperty {
  readonly name: string;
  readonly expected: string;
  /** The value as it is sent; undefined when it is none. May throw. */
  readonly read: (value: unknown, maxBytes: number) => unknown;
}

const given =
  (holds: (value: unknown) => boolean) =>
  (value: unknown): unknown =>
    holds(value) ? value : undefined;

const SWITCH = { expected: 'true or false', read: given((value) => typeof value === 'boolean') };
const BAG = { expected: 'an object of names and values', read: bagOf };

/** A wrong one of these costs the event, its whole batch, or what the property is for. */
const RESERVED: readonly ReservedProperty[] = [
  { name: '$cookieless_mode', ...SWITCH },
  { name: '$ignore_sent_at', ...SWITCH },
  { name: '$process_person_profile', ...SWITCH },
  { name: '$product_tour_id', expected: 'a text', read: given((value) => typeof value === 'string') },
  { name: '$set', ...BAG },
  { name: '$set_once', ...BAG },
  {
    name: '$unset',
    expected: `a list of at most ${MAX_UNSET_NAMES} property names`,
    read: (value) => propertyNamesOf(value) ?? undefined,
  },
  { name: '$groups', ...BAG },
  { name: '$group_set', ...BAG },
  { name: '$group_type', expected: 'a text that is not blank', read: given(isText) },
  {
    name: '$group_key',
    expected: `a text that is not blank, at most ${MAX_GROUP_KEY_LENGTH} characters long`,
    read: (value) => (isGroupKey(value) ? groupKeyOf(value) : undefined),
  },
];

/** How an object is made safe to look at. */
export interface ReservedSettings {
  /** An object that takes more is left as it is: its event will be too large. */
  readonly maxEventBytes: number;
}

/**
 * Takes out of properties what PostHog reads itself and could not, with a warning; in place. Objects among it become clean copies,
 * so that they are on the wire what they are here. Never throws.
 *
 * @param trusted properties that need no check where they are still the same
 */
export function correctReserved(
  properties: Properties,
  { maxEventBytes }: ReservedSettings,
  warn: (warning: string) => void,
  trusted: Readonly<Properties> = {},
): void {
  for (const { name, expected, read } of RESERVED) {
    const value = properties[name];
    if (value === undefined || value === trusted[name]) continue;
    const kept = carefully(() => read(value, maxEventBytes));
    if (kept !== undefined) {
      properties[name] = kept;
      continue;
    }
    Reflect.deleteProperty(properties, name);
    warn(`property "${name}" must be ${expected}, but it is ${describe(value)}; it was left out`);
  }
}

/** A clean copy of what an object will be in JSON, or itself if that is too large; undefined when it will be no object there. */
function bagOf(value: unknown, maxBytes: number): Properties | undefined {
  const clean = cleanCopy(value, maxBytes);
  const meant = clean === 'too_large' ? value : clean.value;
  return isBag(meant) ? meant : undefined;
}

function carefully<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
