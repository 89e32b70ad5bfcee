import { optionRulesOf } from './option-rule.js';
import { PostHogCaptureOptions } from './posthog-capture.options.js';

const RULES = optionRulesOf(PostHogCaptureOptions);

export const OPTION_NAMES: readonly string[] = [...RULES.keys()];

/**
 * The variable of an option: `flushAt` is `POSTHOG_FLUSH_AT`, and `POSTHOG_BILLING_EU_FLUSH_AT` for the instance
 * `billing-eu`. undefined for options that only code can set.
 *
 * @param name the name of a named instance
 */
export function variableOf(option: string, name?: string): string | undefined {
  const rule = RULES.get(option);
  if (!rule?.parse) return undefined;
  const words = (rule.variable ?? option).replace(/[A-Z]/g, (capital) => `_${capital}`);
  return ['POSTHOG', name?.replace(/[^A-Za-z0-9]/g, '_'), words]
    .filter((part) => part !== undefined)
    .join('_')
    .toUpperCase();
}

/** Converts text to the type of the option. Other values, and text that the option does not understand, are returned unchanged. */
export function parseOption(option: string, value: unknown): unknown {
  return typeof value === 'string' ? (RULES.get(option)?.parse?.(value) ?? value) : value;
}

/** false for undefined, null and blank text: a variable that is set to nothing is not given. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && !(typeof value === 'string' && value.trim() === '');
}

/**
 * The options that variables set, parsed.
 *
 * @param read returns a variable's text, or the value that a validation schema converted it to
 * @param name the name of a named instance, which reads only its own variables
 */
export function readVariables(read: (variable: string) => unknown, name?: string): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const option of OPTION_NAMES) {
    const variable = variableOf(option, name);
    const value = variable === undefined ? undefined : read(variable);
    if (isGiven(value)) given[option] = parseOption(option, value);
  }
  return given;
}
