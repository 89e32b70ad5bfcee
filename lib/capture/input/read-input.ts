import { distinctIdOf } from '../../context/distinct-id.js';
import { warnOfUnknownFields } from '../../shared/unknown-fields.js';
import { readField } from '../../shared/untrusted-values.js';

export type Warn = (warning: string) => void;

/**
 * The known fields of an input, each read once, as a getter may answer differently the second time; UNREADABLE where it throws.
 * Others are warned of. Never throws. PostHog's own spelling `distinct_id` can mean only one thing, so it is taken where `distinctId` is missing.
 */
export function readInput<Field extends string>(
  input: Readonly<Record<string, unknown>>,
  fields: readonly Field[],
  warn: Warn,
): Partial<Record<Field, unknown>> {
  const given: Partial<Record<string, unknown>> = {};
  for (const field of fields) {
    const value = readField(input, field);
    if (value !== undefined) given[field] = value;
  }
  return completeInput(given, input, fields, warn);
}

/** Of fields that were read: takes `distinct_id` where `distinctId` is missing, and warns of unknown fields. Changes and returns `given`. */
export function completeInput<Field extends string>(
  given: Partial<Record<string, unknown>>,
  input: Readonly<Record<string, unknown>>,
  fields: readonly Field[],
  warn: Warn,
): Partial<Record<Field, unknown>> {
  if ((given.distinctId ?? null) !== null) {
    warnOfUnknownFields(input, fields, warn);
    return given;
  }
  const spelledOtherwise = readField(input, 'distinct_id');
  if (distinctIdOf(spelledOtherwise) === null) {
    warnOfUnknownFields(input, fields, warn);
    return given;
  }
  given.distinctId = spelledOtherwise;
  warn('distinct_id was taken for distinctId, as the field is called in code');
  warnOfUnknownFields(input, [...fields, 'distinct_id'], warn);
  return given;
}
