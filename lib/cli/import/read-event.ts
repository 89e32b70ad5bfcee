import { createHash } from 'node:crypto';
import { type CaptureEvent } from '../../capture/capture-event.js';
import { UUID } from '../../capture/input/rules.js';
import { isObject, quoteName } from '../../shared/untrusted-values.js';
import { checkInput, type JsonObject, kindOf, warnOfUnknown } from '../event-input.js';
import { type Line } from './lines.js';

const REMEDY = 'write it as a string';

/** Reading a line twice gives the same event, including its uuid. */
export type ImportedEvent = CaptureEvent & { readonly uuid: string };

/**
 * Returns the event of a line, or a sentence with the reason why the line is rejected. Never throws.
 *
 * @param startedAt timestamp for events without one
 * @param warn called with each value that will be changed or ignored
 */
export function readEvent(line: Line, startedAt: string, warn: (warning: string) => void): ImportedEvent | string {
  try {
    return eventOf(line, startedAt, warn);
  } catch {
    return 'it cannot be read, perhaps because it is nested too deeply';
  }
}

function eventOf(line: Line, startedAt: string, warn: (warning: string) => void): ImportedEvent | string {
  if ('problem' in line) return line.problem;
  const { number, text } = line;
  const input = parse(text);
  if (input === undefined) return 'it is not valid JSON';
  if (!isObject(input)) return `it must be a JSON object, not ${kindOf(input)}`;
  const id = roundedId(input);
  if (id !== undefined) return `${id} is a number that is too large for JSON: ${REMEDY}`;
  const { dto, problems } = checkInput(input);
  if (problems.length > 0) return problems.join('; ');
  warnOfUnknown(input, warn);
  for (const name of roundedNumbers(input, text))
    warn(`${quoteName(name)} is a number that is too large for JSON and was rounded: ${REMEDY}`);
  const event = dto.toCaptureEvent();
  const uuid = UUID.read(event.uuid) ?? stableUuid({ number, text });
  return { ...event, uuid, timestamp: event.timestamp ?? startedAt };
}

/** Returns undefined for invalid JSON. The parser's message is not used because it quotes the event. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Properties that identify a person or a group. */
const IDS = ['distinct_id', 'alias', '$anon_distinct_id', '$group_key'];
/** A number that JavaScript rounds has at least 16 digits, so most lines need no search. */
const MANY_DIGITS = /\d{16}/;

/** Returns the field with an id that JSON.parse has rounded, and that would now identify somebody else; undefined if there is none. */
function roundedId({ distinct_id: distinctId, groups, properties }: JsonObject): string | undefined {
  if (isRounded(distinctId)) return 'distinct_id';
  if (holdsRounded(groups)) return 'a group key';
  if (!isObject(properties)) return undefined;
  if (holdsRounded(properties.$groups)) return 'a group key';
  const name = IDS.find((id) => isRounded(properties[id]));
  return name === undefined ? undefined : `properties.${name}`;
}

/**
 * Yields the names of the properties that JSON.parse has rounded.
 *
 * @param text the line of the event
 */
function* roundedNumbers({ properties }: JsonObject, text: string): Generator<string> {
  if (!MANY_DIGITS.test(text)) return;
  // Iterative, because a line may be nested deeper than the call stack allows.
  const open: [name: string, value: unknown][] = [['properties', properties]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [name, value] = next;
    if (isRounded(value)) yield name;
    else if (Array.isArray(value)) for (const item of value as unknown[]) open.push([name, item]);
    else if (isObject(value)) for (const [key, item] of Object.entries(value)) open.push([`${name}.${key}`, item]);
  }
}

function isRounded(value: unknown): boolean {
  return Number.isInteger(value) && !Number.isSafeInteger(value);
}

function holdsRounded(value: unknown): boolean {
  return isObject(value) && Object.values(value).some(isRounded);
}

/** Namespace of the uuids of this command (RFC 9562); a random uuid. */
const NAMESPACE = Buffer.from('6f1d3c1e9a4b4c57b0a2e8d47f3b9c15', 'hex');

/**
 * Derives a version 5 uuid (RFC 9562) from the number and the text of a line. The file's name and size are not part of it, so a file can
 * be imported again after lines were corrected or added, and the other lines are stored once.
 */
function stableUuid(line: { readonly number: number; readonly text: string }): string {
  const digest = createHash('sha1').update(NAMESPACE).update(`${line.number}:${line.text}`).digest('hex');
  const variant = '89ab'.charAt(Number.parseInt(digest.charAt(16), 16) & 3);
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-${variant}${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}
