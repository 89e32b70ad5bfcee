/**
 * Values to hide: property names (case-insensitive; `*` matches any text), regular expressions for names, or a function. The function is
 * called with the name and the names of the enclosing objects; only `false` shows the value.
 */
export type Mask = readonly (string | RegExp)[] | ((name: string, path: readonly string[]) => boolean);

/** Returns the names of the properties of an event that are hidden whatever the mask is. */
export type PersonalOf = (event: string) => ReadonlySet<string> | undefined;

/** Replaces a hidden value. */
export const HIDDEN = '•••';

export interface MaskedText {
  /** JSON of the event. */
  readonly text: string;
  /** The distinct id. */
  readonly who: string;
}

/** Top-level fields that are never hidden. */
const ENVELOPE = new Set(['event', 'uuid', 'timestamp', 'properties', 'options']);
/** Properties with another id of the same person. */
const OTHER_IDS = new Set(['alias', '$anon_distinct_id', '$user_id']);
const HIDDEN_JSON = `"${HIDDEN}"`;

/**
 * Returns a function that masks the JSON of an event: property values at any depth, and the distinct id if the mask has `distinct_id`, with
 * other ids of the person. `$exception_message` also hides the messages in `$exception_list`.
 * Text without hidden values is returned unchanged. If a mask function throws, the value is hidden. Invalid JSON is hidden completely.
 */
export function masker(mask: Mask = [], personalOf: PersonalOf = () => undefined): (text: string) => MaskedText {
  const hides = ruleOf(mask);
  return (text) => {
    try {
      const event: unknown = JSON.parse(text);
      const { event: given } = Object(event) as { event?: unknown };
      const personal = typeof given === 'string' ? personalOf(given) : undefined;
      const hidden = { count: 0 };
      const shown = maskValue(event, [], (name, path) => {
        const isHidden =
          !(path.length === 0 && ENVELOPE.has(name)) &&
          (hides(name, path) ||
            (isProperty(path) && personal?.has(name) === true) ||
            (OTHER_IDS.has(name) && hides('distinct_id', [])) ||
            (isMessage(name, path) && hides('$exception_message', ['properties'])));
        if (isHidden) hidden.count += 1;
        return isHidden;
      });
      const { distinct_id: who } = Object(shown) as { distinct_id?: unknown };
      return {
        text: hidden.count === 0 ? text : JSON.stringify(shown),
        who: typeof who === 'string' || typeof who === 'number' ? String(who) : '',
      };
    } catch {
      return { text: HIDDEN_JSON, who: '' };
    }
  };
}

const isProperty = (path: readonly string[]): boolean => path.length === 1 && path[0] === 'properties';

/** The message of an error in `$exception_list`, of which `$exception_message` is a copy. */
const isMessage = (name: string, path: readonly string[]): boolean =>
  name === 'value' && path.length === 2 && path[1] === '$exception_list';

function maskValue(
  value: unknown,
  path: readonly string[],
  hides: (name: string, path: readonly string[]) => boolean,
): unknown {
  if (Array.isArray(value)) return value.map((item) => maskValue(item, path, hides));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, inner]): [string, unknown] => [
    name,
    hides(name, path) ? HIDDEN : maskValue(inner, [...path, name], hides),
  ]);
  // fromEntries also defines `__proto__` as an ordinary property.
  return Object.fromEntries(entries);
}

function ruleOf(mask: Mask): (name: string, path: readonly string[]) => boolean {
  if (typeof mask === 'function') {
    return (name, path) => {
      try {
        // Only `false` shows the value.
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
