import { relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';

/** Longest stack that is searched for a location. */
const MAX_STACK_CHARACTERS = 20_000;
/** The name of an error class; anything else may be data. */
const CLASS_NAME = /^[A-Z][A-Za-z]{0,59}(?:Error|Exception)$|^Error$/;
/** Messages of V8, with the names that they quote. */
const ENGINE_MESSAGES = [
  /^Cannot (?:read|set) properties of (?:undefined|null) \((?:reading|setting) '([\w$]+)'\)$/,
  /^Cannot destructure property '([\w$]+)' of '([\w$.]+)' as it is (?:undefined|null)\.$/,
  /^([\w$.]+) is not (?:a function|iterable|defined)$/,
];
/** `    at place (/path/file.ts:12:34)`, `    at /path/file.ts:12:34`, also with `file:` URLs. */
const FRAME = /^ {4}at (?:[^()\n]* \()?((?:file:\/\/|\/|[A-Za-z]:\\)[^()\n]+):(\d+):\d+\)?$/;

/**
 * Describes what a callback of the application threw, for the log: the class, the place in the application's code, and the message if it is
 * one of the JavaScript engine. Other messages may quote data, and are left out. Never throws.
 *
 * @param callback its source code must contain the names that the message quotes: a computed name would be data
 * @returns e.g. `TypeError: Cannot read properties of undefined (reading 'total') at src/orders.controller.ts:12`
 */
export function describeThrown(thrown: unknown, callback: (...args: never) => unknown): string {
  // A proxy is none: reading it would run its traps.
  if (!types.isNativeError(thrown)) return 'a value that is not an Error';
  const message = read(thrown, 'message');
  const name = read(thrown, 'name');
  const place = placeOf(read(thrown, 'stack'), message);
  return [
    CLASS_NAME.test(name) ? name : 'an error',
    isSafe(message, callback) ? `: ${message}` : '',
    place === undefined ? '' : ` at ${place}`,
  ].join('');
}

function read(error: Error, field: 'name' | 'message' | 'stack'): string {
  try {
    const value: unknown = error[field];
    return typeof value === 'string' ? value : '';
  } catch {
    return '';
  }
}

function isSafe(message: string, callback: (...args: never) => unknown): boolean {
  const quoted = ENGINE_MESSAGES.flatMap((pattern) => pattern.exec(message)?.slice(1) ?? []);
  if (quoted.length === 0) return false;
  const source = new Set(Function.prototype.toString.call(callback).match(/[\w$]+/g));
  return quoted.every((name) => name.split('.').every((word) => source.has(word)));
}

/** The innermost frame that is in neither Node.js nor a package. */
function placeOf(stack: string, message: string): string | undefined {
  if (stack.length > MAX_STACK_CHARACTERS) return undefined;
  // The message may contain lines that look like frames.
  const start = stack.indexOf(message);
  if (start === -1) return undefined;
  for (const line of stack.slice(start + message.length).split('\n')) {
    // The callback's caller: what is further out is not the callback.
    if (line.startsWith('    at callSync ')) return undefined;
    const [, file = '', lineNumber = ''] = FRAME.exec(line) ?? [];
    if (file === '' || /[\\/]node_modules[\\/]/.test(file)) continue;
    return `${shorten(file)}:${lineNumber}`;
  }
  return undefined;
}

/** Relative to the current directory, for files inside it. */
function shorten(file: string): string {
  try {
    const path = file.startsWith('file:') ? fileURLToPath(file) : file;
    const inside = relative(process.cwd(), path);
    return inside.startsWith('..') ? path : inside.split(sep).join('/');
  } catch {
    // The URL of another machine, or a current directory that was deleted.
    return file;
  }
}
