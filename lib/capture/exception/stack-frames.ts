import { fileURLToPath } from 'node:url';

/** The innermost calls. */
const MAX_FRAMES = 50;
/** Bounds the work: a stack may be any string. V8 writes no longer lines, and fewer unless the application raises its limit. */
const MAX_LINE_LENGTH = 2000;
const MAX_LINES = 500;
/** Characters of a message that are searched for at the head of the stack. */
const MAX_MESSAGE_LENGTH = 1000;

/** `at name (position)`, or `at position` for a function without a name. */
const CALL = /^\s*at (?:async )?(.+)$/;
/** At the end of a position. Anchored, so that no string is slow to match. */
const POSITION = /:(\d{1,10}):(\d{1,10})$/;
/** V8 writes the position of the call of eval as well: `eval at name (position), <anonymous>:line:column`. */
const EVAL = 'eval at ';

/** A call, in the format of PostHog's error tracking. */
export interface StackFrame {
  readonly platform: 'node:javascript';
  readonly filename: string;
  /** `?` if it has no name. */
  readonly function: string;
  readonly lineno: number;
  readonly colno: number;
  /** false for Node's own code and for packages. */
  readonly in_app: boolean;
}

/**
 * Parses the stack of an error as V8 writes it: the 50 innermost calls, outermost first. Skips lines without a file (`<anonymous>`,
 * `native`, `Promise.all (index 0)`).
 *
 * @param message the head of the stack, which may contain lines that look like calls
 */
export function stackFrames(stack: string, message: string): StackFrame[] {
  const frames: StackFrame[] = [];
  for (const line of withoutMessage(stack, message).split('\n', MAX_LINES)) {
    if (line.length > MAX_LINE_LENGTH) continue;
    const frame = parseLine(line.trimEnd());
    if (frame !== undefined && frames.push(frame) === MAX_FRAMES) break;
  }
  return frames.reverse();
}

/** Only a match in the first line is the message; anywhere else it is part of a call, and the message was changed since. */
function withoutMessage(stack: string, message: string): string {
  const firstLineEnd = stack.indexOf('\n');
  const start = stack.slice(0, MAX_MESSAGE_LENGTH * 2).indexOf(message.slice(0, MAX_MESSAGE_LENGTH));
  return start === -1 || start > firstLineEnd ? stack : stack.slice(start + message.length);
}

function parseLine(line: string): StackFrame | undefined {
  const [, call = ''] = CALL.exec(line) ?? [];
  const open = call.endsWith(')') ? call.indexOf(' (', 1) : -1;
  const named = open === -1 ? null : placeOf(call.slice(open + 2, -1));
  const place = named ?? placeOf(call);
  if (place === null) return undefined;
  const { filename, lineno, colno } = evalPlaceOf(place.filename) ?? place;
  const path = pathOf(filename);
  return {
    platform: 'node:javascript',
    filename: path,
    function: named === null ? '?' : call.slice(0, open),
    lineno,
    colno,
    in_app: isOwn(path),
  };
}

type Place = Pick<StackFrame, 'filename' | 'lineno' | 'colno'>;

function placeOf(text: string): Place | null {
  const position = POSITION.exec(text);
  if (position === null || position.index === 0) return null;
  return { filename: text.slice(0, position.index), lineno: Number(position[1]), colno: Number(position[2]) };
}

/** The position is in the innermost parentheses. */
function evalPlaceOf(place: string): Place | null {
  if (!place.startsWith(EVAL)) return null;
  const end = place.indexOf(')');
  return end === -1 ? null : placeOf(place.slice(place.lastIndexOf('(', end) + 1, end));
}

function pathOf(place: string): string {
  if (!place.startsWith('file://')) return place;
  try {
    return fileURLToPath(place);
  } catch {
    return place;
  }
}

function isOwn(filename: string): boolean {
  return !/^(?:node:|internal\/|<anonymous>)/.test(filename) && !/[\\/]node_modules[\\/]/.test(filename);
}
