import { fileURLToPath } from 'node:url';

/** The innermost calls that are told. */
const MAX_FRAMES = 50;
/** Nothing that V8 writes is longer; a longer line is part of a message, and would be slow to match. */
const MAX_LINE_LENGTH = 2000;

/** `at name (place:line:column)`, or `at place:line:column` for a function without a name. */
const FRAME = /^\s*at (?:async )?(?:(.+?) \((.+):(\d+):(\d+)\)|(.+):(\d+):(\d+))$/;
/** Code in `eval` is placed by the call of eval: `eval at name (place:line:column), <anonymous>`. */
const EVAL = /^eval at .*\(([^()]+):(\d+):(\d+)\)/;

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
  for (const line of withoutMessage(stack, message).split('\n')) {
    if (line.length > MAX_LINE_LENGTH) continue;
    const frame = parseLine(line.trimEnd());
    if (frame !== undefined && frames.push(frame) === MAX_FRAMES) break;
  }
  return frames.reverse();
}

function withoutMessage(stack: string, message: string): string {
  const start = stack.indexOf(message);
  const firstLineEnd = stack.indexOf('\n');
  // Beyond the first line it is no message but a part of a call: the message was changed since.
  return start === -1 || start > firstLineEnd ? stack : stack.slice(start + message.length);
}

function parseLine(line: string): StackFrame | undefined {
  const match = FRAME.exec(line);
  if (match === null) return undefined;
  const [, name, namedPlace, namedLine, namedColumn, barePlace, bareLine, bareColumn] = match;
  const place = namedPlace ?? barePlace ?? '';
  const [, evalPlace, evalLine, evalColumn] = EVAL.exec(place) ?? [];
  const filename = pathOf(evalPlace ?? place);
  return {
    platform: 'node:javascript',
    filename,
    function: name ?? '?',
    lineno: Number(evalLine ?? namedLine ?? bareLine),
    colno: Number(evalColumn ?? namedColumn ?? bareColumn),
    in_app: isOwn(filename),
  };
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
