import { type CaptureEvent } from '../../capture/capture-event.js';
import { uuidOf } from '../../capture/uuid.js';
import { checkInput, isObject, kindOf, warnOfUnknown } from '../event-input.js';
import { type Line } from './lines.js';
import { stableUuid } from './stable-uuid.js';

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
  if (!isObject(input)) return `it must be a JSON object, not ${kindOf(input)}`;
  const unsafe = unsafeNumberIn(input);
  if (unsafe !== undefined) return `${unsafe} is a number too large for JSON: write it as a text`;
  const { dto, problems } = checkInput(input);
  if (problems.length > 0) return problems.join('; ');
  warnOfUnknown(input, warn);
  const event = dto.toCaptureEvent();
  const uuid = uuidOf(event.uuid) ?? stableUuid({ number, text });
  return { ...event, uuid, timestamp: event.timestamp ?? startedAt };
}

/** The field whose number is not the one that the line has: JavaScript rounds it, to the id of somebody else. */
function unsafeNumberIn(input: Readonly<Record<string, unknown>>): string | undefined {
  const isUnsafe = (value: unknown): boolean => Number.isInteger(value) && !Number.isSafeInteger(value);
  if (isUnsafe(input.distinct_id)) return 'distinct_id';
  return isObject(input.groups) && Object.values(input.groups).some(isUnsafe) ? 'a group key' : undefined;
}

/** undefined for what is no JSON. Not why: the parser's message quotes the text. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
