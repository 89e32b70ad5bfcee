import { isIntegerBetween, LONGEST_TIMER_MS } from '../options/predicates.js';
import { describeValue } from '../options/describe-value.js';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { isObject } from '../shared/untrusted-values.js';

const DEFAULTS = { timeoutMs: 2000, reserveMs: 500 };
const isMilliseconds = isIntegerBetween(0, LONGEST_TIMER_MS);

/** @throws PostHogConfigurationError listing every problem */
export function checkFlushLimits(given: unknown): Readonly<typeof DEFAULTS> {
  if (!isObject(given))
    throw new PostHogConfigurationError([
      `withFlush: got ${describeValue(given, undefined)}; expected an object of options`,
    ]);
  const options = Object.entries(given).filter(([, value]) => value !== undefined);
  const problems = options.flatMap(([name, value]) => problemOf(name, value) ?? []);
  if (problems.length > 0) throw new PostHogConfigurationError(problems);
  return { ...DEFAULTS, ...Object.fromEntries(options) };
}

function problemOf(name: string, value: unknown): string | undefined {
  if (name in DEFAULTS) {
    if (isMilliseconds(value)) return undefined;
    return `withFlush: ${name}: got ${describeValue(value, undefined)}; expected a whole number of milliseconds from 0 to ${LONGEST_TIMER_MS}`;
  }
  return `withFlush: ${name}: there is no such option; expected ${Object.keys(DEFAULTS).join(' or ')}`;
}
