import { distinctIdOf } from '../context/distinct-id.js';
import { warnOfUnknownFields } from '../context/unknown-fields.js';

export type Warn = (warning: string) => void;

/**
 * The known fields of an input, each read once, as a getter may answer differently the second time. Others are warned of.
 * PostHog's own spelling `distinct_id` can mean only one thing, so it is taken where `distinctId` is missing.
 */
export function readInput<Field extends string>(
  input: Readonly<Record<string, unknown>>,
  fields: readonly Field[],
  warn: Warn,
): Partial<Record<Field, unknown>> {
  const given: Partial<Record<string, unknown>> = {};
  for (const field of fields) given[field] = input[field];
  if ((given.distinctId ?? null) === null && distinctIdOf(input.distinct_id) !== null) {
    given.distinctId = input.distinct_id;
    warn('distinct_id was taken for distinctId, as the field is called in code');
    warnOfUnknownFields(input, [...fields, 'distinct_id'], warn);
  } else {
    warnOfUnknownFields(input, fields, warn);
  }
  return given;
}
