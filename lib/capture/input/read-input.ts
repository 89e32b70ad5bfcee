import { distinctIdOf } from '../../context/distinct-id.js';
import { type Warn, warnOfUnknownFields } from '../../shared/unknown-fields.js';
import { isMissing, readField } from '../../shared/untrusted-values.js';
import { type Fields, type Values } from './input-fields.js';
import { problemOf, readBy } from './rules.js';

type Input = Readonly<Record<string, unknown>>;

/**
 * The given fields of an input. Each is read once, because a getter may return something else the second time; UNREADABLE if it throws.
 * Warns of unknown fields. Never throws.
 */
export function readInput(input: Input, names: readonly string[], warn: Warn): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const name of names) {
    const value = readField(input, name);
    if (value !== undefined) given[name] = value;
  }
  completeInput(given, input, names, warn);
  return given;
}

/**
 * Accepts PostHog's spelling `distinct_id` if `distinctId` is missing, and warns of unknown fields.
 *
 * @param given the fields read so far; changed in place
 */
export function completeInput(
  given: { distinctId?: unknown },
  input: Input,
  names: readonly string[],
  warn: Warn,
): void {
  const otherSpelling = isMissing(given.distinctId) ? readField(input, 'distinct_id') : undefined;
  const id = otherSpelling === undefined ? null : distinctIdOf(otherSpelling);
  if (id === null) {
    warnOfUnknownFields(input, names, warn);
    return;
  }
  given.distinctId = id;
  warn('distinct_id was taken for distinctId, which is the name of the field in code');
  warnOfUnknownFields(input, [...names, 'distinct_id'], warn);
}

/** The values of the fields, or a line with every rule that they break. Never throws. */
export function valuesOf<F extends Fields>(
  fields: F,
  given: Input,
  warn: Warn,
  within = '',
): { readonly values: Values<F> } | { readonly problem: string } {
  const values: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, { rule, presence }] of Object.entries(fields)) {
    const value = given[name];
    if (presence !== 'required' && isMissing(value)) continue;
    const read = readBy(rule, value, warn);
    if (read !== null) {
      values[name] = read;
      const warning = rule.warning?.(name, read);
      if (warning !== undefined) warn(warning);
    } else if (presence !== 'replaceable') problems.push(within + problemOf(rule, name, value));
    else warn(rule.replaced ?? `${problemOf(rule, name, value)}; it was left out`);
  }
  return problems.length > 0 ? { problem: problems.join('; ') } : { values: values as Values<F> };
}
