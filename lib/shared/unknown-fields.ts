import { didYouMean } from './did-you-mean.js';
import { quoteName } from './untrusted-values.js';

/** More unknown fields than this are only counted. */
const MAX_NAMED = 5;

/** What other SDKs and habit call a field, in small letters without separators: the first that the input has is meant. */
const NAMES_ELSEWHERE: ReadonlyMap<string, readonly string[]> = new Map([
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
  ['set', ['set', 'properties']],
  ['setonce', ['setOnce', 'properties']],
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

/** The field that was probably meant by a name; undefined when none comes near. */
export function fieldMeant(written: string, fields: readonly string[]): string | undefined {
  const plain = written.toLowerCase().replace(/[^a-z]/g, '');
  return NAMES_ELSEWHERE.get(plain)?.find((field) => fields.includes(field)) ?? didYouMean(written, fields);
}

/**
 * Warns of the fields of an input that mean nothing in it. Their values are not read. Never throws.
 *
 * @param within what the fields stand in, e.g. `options`, when not at the top
 */
export function warnOfUnknownFields(
  input: object,
  fields: readonly string[],
  warn: (warning: string) => void,
  within?: string,
): void {
  let unknown = 0;
  const tell = (name: string): void => {
    unknown += 1;
    if (unknown <= MAX_NAMED)
      warn(
        `unknown field ${quoteName(within === undefined ? name : `${within}.${name}`)} was ignored${remedyFor(name, fields)}`,
      );
  };
  try {
    for (const name in input) if (!fields.includes(name) && Object.hasOwn(input, name)) tell(name);
  } catch {
    // A proxy need not list its fields.
  }
  if (unknown > MAX_NAMED) warn(`${unknown - MAX_NAMED} more unknown fields were ignored`);
}

function remedyFor(name: string, fields: readonly string[]): string {
  const meant = fieldMeant(name, fields);
  if (meant !== undefined) return `: did you mean "${meant}"?`;
  return fields.includes('properties') ? ': what describes the event goes into "properties"' : '';
}
