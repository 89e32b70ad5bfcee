import { didYouMean } from './did-you-mean.js';
import { quoteName } from './untrusted-values.js';

/**
 * Called with a sentence about something that was ignored, replaced or left out. The sentence contains no values. Must not throw.
 *
 * @param isOfName the log has a line of its own for each event name. Default: one for all events
 */
export type Warn = (warning: string, isOfName?: boolean) => void;

/** Further unknown fields are only counted. */
const MAX_NAMED = 5;
/** Still further ones are not read. */
const MAX_COUNTED = 1000;

/** Names of fields in other SDKs, in lower case, and our names: the first one that the input may have is suggested. */
const FIELD_SYNONYMS: ReadonlyMap<string, readonly string[]> = new Map([
  ['anonymousid', ['anonDistinctId', 'distinctId']],
  ['anondistinctid', ['anonDistinctId']],
  ['user', ['distinctId', 'distinct_id']],
  ['userid', ['distinctId', 'distinct_id']],
  ['personid', ['distinctId', 'distinct_id']],
  ['name', ['event', 'groupType']],
  ['eventname', ['event']],
  ['eventtype', ['event']],
  ['type', ['groupType', 'event']],
  ['key', ['groupKey']],
  ['props', ['properties']],
  ['data', ['properties']],
  ['payload', ['properties']],
  ['attributes', ['properties']],
  ['metadata', ['properties']],
  ['traits', ['set', 'properties']],
  ['personproperties', ['set', 'properties']],
  ['groupproperties', ['set', 'properties']],
  ['set', ['set', '$set', 'properties']],
  ['setonce', ['setOnce', '$set_once', 'properties']],
  ['propertiesonce', ['setOnce', '$set_once']],
  ['time', ['timestamp']],
  ['date', ['timestamp']],
  ['createdat', ['timestamp']],
  ['id', ['uuid', 'distinctId']],
  ['eventid', ['uuid']],
  ['messageid', ['uuid']],
  ['group', ['groups']],
  ['session', ['sessionId']],
  ['optout', ['optedOut']],
]);

/** undefined if no field is similar. */
export function fieldMeant(written: string, fields: readonly string[]): string | undefined {
  const plain = written.toLowerCase().replace(/[^a-z]/g, '');
  return FIELD_SYNONYMS.get(plain)?.find((field) => fields.includes(field)) ?? didYouMean(written, fields);
}

/**
 * Warns of the unknown fields of an input. Does not read their values. Never throws.
 *
 * @param within the field that contains them, e.g. `options`, if not at the top
 */
export function warnOfUnknownFields(input: object, fields: readonly string[], warn: Warn, within?: string): void {
  let unknown = 0;
  const report = (name: string): void => {
    unknown += 1;
    if (unknown <= MAX_NAMED)
      warn(
        `unknown field ${quoteName(within === undefined ? name : `${within}.${name}`)} was ignored${remedyFor(name, fields)}`,
      );
  };
  try {
    for (const name in input) {
      if (!fields.includes(name) && Object.hasOwn(input, name)) report(name);
      if (unknown > MAX_COUNTED) break;
    }
  } catch {
    // A proxy may refuse to list its fields.
  }
  const more = Math.min(unknown, MAX_COUNTED) - MAX_NAMED;
  if (more > 0) warn(`${unknown > MAX_COUNTED ? 'more than ' : ''}${more} more unknown fields were ignored`);
}

function remedyFor(name: string, fields: readonly string[]): string {
  const meant = fieldMeant(name, fields);
  if (meant !== undefined) return `: did you mean "${meant}"?`;
  return fields.includes('properties') ? ': properties of the event go into "properties"' : '';
}
