import { createHash } from 'node:crypto';
import { type CaptureEvent } from '../../capture/capture-event.js';
import { uuidOf } from '../../capture/event/uuid.js';
import { quoteName } from '../../shared/untrusted-values.js';
import { checkInput, isJsonObject, type JsonObject, kindOf, warnOfUnknown } from '../event-input.js';
import { type Line } from './lines.js';

const REMEDY = 'write it as a text';

/** An event that is the same each time that its line is read. */
export type ImportedEvent = CaptureEvent & { readonly uuid: string };

/**
 * The event of a line, or what is wrong with it. Whatever a line may do to whoever reads it costs that line only.
 *
 * @param startedAt what the event has for a timestamp if the line has none
 * @param warn hears what the event will not be as the line has it
 */
export function readEvent(line: Line, startedAt: string, warn: (warning: string) => void): ImportedEvent | string {
  try {
    return eventOf(line, startedAt, warn);
  } catch {
    return 'it could not be read: is it nested too deep?';
  }
}

function eventOf(line: Line, startedAt: string, warn: (warning: string) => void): ImportedEvent | string {
  if ('problem' in line) return line.problem;
  const { number, text } = line;
  const input = parse(text);
  if (input === undefined) return 'it is not valid JSON';
  if (!isJsonObject(input)) return `it must be a JSON object, not ${kindOf(input)}`;
  const id = roundedId(input);
  if (id !== undefined) return `${id} is a number too large for JSON: ${REMEDY}`;
  const { dto, problems } = checkInput(input);
  if (problems.length > 0) return problems.join('; ');
  warnOfUnknown(input, warn);
  for (const name of roundedNumbers(input, text))
    warn(`${quoteName(name)} is a number too large for JSON and was rounded: ${REMEDY}`);
  const event = dto.toCaptureEvent();
  const uuid = uuidOf(event.uuid) ?? stableUuid({ number, text });
  return { ...event, uuid, timestamp: event.timestamp ?? startedAt };
}

/** undefined for what is no JSON. Not why: the parser's message quotes the text. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Properties that name somebody. */
const IDS = ['distinct_id', 'alias', '$anon_distinct_id', '$group_key'];
/** A number that JavaScript rounds has as many digits, so most lines need not be searched. */
const MANY_DIGITS = /\d{16}/;

/** The field that names somebody by a number which is rounded by now, to the id of somebody else; undefined when none does. */
function roundedId({ distinct_id: distinctId, groups, properties }: JsonObject): string | undefined {
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
function* roundedNumbers({ properties }: JsonObject, text: string): Generator<string> {
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

/** Of this package's imports, so that nobody else's name-based uuids are the same. Any uuid would do. */
const NAMESPACE = Buffer.from('6f1d3c1e9a4b4c57b0a2e8d47f3b9c15', 'hex');

/**
 * The uuid of a line: version 5 (RFC 9562), so the same each time that the same file is imported. Nothing of the file itself is in it,
 * neither name nor size: whoever corrects some lines, or adds to them, imports the others once.
 */
function stableUuid(line: { readonly number: number; readonly text: string }): string {
  const digest = createHash('sha1').update(NAMESPACE).update(`${line.number}:${line.text}`).digest('hex');
  const variant = '89ab'.charAt(Number.parseInt(digest.charAt(16), 16) & 3);
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-${variant}${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}
