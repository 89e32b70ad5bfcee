import { type EventLimit } from '../../events/event-limit.js';

/** Errors, and events that change a person, a group or a flag: without them, PostHog would show something wrong for good. */
const PROTECTED =
  /^\$(?:exception$|identify$|create_alias$|merge_dangerously$|groupidentify$|set$|set_once$|unset$|feature_)/;

interface Pattern {
  /** The texts between the asterisks. */
  readonly parts: readonly string[];
  readonly limit: EventLimit;
}

/** The limits of option `limits`, by name and by pattern. */
export class LimitRules {
  readonly #exact = new Map<string, EventLimit>();
  /** The most specific first. */
  readonly #patterns: readonly Pattern[];
  readonly isEmpty: boolean;

  constructor(limits: Readonly<Record<string, EventLimit | undefined>>) {
    const patterns: Pattern[] = [];
    for (const [name, limit] of Object.entries(limits)) {
      if (limit === undefined) continue;
      if (name.includes('*')) patterns.push({ parts: name.split('*'), limit });
      else this.#exact.set(name, limit);
    }
    // Stable: of two that are as specific, the first given takes precedence.
    this.#patterns = patterns.sort((one, other) => lengthOf(other) - lengthOf(one));
    this.isEmpty = this.#exact.size === 0 && patterns.length === 0;
  }

  /** The limit of the name itself, otherwise of the pattern with the most characters besides `*`. */
  find(event: string): EventLimit | undefined {
    const exact = this.#exact.get(event);
    if (exact !== undefined || PROTECTED.test(event)) return exact;
    return this.#patterns.find(({ parts }) => matches(event, parts))?.limit;
  }
}

const lengthOf = ({ parts }: Pattern): number => parts.join('').length;

/** In linear time, whatever the pattern is. */
function matches(event: string, parts: readonly string[]): boolean {
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  const end = event.length - last.length;
  if (end < first.length || !event.startsWith(first) || !event.endsWith(last)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = event.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= end;
}
