import { didYouMean } from '../../shared/did-you-mean.js';
import { fieldMeant } from '../../shared/unknown-fields.js';
import { describe, isObject, quoteName } from '../../shared/untrusted-values.js';
import { type RecordedEvent } from './recording.js';

/**
 * Expected fields of an event, each a value or a matcher such as `expect.any(String)`. As with `toMatchObject`, objects must contain
 * the listed keys and may contain others; arrays must be complete. Values may be those that were passed to `capture`: numbers as ids,
 * and Dates. `undefined` means that the property is absent.
 *
 * ```ts
 * expect(recorder).toHaveCaptured('purchase_completed', { distinctId: 'user_1', properties: { price: 99.99, coupon: undefined } });
 * ```
 */
export interface ExpectedFields {
  readonly distinctId?: string | number | AsymmetricMatcher;
  readonly properties?: Readonly<Record<string, unknown>> | AsymmetricMatcher;
  readonly groups?: Readonly<Record<string, unknown>> | AsymmetricMatcher;
  readonly timestamp?: string | Date | AsymmetricMatcher;
  readonly uuid?: string | AsymmetricMatcher;
}

/** Expected fields of an event, or a matcher for the whole event such as `expect.objectContaining(…)`. */
export type ExpectedEvent = ExpectedFields | AsymmetricMatcher;

const FIELDS: readonly (keyof ExpectedFields)[] = ['distinctId', 'properties', 'groups', 'timestamp', 'uuid'];

export function differencesOf(recorded: RecordedEvent, expected: ExpectedEvent = {}): readonly Difference[] {
  return differencesBetween(recorded, withStringIds(expected));
}

/**
 * Rejects unknown fields, which would make every `.not` pass.
 *
 * @param caller the name that the error message starts with
 * @throws TypeError
 */
export function checkExpected(caller: string, expected: unknown): void {
  if (expected === undefined || isAsymmetricMatcher(expected)) return;
  if (!isObject(expected)) {
    throw new TypeError(
      `${caller}: the expected event must be an object with any of ${FIELDS.join(', ')}, but it is ${describe(expected)}`,
    );
  }
  for (const name of Object.keys(expected)) {
    if ((FIELDS as readonly string[]).includes(name)) continue;
    const meant = fieldMeant(name, FIELDS);
    const remedy = meant === undefined ? 'properties of the event belong in "properties"' : `did you mean "${meant}"?`;
    throw new TypeError(`${caller}: an event has no field ${quoteName(name)}: ${remedy}`);
  }
}

/** Ids are sent as strings. */
function withStringIds(expected: ExpectedEvent): object {
  if (isAsymmetricMatcher(expected)) return expected;
  const { distinctId, groups } = expected;
  return {
    ...expected,
    ...(typeof distinctId === 'number' && { distinctId: String(distinctId) }),
    ...(isObject(groups) && !isAsymmetricMatcher(groups) && { groups: keysAsStrings(groups) }),
  };
}

function keysAsStrings(groups: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(groups).map(([type, key]) => [type, typeof key === 'number' ? String(key) : key]),
  );
}

/** An asymmetric matcher of Jest or Vitest, such as `expect.any(Number)`. */
export interface AsymmetricMatcher {
  /** Called with the captured value. */
  asymmetricMatch(other: unknown): boolean;
  /** The kind of matcher, e.g. `ObjectContaining`. */
  toString(): string;
}

export interface Difference {
  /** For example `properties.items.0.price`; '' for the whole event. */
  readonly path: string;
  /** undefined: the property should be absent. */
  readonly expected: unknown;
  /** undefined: the property is absent. */
  readonly received: unknown;
  /** A similar name that the event has, if the property is absent. */
  readonly near?: string | undefined;
}

export const isAsymmetricMatcher = (value: unknown): value is AsymmetricMatcher =>
  typeof value === 'object' && value !== null && typeof Reflect.get(value, 'asymmetricMatch') === 'function';

/**
 * Compares a JSON value with an expected value, which is converted with its `toJSON` first.
 *
 * @param isExact true: objects must not contain other keys
 */
export function differencesBetween(received: unknown, expected: unknown, path = '', isExact = false): Difference[] {
  const different = [{ path, expected, received }];
  if (isAsymmetricMatcher(expected)) {
    return expected.asymmetricMatch(received) ? [] : (differencesInSample(received, expected, path) ?? different);
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

/** The fields in which an `objectContaining` differs; undefined for other matchers. */
function differencesInSample(received: unknown, expected: AsymmetricMatcher, path: string): Difference[] | undefined {
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
