import { groupKeyOf } from '../../context/group-keys.js';
import { describe, isObject } from '../../shared/untrusted-values.js';
import { cleanCopy } from '../../json/safe-json.js';
import { isGroupKey, isText, MAX_GROUP_KEY_LENGTH, MAX_UNSET_NAMES, propertyNamesOf } from './rules.js';

type Properties = Record<string, unknown>;

/** What a property must be that PostHog reads itself. */
interface ReservedProperty {
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
const RESERVED = new Map<string, ReservedProperty>([
  ['$cookieless_mode', SWITCH],
  ['$ignore_sent_at', SWITCH],
  ['$process_person_profile', SWITCH],
  ['$product_tour_id', { expected: 'a text', read: given((value) => typeof value === 'string') }],
  ['$set', BAG],
  ['$set_once', BAG],
  [
    '$unset',
    {
      expected: `a list of at most ${MAX_UNSET_NAMES} property names`,
      read: (value) => propertyNamesOf(value) ?? undefined,
    },
  ],
  ['$groups', BAG],
  ['$group_set', BAG],
  ['$group_type', { expected: 'a text that is not blank', read: given(isText) }],
  [
    '$group_key',
    {
      expected: `a text that is not blank, at most ${MAX_GROUP_KEY_LENGTH} characters long`,
      read: (value) => (isGroupKey(value) ? groupKeyOf(value) : undefined),
    },
  ],
]);
const DOLLAR = '$'.charCodeAt(0);

/** How an object is made safe to look at. */
export interface ReservedSettings {
  /** An object that takes more is left as it is: its event will be too large. */
  readonly maxEventBytes: number;
}

/**
 * Takes out of properties what PostHog reads itself and could not, with a warning; in place. Objects among it become clean copies,
 * so that they are on the wire what they are here. Never throws.
 */
export function correctReserved(
  properties: Properties,
  { maxEventBytes }: ReservedSettings,
  warn: (warning: string) => void,
): void {
  for (const name in properties) {
    // Nearly all names are the application's own, so looking at each costs less than looking for those that are not.
    const reserved = name.charCodeAt(0) === DOLLAR ? RESERVED.get(name) : undefined;
    const value = reserved && properties[name];
    if (reserved === undefined || value === undefined) continue;
    const { expected, read } = reserved;
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
  return isObject(meant) ? meant : undefined;
}

function carefully<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
