import { type CaptureEvent } from '../../capture/capture-event.js';
import { uuidOf } from '../../capture/event/uuid.js';
import { quoteName } from '../../shared/untrusted-values.js';
import { checkInput, isJsonObject, kindOf, warnOfUnknown } from '../event-input.js';
import { type Line } from './lines.js';
import { roundedId, roundedNumbers } from './rounded-numbers.js';
import { stableUuid } from './stable-uuid.js';

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
