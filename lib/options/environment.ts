import { isObject } from '../shared/untrusted-values.js';
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
  return rule?.parse ? variableName(rule.variable ?? option, name) : undefined;
}

/** The variable that an option would have by its name alone, where it has another one: `POSTHOG_STORE`, of `POSTHOG_STORE_PATH`. */
export function plainVariableOf(option: string, name?: string): string | undefined {
  return RULES.get(option)?.variable === undefined ? undefined : variableName(option, name);
}

/** @param words in camel case */
export function variableName(words: string, name: string | undefined): string {
  const spelled = words.replace(/[A-Z]/g, (capital) => `_${capital}`);
  return ['POSTHOG', name?.replace(/[^A-Za-z0-9]/g, '_'), spelled]
    .filter((part) => part !== undefined)
    .join('_')
    .toUpperCase();
}

/** The variables of the fields of an option that is an object, by field. */
export function fieldVariablesOf(option: string, name?: string): Readonly<Record<string, string>> {
  const fields = Object.keys(RULES.get(option)?.fields ?? {});
  return Object.fromEntries(fields.map((field) => [field, variableName(`${option}_${field}`, name)]));
}

/** Merges options of two sources, of which the second takes precedence: objects with fields that have variables, field by field. */
export function mergeOptions(
  first: Readonly<Record<string, unknown>>,
  second: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...first, ...second };
  for (const [option, { fields }] of RULES) {
    const [before, after] = [first[option], second[option]];
    if (fields === undefined || !isObject(before) || !isObject(after)) continue;
    merged[option] = { ...before, ...Object.fromEntries(Object.entries(after).filter(([, value]) => isGiven(value))) };
  }
  return merged;
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
    const fields = readFields(option, read, name);
    if (fields.length > 0) given[option] = Object.fromEntries(fields);
  }
  return given;
}

function readFields(option: string, read: (variable: string) => unknown, name?: string): [string, unknown][] {
  const fields = RULES.get(option)?.fields ?? {};
  return Object.entries(fieldVariablesOf(option, name)).flatMap(([field, variable]): [string, unknown][] => {
    const value = read(variable);
    if (!isGiven(value)) return [];
    return [[field, typeof value === 'string' ? (fields[field]?.(value) ?? value) : value]];
  });
}
