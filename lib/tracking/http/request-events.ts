import { type RequestTrackingOptions } from '../../options/posthog-capture.options.js';

/** The same, complete. */
export interface RequestTracking {
  readonly event: string;
  readonly sampleRate: number;
  /** @param names the path, and the route template if there is one */
  readonly ignores: (names: readonly string[]) => boolean;
}

/** null: requests are not captured. */
export function requestTrackingOf(option: boolean | RequestTrackingOptions): RequestTracking | null {
  if (option === false) return null;
  const { event = 'http_request', sampleRate = 1, ignore = [] } = option === true ? {} : option;
  return { event, sampleRate, ignores: (names) => names.some((name) => ignore.some((rule) => matches(rule, name))) };
}

function matches(rule: string | RegExp, name: string): boolean {
  // Not `test`, which remembers where it was when the expression is global.
  if (typeof rule !== 'string') return name.search(rule) >= 0;
  return rule.endsWith('*') ? name.startsWith(rule.slice(0, -1)) : name === rule;
}
