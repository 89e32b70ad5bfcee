import { fieldMeant } from '../../shared/unknown-fields.js';
import { describe, isObject, quoteName } from '../../shared/untrusted-values.js';
import { differencesBetween, isAsymmetricMatcher, type AsymmetricMatcher, type Difference } from './differences.js';
import { type RecordedEvent } from './recorded-event.js';

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
