import { fileURLToPath } from 'node:url';

/** The innermost calls that are told. */
const MAX_FRAMES = 50;
/** A stack may be any text. Nothing that V8 writes has longer lines, nor so many unless the application asks for them. */
const MAX_LINE_LENGTH = 2000;
const MAX_LINES = 500;
/** As much of a message as is looked for at the head of the stack. */
const MAX_MESSAGE_LENGTH = 1000;

/** `at name (place)`, or `at place` for a function without a name. */
const CALL = /^\s*at (?:async )?(.+)$/;
/** The end of a place. Anchored there, so that no text is slow to match. */
const POSITION = /:(\d{1,10}):(\d{1,10})$/;
/** Code in `eval` is placed by the call of eval: `eval at name (place), <anonymous>:line:column`. */
const EVAL = 'eval at ';

/** One call as PostHog's error tracking reads it. */
export interface StackFrame {
  readonly platform: 'node:javascript';
  readonly filename: string;
  /** `?` when it has no name. */
  readonly function: string;
  readonly lineno: number;
  readonly colno: number;
  /** false for Node's own code and for packages. */
  readonly in_app: boolean;
}

/**
 * The calls in the stack of an error (V8's text), the outermost first, at most 50 of them: the innermost. Lines that are no
 * calls into a file (`<anonymous>`, `native`, `Promise.all (index 0)`) are passed over.
 *
 * @param message stands at the head of the stack, and may hold lines that look like calls
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

/** The message begins in the first line. Elsewhere it is no message but a part of a call: it was changed since. */
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

/** The innermost parentheses hold the place. */
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
