import { MAX_LEVELS } from '../../json/safe-json.js';

/**
 * A change that reading a JSON text, or writing it for PostHog, would make.
 *
 * - `overflow`: a number beyond the largest, which becomes null
 * - `rounded`: a whole number with more digits than JavaScript keeps
 * - `digits`: another number with more digits than JavaScript keeps
 * - `number`: a number whose text would be another one, such as 7.0
 * - `duplicate`: a name that occurs twice in an object, of which the last value counts
 * - `depth`: nested more than 100 levels deep, which is cut
 * - `characters`: NUL or half a surrogate pair, which is replaced
 * - `space`: a string that begins or ends with white space
 */
export interface Finding {
  readonly kind: 'overflow' | 'rounded' | 'digits' | 'number' | 'duplicate' | 'depth' | 'characters' | 'space';
  /** Names of the enclosing objects, the outermost ones at most, and the name of the value. Arrays have no name. */
  readonly path: readonly string[];
}

interface Frame {
  /** Names seen so far; null in an array. */
  readonly names: Set<string> | null;
  name: string | null;
  expectsName: boolean;
  /** Kinds found in the value of the current name, or in the array. */
  found: Finding['kind'][];
}

const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
/** A shorter number without an exponent is kept exactly. */
const MAX_EXACT_LENGTH = 15;
/** Deeper names are left out of a path: it would take as long as the nesting is deep, for each finding. */
const MAX_PATH = 10;
/** Digits that identify each number of JavaScript. */
const MAX_DIGITS = 17;

/** Finds the changes in a valid JSON text, each kind once per value of an object, or per array. One pass, without recursion. */
export function scanJson(text: string): Finding[] {
  const findings: Finding[] = [];
  const open: Frame[] = [];
  let isCut = false;
  const add = (kind: Finding['kind']): void => {
    const found = open.at(-1)?.found;
    if (found?.includes(kind) === true) return;
    found?.push(kind);
    const path = open.slice(0, MAX_PATH).flatMap(({ name }) => (name === null ? [] : [name]));
    findings.push({ kind, path });
  };
  for (let at = 0; at < text.length;) {
    const character = text.charAt(at);
    const frame = open.at(-1);
    if (character === '"') {
      const end = endOfString(text, at);
      const raw = text.slice(at, end);
      const value = raw.includes('\\') ? (JSON.parse(raw) as string) : raw.slice(1, -1);
      at = end;
      if (frame?.expectsName === true) {
        frame.expectsName = false;
        frame.name = value;
        if (frame.found.length > 0) frame.found = [];
        if (frame.names?.has(value) === true) add('duplicate');
        frame.names?.add(value);
      } else if (value !== value.trim()) add('space');
      if (raw.includes('\\u') && !isStorable(value)) add('characters');
      continue;
    }
    if (character === '-' || (character >= '0' && character <= '9')) {
      NUMBER.lastIndex = at;
      const [token = character] = NUMBER.exec(text) ?? [];
      at += token.length;
      const kind = numberKind(token);
      if (kind !== null) add(kind);
      continue;
    }
    if (character === '{' || character === '[') {
      const isObject = character === '{';
      open.push({ names: isObject ? new Set() : null, name: null, expectsName: isObject, found: [] });
      if (open.length > MAX_LEVELS && !isCut) {
        isCut = true;
        add('depth');
      }
    } else if (character === '}' || character === ']') open.pop();
    else if (character === ',' && frame?.names) frame.expectsName = true;
    at += 1;
  }
  return findings;
}

function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charAt(end - 1 - backslashes) === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return end + 1;
  }
  return text.length;
}

const isStorable = (value: string): boolean => !value.includes('\0') && !LONE_SURROGATE.test(value);
const LONE_SURROGATE = /\p{Cs}/u;

function numberKind(token: string): Finding['kind'] | null {
  const value = Number(token);
  if (!Number.isFinite(value)) return 'overflow';
  const written = String(value);
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    return significantDigits(token).length > MAX_EXACT_LENGTH ? 'rounded' : 'number';
  if (written === token) return null;
  if (token.length <= MAX_EXACT_LENGTH && !/e/i.test(token)) return 'number';
  const digits = significantDigits(token);
  const kept = significantDigits(written);
  // A number in binary has no more digits than these.
  const isLong = digits.length > MAX_DIGITS || (kept === '' && digits !== '');
  return digits !== kept && isLong ? 'digits' : 'number';
}

/** The significant digits of a number. */
function significantDigits(token: string): string {
  const [mantissa = ''] = token.toLowerCase().replace(/^-/, '').split('e');
  return mantissa.replace('.', '').replace(/^0+/, '').replace(/0+$/, '');
}
