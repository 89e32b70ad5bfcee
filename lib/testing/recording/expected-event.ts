import { didYouMean } from '../../shared/did-you-mean.js';
import { fieldMeant } from '../../shared/unknown-fields.js';
import { describe, isObject, quoteName } from '../../shared/untrusted-values.js';
import { type RecordedEvent } from './recording.js';

/**
 * Fields of an event, each a value or a matcher such as `expect.any(String)`. Objects must hold what is named and may hold more, as
 * in `toMatchObject`. What `capture` was given can be expected as it is: numbers as ids, Dates, and `undefined` for what is not there.
 */
export interface ExpectedFields {
  readonly distinctId?: string | number | AsymmetricMatcher;
  readonly properties?: Readonly<Record<string, unknown>> | AsymmetricMatcher;
  readonly groups?: Readonly<Record<string, unknown>> | AsymmetricMatcher;
  readonly timestamp?: string | Date | AsymmetricMatcher;
  readonly uuid?: string | AsymmetricMatcher;
}

/** What a test expects of an event: of some of its fields, or, by a matcher such as `expect.objectContaining(…)`, of the whole. */
export type ExpectedEvent = ExpectedFields | AsymmetricMatcher;

const FIELDS: readonly (keyof ExpectedFields)[] = ['distinctId', 'properties', 'groups', 'timestamp', 'uuid'];

/** Where an event is not as expected; nowhere when it is. */
export function differencesOf(recorded: RecordedEvent, expected: ExpectedEvent = {}): readonly Difference[] {
  return differencesBetween(recorded, asSent(expected));
}

/**
 * Refuses what no event can be compared with: a field that no event has would make every `.not` pass.
 *
 * @param asker who was given it, for the message
 * @throws TypeError
 */
export function checkExpected(asker: string, expected: unknown): void {
  if (expected === undefined || isAsymmetricMatcher(expected)) return;
  if (!isObject(expected)) {
    throw new TypeError(
      `${asker}: the expected event must be an object of ${FIELDS.join(', ')}, but it is ${describe(expected)}`,
    );
  }
  for (const name of Object.keys(expected)) {
    if ((FIELDS as readonly string[]).includes(name)) continue;
    const meant = fieldMeant(name, FIELDS);
    const remedy = meant === undefined ? 'properties of the event go into "properties"' : `did you mean "${meant}"?`;
    throw new TypeError(`${asker}: an event has no field ${quoteName(name)}: ${remedy}`);
  }
}

/** Ids are sent as text. */
function asSent(expected: ExpectedEvent): object {
  if (isAsymmetricMatcher(expected)) return expected;
  const { distinctId, groups } = expected;
  return {
    ...expected,
    ...(typeof distinctId === 'number' && { distinctId: String(distinctId) }),
    ...(isObject(groups) && !isAsymmetricMatcher(groups) && { groups: keysAsText(groups) }),
  };
}

function keysAsText(groups: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(groups).map(([type, key]) => [type, typeof key === 'number' ? String(key) : key]),
  );
}

/** What `expect.any(Number)`, `expect.objectContaining(…)` and the like are, in Jest, Vitest and elsewhere. */
export interface AsymmetricMatcher {
  asymmetricMatch(other: unknown): boolean;
  /** Its kind, such as `ObjectContaining`. */
  toString(): string;
}

/** One place where a value is not as expected. */
export interface Difference {
  /** `properties.items.0.price`; '' for the whole. */
  readonly path: string;
  /** undefined: nothing should be there. */
  readonly expected: unknown;
  /** undefined: nothing is there. */
  readonly received: unknown;
  /** A name that is there instead, and may be a typo. */
  readonly near?: string | undefined;
}

export const isAsymmetricMatcher = (value: unknown): value is AsymmetricMatcher =>
  typeof value === 'object' && value !== null && typeof Reflect.get(value, 'asymmetricMatch') === 'function';

/**
 * Compares a value of JSON with what is expected of it. Expected values are read as JSON would write them: what has a `toJSON`
 * speaks for itself, and `undefined` is what is not there.
 *
 * @param isExact whether objects may hold no more than is expected
 */
export function differencesBetween(received: unknown, expected: unknown, path = '', isExact = false): Difference[] {
  const different = [{ path, expected, received }];
  if (isAsymmetricMatcher(expected)) {
    return expected.asymmetricMatch(received) ? [] : (withinSample(received, expected, path) ?? different);
  }
  const written = asJson(expected);
  if (Array.isArray(written) && Array.isArray(received)) {
    if (written.length !== received.length) return different;
    return written.flatMap((item, index) => differencesBetween(received[index], item, join(path, index), isExact));
  }
  if (isObject(written) && isObject(received)) {
    const names = Object.keys(isExact ? { ...written, ...received } : written);
    return names.flatMap((name) => differenceOfField(received, written[name], name, path, isExact));
  }
  return written === received ? [] : different;
}

function differenceOfField(
  received: Readonly<Record<string, unknown>>,
  expected: unknown,
  name: string,
  path: string,
  isExact: boolean,
): Difference[] {
  const isThere = Object.hasOwn(received, name);
  const differences = differencesBetween(isThere ? received[name] : undefined, expected, join(path, name), isExact);
  const near = isThere ? undefined : didYouMean(name, Object.keys(received));
  return near === undefined ? differences : differences.map((difference) => ({ ...difference, near }));
}

/** Which fields `objectContaining` finds fault with; undefined where that cannot be said. */
function withinSample(received: unknown, expected: AsymmetricMatcher, path: string): Difference[] | undefined {
  const { sample, inverse } = expected as { sample?: unknown; inverse?: unknown } & AsymmetricMatcher;
  if (inverse === true || !isObject(sample) || !isObject(received) || expected.toString() !== 'ObjectContaining') {
    return undefined;
  }
  const differences = Object.keys(sample).flatMap((name) =>
    differenceOfField(received, sample[name], name, path, true),
  );
  return differences.length > 0 ? differences : undefined;
}

function asJson(value: unknown): unknown {
  const toJSON: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'toJSON') : undefined;
  return typeof toJSON === 'function' ? Reflect.apply(toJSON, value, ['']) : value;
}

const join = (path: string, name: string | number): string => (path === '' ? String(name) : `${path}.${name}`);
