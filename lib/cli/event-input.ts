import { validateSync, type ValidationError } from 'class-validator';
import { CaptureEventDto } from '../capture/input/capture-event.dto.js';
import { CaptureEventOptionsDto } from '../capture/input/capture-event-options.dto.js';
import { warnOfUnknownFields } from '../shared/unknown-fields.js';

export type JsonObject = Record<string, unknown>;

/** Every field of an event in a file; the compiler keeps it complete. */
const FIELDS = Object.keys({
  event: true,
  distinct_id: true,
  properties: true,
  timestamp: true,
  uuid: true,
  groups: true,
  disable_geoip: true,
  options: true,
} satisfies Record<Exclude<keyof CaptureEventDto, 'toCaptureEvent'>, true>);

const OPTION_FIELDS = Object.keys({
  cookieless_mode: true,
  disable_skew_correction: true,
  process_person_profile: true,
  product_tour_id: true,
} satisfies Record<keyof CaptureEventOptionsDto, true>);

/** The event that an object describes, and in `problems` every rule that it breaks, a sentence each. */
export function checkInput(input: JsonObject): { readonly dto: CaptureEventDto; readonly problems: readonly string[] } {
  const known = Object.fromEntries(Object.entries(input).filter(([field]) => FIELDS.includes(field)));
  // Not by class-transformer: it changes properties that have the names of JavaScript's own, and fails on some.
  const dto = Object.assign(new CaptureEventDto(), known);
  if (isJsonObject(input.options)) dto.options = Object.assign(new CaptureEventOptionsDto(), input.options);
  return { dto, problems: validateSync(dto).flatMap(describeProblem) };
}

/** Tells of the fields of an object that mean nothing in an event. */
export function warnOfUnknown(input: JsonObject, warn: (warning: string) => void): void {
  warnOfUnknownFields(input, FIELDS, warn);
  if (isJsonObject(input.options)) warnOfUnknownFields(input.options, OPTION_FIELDS, warn, 'options');
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a JSON value is, for the end of a sentence. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`;
}

/** The sentences about one field and those inside it. */
function describeProblem({ constraints = {}, children = [] }: ValidationError): string[] {
  return [...Object.values(constraints), ...children.flatMap(describeProblem)];
}
