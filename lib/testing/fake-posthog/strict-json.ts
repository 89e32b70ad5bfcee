import { type RuleViolation } from './recorded.js';

/** The limit of PostHog's JSON parser. */
const MAX_DEPTH = 128;
/** The root is level 1, an event in its batch level 3. PostHog parses these into structs, where a duplicate key is an error. */
const EVENT_LEVEL = 3;
const LONE_SURROGATE = /\p{Surrogate}/u;

export interface JsonViolation extends RuleViolation {
  /** true: PostHog refuses the request; false: it silently discards or replaces a value. */
  readonly refused: boolean;
}

/**
 * Finds what `JSON.parse` accepts and PostHog does not: duplicate keys in an object, escaped lone surrogates, NUL
 * characters, and more than 128 levels of nesting.
 *
 * @param text valid JSON
 */
export function jsonViolations(text: string): JsonViolation[] {
  const violations: JsonViolation[] = [];
  // The keys of each object that is open at this position; null for an array.
  const open: (Set<string> | null)[] = [];
  let keyComesNext = false;
  let deepest = 0;

  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      const end = closingQuote(text, at);
      const escaped = text.slice(at + 1, end);
      const value = escaped.includes('\\') ? String(JSON.parse(`"${escaped}"`)) : escaped;
      if (value !== escaped && LONE_SURROGATE.test(value)) {
        const detail = `the body contains an escaped lone surrogate at character ${at}`;
        violations.push({ rule: 'json_lone_surrogate', detail, refused: true });
      }
      if (value.includes('\0')) {
        const detail = `the body contains a NUL character, which is stored as U+FFFD, at character ${at}`;
        violations.push({ rule: 'json_nul', detail, refused: false });
      }
      const keys = open.at(-1);
      if (keyComesNext && keys) {
        if (keys.has(value)) {
          const detail = `the key ${JSON.stringify(value)} occurs twice in one object, at character ${at}`;
          violations.push({ rule: 'json_duplicate_key', detail, refused: open.length <= EVENT_LEVEL });
        }
        keys.add(value);
        keyComesNext = false;
      }
      at = end;
    } else if (character === '{' || character === '[') {
      open.push(character === '{' ? new Set() : null);
      keyComesNext = character === '{';
      deepest = Math.max(deepest, open.length);
    } else if (character === '}' || character === ']') {
      open.pop();
      keyComesNext = false;
    } else if (character === ',') {
      keyComesNext = open.at(-1) != null;
    }
  }
  if (deepest > MAX_DEPTH) {
    const detail = `the body is nested ${deepest} levels deep; at most ${MAX_DEPTH} are allowed`;
    violations.push({ rule: 'json_depth', detail, refused: true });
  }
  return violations;
}

function closingQuote(text: string, openingQuote: number): number {
  for (let end = text.indexOf('"', openingQuote + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text[end - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}
