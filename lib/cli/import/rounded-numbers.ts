import { isJsonObject, type JsonObject } from '../event-input.js';

/** Properties that name somebody. */
const IDS = ['distinct_id', 'alias', '$anon_distinct_id', '$group_key'];
/** A number that JavaScript rounds has as many digits, so most lines need not be searched. */
const MANY_DIGITS = /\d{16}/;

/** The field that names somebody by a number which is rounded by now, to the id of somebody else; undefined when none does. */
export function roundedId({ distinct_id: distinctId, groups, properties }: JsonObject): string | undefined {
  if (isRounded(distinctId)) return 'distinct_id';
  if (holdsRounded(groups)) return 'a group key';
  if (!isJsonObject(properties)) return undefined;
  if (holdsRounded(properties.$groups)) return 'a group key';
  const name = IDS.find((id) => isRounded(properties[id]));
  return name === undefined ? undefined : `properties.${name}`;
}

/**
 * The names of the numbers among an event's properties that are rounded by now.
 *
 * @param text the line that the event was read from
 */
export function* roundedNumbers({ properties }: JsonObject, text: string): Generator<string> {
  if (!MANY_DIGITS.test(text)) return;
  // Not by recursion: a line may be nested deeper than calls can be.
  const open: [name: string, value: unknown][] = [['properties', properties]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [name, value] = next;
    if (isRounded(value)) yield name;
    else if (Array.isArray(value)) for (const item of value as unknown[]) open.push([name, item]);
    else if (isJsonObject(value)) for (const [key, item] of Object.entries(value)) open.push([`${name}.${key}`, item]);
  }
}

function isRounded(value: unknown): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value);
}

function holdsRounded(value: unknown): boolean {
  return isJsonObject(value) && Object.values(value).some(isRounded);
}
