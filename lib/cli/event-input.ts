import { validateSync, type ValidationError } from 'class-validator';
import { CaptureEventDto, CaptureEventOptionsDto, OPTIONS_DTO_FIELDS } from '../capture/input/capture-event.dto.js';
import { warnOfUnknownFields } from '../shared/unknown-fields.js';
import { isObject } from '../shared/untrusted-values.js';

export type JsonObject = Record<string, unknown>;

/** All fields of an event in a file. The compiler checks that the list is complete. */
const FIELDS = Object.keys({
  event: true,
  distinct_id: true,
  properties: true,
  timestamp: true,
  uuid: true,
  groups: true,
  disable_geoip: true,
  options: true,
  dedupe_key: true,
  $set: true,
  $set_once: true,
  $unset: true,
} satisfies Record<Exclude<keyof CaptureEventDto, 'toCaptureEvent'>, true>);

/** Converts an object to an event. `problems` has one sentence for each rule that it violates. */
export function checkInput(input: JsonObject): { readonly dto: CaptureEventDto; readonly problems: readonly string[] } {
  const known = Object.fromEntries(Object.entries(input).filter(([field]) => FIELDS.includes(field)));
  // class-transformer would change or fail on properties such as `constructor` and `__proto__`.
  const dto = Object.assign(new CaptureEventDto(), known);
  if (isObject(input.options)) dto.options = Object.assign(new CaptureEventOptionsDto(), input.options);
  return { dto, problems: validateSync(dto).flatMap(describeProblem) };
}

/** Warns about fields that an event does not have. */
export function warnOfUnknown(input: JsonObject, warn: (warning: string) => void): void {
  warnOfUnknownFields(input, FIELDS, warn);
  if (isObject(input.options)) warnOfUnknownFields(input.options, OPTIONS_DTO_FIELDS, warn, 'options');
}

export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}

function describeProblem({ constraints = {}, children = [] }: ValidationError): string[] {
  return [...Object.values(constraints), ...children.flatMap(describeProblem)];
}
