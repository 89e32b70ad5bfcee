import { fileURLToPath } from 'node:url';

/** The innermost calls. */
const MAX_CALLS = 50;
/** Bounds the work: a stack may be any string. V8 writes no longer lines, and fewer unless the application raises its limit. */
const MAX_LINE_LENGTH = 2000;
const MAX_LINES = 500;
/** Characters of a message that are searched for at the head of the stack. */
const MAX_MESSAGE_LENGTH = 1000;

/** `at name (position)`, or `at position` for a function without a name. */
const CALL = /^\s*at (?:async )?(.+)$/;
/** Bounds the search for the place. */
const MAX_PARENTHESES = 20;
const MAX_SCHEME_LENGTH = 40;
/** At the end of a position. Anchored, so that no string is slow to match. */
const POSITION = /:(\d{1,10}):(\d{1,10})$/;
/** V8 writes the position of the call of eval as well: `eval at name (position), <anonymous>:line:column`. */
const EVAL = 'eval at ';

/** Characters of the name of a function. */
const MAX_NAME_LENGTH = 256;
/** The beginning of a place: a path, a URL or `node:`, an eval, or no place. */
const PLACE = /^(?:[/\\<]|[A-Za-z]:\\|[a-z][a-z\d+.-]+:|eval at |native$|index \d+$)/;

/** A call, as the stack has it. */
export interface StackCall {
  /** An absolute path for a file; otherwise such as `node:fs` and `[eval]`. */
  readonly path: string;
  /** `?` if it has no name. */
  readonly function: string;
  readonly lineno: number;
  readonly colno: number;
  /** false for Node's own code, packages, and code that is not in a file. */
  readonly isOwn: boolean;
}

/**
 * Parses the stack of an error as V8 writes it: the 50 innermost calls, outermost first. Skips lines without a file (`<anonymous>`,
 * `native`, `Promise.all (index 0)`).
 *
 * @param message the head of the stack, which may contain lines that look like calls
 */
export function stackCalls(stack: string, message: string): StackCall[] {
  const calls: StackCall[] = [];
  for (const line of withoutMessage(stack, message).split('\n', MAX_LINES)) {
    if (line.length > MAX_LINE_LENGTH) continue;
    const call = parseLine(line.trimEnd());
    if (call !== undefined && calls.push(call) === MAX_CALLS) break;
  }
  return calls.reverse();
}

/** Only a match in the first line is the message; anywhere else it is part of a call, and the message was changed since. */
function withoutMessage(stack: string, message: string): string {
  const firstLineEnd = stack.indexOf('\n');
  const start = stack.slice(0, MAX_MESSAGE_LENGTH * 2).indexOf(message.slice(0, MAX_MESSAGE_LENGTH));
  return start === -1 || start > firstLineEnd ? stack : stack.slice(start + message.length);
}

function parseLine(line: string): StackCall | undefined {
  const [, call = ''] = CALL.exec(line) ?? [];
  const open = call.endsWith(')') ? placeStart(call) : -1;
  const named = open === -1 ? null : placeOf(call.slice(open + 2, -1));
  const place = named ?? placeOf(call);
  if (place === null) return undefined;
  const { filename, lineno, colno } = evalPlaceOf(place.filename) ?? place;
  const path = pathOf(filename);
  const name = named === null ? '?' : call.slice(0, Math.min(open, MAX_NAME_LENGTH));
  return { path, function: name, lineno, colno, isOwn: isOwn(path) };
}

/** Names (`Cart.add (all)`) and paths (`C:\\Program Files (x86)`) may have parentheses: the place begins with the first that looks like one. */
function placeStart(call: string): number {
  const first = call.indexOf(' (', 1);
  for (let open = first, tries = 0; open !== -1 && tries < MAX_PARENTHESES; open = call.indexOf(' (', open + 1)) {
    if (PLACE.test(call.slice(open + 2, open + 2 + MAX_SCHEME_LENGTH))) return open;
    tries += 1;
  }
  return first;
}

interface Place {
  readonly filename: string;
  readonly lineno: number;
  readonly colno: number;
}

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

function isOwn(path: string): boolean {
  return !/^(?:node:|ext:|internal\/|native$|<|\[)/.test(path) && !/(?:^|[\\/])node_modules[\\/]/.test(path);
}
