import { isJsonObject, quoted, type JsonObject } from './json-values.js';
import { type CaptureFormat } from './recorded.js';
import { type EventRule } from './validation.js';

const MAX_GROUP_KEY_CHARACTERS = 400;
const IDENTITY_EVENTS = ['$identify', '$create_alias', '$merge_dangerously', '$groupidentify'];

/** Each option under its v0 name, a property, and its v1 name. */
const OPTIONS = [
  { sentinel: '$cookieless_mode', option: 'cookieless_mode', type: 'boolean' },
  { sentinel: '$ignore_sent_at', option: 'disable_skew_correction', type: 'boolean' },
  { sentinel: '$process_person_profile', option: 'process_person_profile', type: 'boolean' },
  { sentinel: '$product_tour_id', option: 'product_tour_id', type: 'string' },
] as const;

/** Rules for the `properties` and `options` of an event. */
export const EVENT_PROPERTY_RULES: readonly EventRule[] = [
  {
    rule: 'cookieless_mode_invalid',
    v0: 'refused',
    v1: null,
    check: (event) => {
      const mode = propertiesOf(event).$cookieless_mode;
      return mode === undefined || typeof mode === 'boolean' ? null : '$cookieless_mode must be a boolean';
    },
  },
  {
    rule: 'option_invalid',
    v0: 'altered',
    v1: 'dropped',
    check: (event, format) => {
      if (format === 'v1' && event.options !== undefined && !isJsonObject(event.options)) {
        return 'options must be an object';
      }
      for (const entry of OPTIONS) {
        const value = optionOf(event, entry, format);
        if (value !== undefined && typeof value !== entry.type) {
          return `${format === 'v0' ? entry.sentinel : entry.option} must be a ${entry.type}, but is ${quoted(value)}`;
        }
      }
      return null;
    },
  },
  {
    rule: 'option_unknown',
    v0: null,
    v1: 'altered',
    check: ({ options }) => {
      const known: readonly string[] = OPTIONS.map((entry) => entry.option);
      const lost = Object.keys(isJsonObject(options) ? options : {}).filter((key) => !known.includes(key));
      return lost.length > 0 ? `${quoted(lost)} in options is unknown and is discarded` : null;
    },
  },
  {
    rule: 'sentinel_in_properties',
    v0: null,
    v1: 'altered',
    check: (event) => {
      const sentinels: readonly string[] = OPTIONS.map((entry) => entry.sentinel);
      const left = Object.keys(propertiesOf(event)).filter(
        (key) => key === '$lib' || key.startsWith('$lib_') || sentinels.includes(key),
      );
      return left.length > 0 ? `${quoted(left)} belongs in options or headers, not in properties` : null;
    },
  },
  {
    rule: 'distinct_id_in_properties',
    v0: null,
    v1: 'altered',
    check: (event) =>
      event.event !== '$create_alias' && 'distinct_id' in propertiesOf(event)
        ? 'distinct_id is repeated in properties'
        : null,
  },
  {
    rule: 'person_properties_invalid',
    v0: 'altered',
    v1: 'altered',
    check: (event) => {
      const properties = propertiesOf(event);
      const wrong = ['$set', '$set_once', '$groups', '$group_set'].find(
        (key) => key in properties && !isJsonObject(properties[key]),
      );
      if (wrong !== undefined) return `${wrong} must be an object`;
      const { $unset: unset } = properties;
      const isList = Array.isArray(unset) && unset.every((name) => typeof name === 'string');
      return unset === undefined || isList ? null : '$unset must be an array of strings';
    },
  },
  {
    rule: 'group_invalid',
    v0: 'lost',
    v1: 'lost',
    check: (event) => {
      const properties = propertiesOf(event);
      for (const key of ['$group_type', '$group_key']) {
        const value = properties[key];
        if (value === undefined && event.event !== '$groupidentify') continue;
        if (typeof value !== 'string' || value === '') return `${key} must be a string, but is ${quoted(value)}`;
      }
      const { $group_key: groupKey } = properties;
      return typeof groupKey === 'string' && groupKey.length > MAX_GROUP_KEY_CHARACTERS
        ? `$group_key has ${groupKey.length} characters; at most ${MAX_GROUP_KEY_CHARACTERS} are allowed`
        : null;
    },
  },
  {
    rule: 'alias_invalid',
    v0: 'lost',
    v1: 'lost',
    check: (event) => {
      if (event.event !== '$create_alias') return null;
      const { alias, distinct_id: aliased } = propertiesOf(event);
      if (typeof alias !== 'string' || alias.trim() === '')
        return `alias must be a string that is not blank, but is ${quoted(alias)}`;
      return aliased === event.distinct_id
        ? null
        : `distinct_id in properties must equal that of the event, but is ${quoted(aliased)}`;
    },
  },
  {
    rule: 'identity_without_person',
    v0: 'lost',
    v1: 'lost',
    check: (event, format) => {
      const personProfile = OPTIONS.find((entry) => entry.option === 'process_person_profile');
      const off = personProfile !== undefined && optionOf(event, personProfile, format) === false;
      return off && IDENTITY_EVENTS.includes(String(event.event))
        ? `${String(event.event)} requires a person profile`
        : null;
    },
  },
];

/** Returns `{}` if `properties` is not an object: that is the rule `properties_invalid`. */
function propertiesOf(event: JsonObject): JsonObject {
  return isJsonObject(event.properties) ? event.properties : {};
}

function optionOf(event: JsonObject, entry: (typeof OPTIONS)[number], format: CaptureFormat): unknown {
  if (format === 'v0') return propertiesOf(event)[entry.sentinel];
  return isJsonObject(event.options) ? event.options[entry.option] : undefined;
}
