/** Which values are hidden: names (`*` stands for any text, case does not matter), patterns on names, or a function. */
export type Mask = readonly (string | RegExp)[] | ((name: string, path: readonly string[]) => boolean);

/** What stands in place of a hidden value. */
export const HIDDEN = '•••';

/** An event's JSON as it may be shown. */
export interface MaskedText {
  readonly text: string;
  /** The distinct id, as it may be shown. */
  readonly who: string;
}

/** The fields of an event that are no one's data, and hold what is masked. */
const FRAME = new Set(['event', 'uuid', 'timestamp', 'properties', 'options']);
const UNREADABLE = `"${HIDDEN}"`;

/**
 * Makes what masks the JSON of an event: the values of all properties that `mask` names, however deep, and the distinct
 * id where `distinct_id` is named. Text in which nothing is hidden stays as it is, to the letter. A function that throws
 * hides the value, and text that cannot be read is hidden as a whole.
 */
export function masker(mask: Mask = []): (text: string) => MaskedText {
  const hides = ruleOf(mask);
  return (text) => {
    try {
      const event: unknown = JSON.parse(text);
      const hidden = { count: 0 };
      const shown = cover(event, [], (name, path) => {
        const isHidden = !(path.length === 0 && FRAME.has(name)) && hides(name, path);
        if (isHidden) hidden.count += 1;
        return isHidden;
      });
      const { distinct_id: who } = Object(shown) as { distinct_id?: unknown };
      return {
        text: hidden.count === 0 ? text : JSON.stringify(shown),
        who: typeof who === 'string' || typeof who === 'number' ? String(who) : '',
      };
    } catch {
      return { text: UNREADABLE, who: '' };
    }
  };
}

function cover(
  value: unknown,
  path: readonly string[],
  hides: (name: string, path: readonly string[]) => boolean,
): unknown {
  if (Array.isArray(value)) return value.map((item) => cover(item, path, hides));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, inner]): [string, unknown] => [
    name,
    hides(name, path) ? HIDDEN : cover(inner, [...path, name], hides),
  ]);
  // Also `__proto__` becomes a property like any other.
  return Object.fromEntries(entries);
}

function ruleOf(mask: Mask): (name: string, path: readonly string[]) => boolean {
  if (typeof mask === 'function') {
    return (name, path) => {
      try {
        // Whatever it answers: only a plain no shows the value.
        return (mask(name, path) as unknown) !== false;
      } catch {
        return true;
      }
    };
  }
  const rules = mask.map(patternOf);
  return (name) => rules.some((rule) => name.search(rule) >= 0);
}

function patternOf(rule: string | RegExp): RegExp {
  if (typeof rule !== 'string') return rule;
  const parts = rule.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 'isu');
}
