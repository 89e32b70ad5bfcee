import { types } from 'node:util';
import fc from 'fast-check';
import { type CaptureService, type PostHogEvent } from 'nestjs-posthog-capture';
import { build, type Recipe, recipe } from './hostile-values.js';

/** An input of a call, field by field. Plain data, so that a failure can be printed and reproduced. */
export type Input = readonly (readonly [field: string, Recipe])[];

/** One call of a public method. */
export type Call =
  | { readonly method: 'good' }
  | { readonly method: 'odd'; readonly value: Recipe }
  | { readonly method: Method; readonly input: Recipe; readonly options: Recipe }
  | { readonly method: 'within'; readonly context: Recipe; readonly set: Recipe; readonly calls: readonly Call[] };

/** The public methods, including those of `context`. */
export const METHODS = [
  'capture',
  'captureNow',
  'identify',
  'alias',
  'groupIdentify',
  'setPersonProperties',
  'unsetPersonProperties',
  'captureException',
  'identifyNow',
  'captureExceptionNow',
  'step',
  'flush',
  'ready',
  'stats',
  'contextGet',
  'contextSet',
  'contextExport',
  'toggle',
] as const;
type Method = (typeof METHODS)[number];

const value = (plain: unknown): Recipe => ({ plain });
const oneOf = (...values: unknown[]): fc.Arbitrary<Recipe> => fc.constantFrom(...values).map(value);
const orOdd = (usual: fc.Arbitrary<Recipe>): fc.Arbitrary<Recipe> =>
  fc.oneof({ arbitrary: usual, weight: 4 }, { arbitrary: recipe, weight: 1 });

/** Values that PostHog accepts, and similar ones that it does not. */
interface Kind {
  readonly good: fc.Arbitrary<Recipe>;
  readonly any: fc.Arbitrary<Recipe>;
}
const kind = (good: readonly unknown[], bad: readonly unknown[]): Kind => ({
  good: oneOf(...good),
  any: orOdd(oneOf(...good, ...bad)),
});

const NAMES = kind(
  ['e', ' padded ', '$pageview', '$set', 'x'.repeat(200), `n${'\0'.repeat(60)}`, '\ud800', '\0'],
  [
    '$identify',
    '$create_alias',
    '$groupidentify',
    '$exception',
    '',
    ' \n',
    'x'.repeat(201),
    'é'.repeat(101),
    `n${'\0'.repeat(120)}`,
  ],
);
const IDS = kind(
  ['u', ' padded ', 5, 12n, 'null', '[object Object]', `i${'\0'.repeat(60)}`, '\udfff', 'é'.repeat(100)],
  ['', 'x'.repeat(201), `i${'\0'.repeat(120)}`, 10n ** 300n],
);
const TEXTS = kind(
  ['company', 'k'.repeat(61) + ' '.repeat(200), 'k'.repeat(400), '\0', '\ud800', '__proto__'],
  [' ', '', 'k'.repeat(401), 7, 10n ** 500n],
);
const TIMES = kind(
  [
    '2026-01-31',
    '2026-01-31T12:00:30.1234567890123+02:00',
    '2026-01-31T12:00:30.1234567890Z',
    '0000-01-01T00:00:00Z',
    new Date(0),
  ],
  [
    '0000-01-01T00:00:00+01:00',
    '+275760-09-13T00:00:00Z',
    'yesterday',
    new Date(8.64e15),
    new Date(-8.64e15),
    new Date(NaN),
  ],
);
const WRONG_UUIDS = orOdd(oneOf('none', 7, '0190b5c76a2e7cc39f5e4d2a1b3c5d6e'));
const UUIDS: Kind = {
  good: fc.constantFrom<Recipe>({ uuid: 'lower' }, { uuid: 'upper' }),
  any: fc.oneof(fc.constantFrom<Recipe>({ uuid: 'lower' }, { uuid: 'upper' }), WRONG_UUIDS),
};
const FLAGS = kind([true, false, null], ['true', 0]);
const MARKS = kind(['t'], [5]);

/** An object with some of these fields, in any shape, and optionally an unknown field. */
function objectOf(fields: Readonly<Record<string, fc.Arbitrary<Recipe>>>, mayStray = true): fc.Arbitrary<Recipe> {
  const some = Object.entries(fields).map(([name, arbitrary]) =>
    fc.option(
      arbitrary.map((made) => [name, made] as const),
      { freq: 2 },
    ),
  );
  const strays = fc.array(
    fc.tuple(fc.constantFrom('distinct_id', 'userId', '__proto__', 'toJSON', 'porperties'), recipe),
    { maxLength: mayStray ? 1 : 0 },
  );
  const shape = fc.constantFrom('plain', 'plain', 'frozen', 'without prototype', 'proxy', 'getters');
  return fc
    .tuple(fc.tuple(...some), strays, shape)
    .map(([given, others, as]) => ({ fields: [...given.filter((field) => field !== null), ...others], as }));
}

const switches = {
  $cookieless_mode: FLAGS.any,
  $ignore_sent_at: FLAGS.any,
  $process_person_profile: FLAGS.any,
  $product_tour_id: MARKS.any,
};
const bag = orOdd(objectOf({ a: recipe, '\ud800': recipe, '\0': recipe, toJSON: recipe }));
const PROPERTIES: Kind = {
  good: objectOf({
    ...switches,
    a: recipe,
    $set: bag,
    $set_once: bag,
    $unset: orOdd(oneOf(['a', '\0'], ['a', ''], new Array(3), 'a')),
    $groups: bag,
    $group_type: TEXTS.any,
    $group_key: TEXTS.any,
    $group_set: bag,
    $exception_steps: orOdd(oneOf([{ $message: 'm', $timestamp: 1 }], [{}], [], {})),
    $exception_list: orOdd(oneOf([{ type: 'E', value: 'v' }], [{ type: 'E' }], [], {})),
    $session_id: TEXTS.any,
    $geoip_disable: FLAGS.any,
    $lib: recipe,
    $lib_other: recipe,
    alias: IDS.any,
    distinct_id: IDS.any,
    toJSON: recipe,
  }),
  any: recipe,
};
const GROUPS: Kind = {
  good: objectOf({ company: TEXTS.good, '\0': TEXTS.good }, false),
  any: orOdd(objectOf({ company: TEXTS.any, ' ': TEXTS.any, toJSON: recipe })),
};
const optionsOf = (flag: fc.Arbitrary<Recipe>, mark: fc.Arbitrary<Recipe>): fc.Arbitrary<Recipe> =>
  objectOf({ cookielessMode: flag, disableSkewCorrection: flag, processPersonProfile: flag, productTourId: mark });
const OPTIONS: Kind = { good: optionsOf(FLAGS.good, MARKS.good), any: orOdd(optionsOf(FLAGS.any, MARKS.any)) };
const BAGS: Kind = { good: bag, any: recipe };

const goodOf = (fields: Readonly<Record<string, Kind>>): Record<string, fc.Arbitrary<Recipe>> =>
  Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, one.good]));

/** Mostly objects with at most one invalid field, because completely invalid ones are rejected on input. */
function inputOf(fields: Readonly<Record<string, Kind>>): fc.Arbitrary<Recipe> {
  const good = goodOf(fields);
  const any = Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, one.any]));
  const allButOne = fc
    .constantFrom(...Object.keys(fields))
    .chain((name) => objectOf({ ...good, [name]: any[name] ?? recipe }));
  return fc.oneof({ arbitrary: objectOf(good), weight: 3 }, { arbitrary: allButOne, weight: 4 }, objectOf(any), recipe);
}

const NAME_LISTS: Kind = { good: oneOf(['a', '\ud800'], ['$set']), any: orOdd(oneOf([], ['a', 5], ['a', ' '])) };

const event = inputOf({
  event: NAMES,
  distinctId: IDS,
  properties: PROPERTIES,
  groups: GROUPS,
  timestamp: TIMES,
  uuid: UUIDS,
  disableGeoip: FLAGS,
  options: OPTIONS,
  $set: BAGS,
  $set_once: BAGS,
  $unset: NAME_LISTS,
});
const details = { timestamp: TIMES, uuid: UUIDS, disableGeoip: FLAGS };
const person = { distinctId: IDS, set: BAGS, setOnce: BAGS, properties: PROPERTIES, ...details };
const INPUTS: Partial<Record<Method, fc.Arbitrary<Recipe>>> = {
  capture: fc.oneof({ arbitrary: event, weight: 9 }, objectOf({ toCaptureEvent: recipe })),
  captureNow: event,
  identify: inputOf({ ...person, anonDistinctId: IDS }),
  identifyNow: inputOf({ ...person, anonDistinctId: IDS }),
  alias: inputOf({ distinctId: IDS, alias: IDS, ...details }),
  groupIdentify: inputOf({ groupType: TEXTS, groupKey: TEXTS, set: BAGS, properties: PROPERTIES, distinctId: IDS }),
  setPersonProperties: inputOf(person),
  unsetPersonProperties: inputOf({ distinctId: IDS, unset: NAME_LISTS, properties: NAME_LISTS }),
  captureException: recipe,
  captureExceptionNow: recipe,
  step: orOdd(oneOf('loaded', '\ud800', ' ')),
};
const context = inputOf({
  distinctId: IDS,
  sessionId: TEXTS,
  groups: GROUPS,
  properties: PROPERTIES,
  optedOut: { good: oneOf(false), any: orOdd(oneOf(true)) },
});
const limits = orOdd(
  objectOf({ timeoutMs: orOdd(oneOf(1000, 0, -1, NaN, Infinity, '5')), signal: recipe, ...goodOf(person) }),
);

const call: fc.Arbitrary<Call> = fc.oneof(
  { arbitrary: fc.constant<Call>({ method: 'good' }), weight: 5 },
  { arbitrary: recipe.map((made): Call => ({ method: 'odd', value: made })), weight: 5 },
  ...METHODS.map((method) => ({
    arbitrary: fc
      .record({ input: orOdd(INPUTS[method] ?? limits), options: limits })
      .map((made): Call => ({ method, ...made })),
    weight: method.startsWith('capture') ? 4 : 2,
  })),
);

/** Calls of all public methods with arbitrary inputs, and valid events between them. */
export const calls: fc.Arbitrary<readonly Call[]> = fc.array(
  fc.oneof(
    { arbitrary: call, weight: 6 },
    {
      arbitrary: fc
        .record({ context, set: context, calls: fc.array(call, { minLength: 1, maxLength: 4 }) })
        .map((made): Call => ({ method: 'within', ...made })),
      weight: 1,
    },
  ),
  { minLength: 8, maxLength: 24 },
);

/** A beforeSend callback. */
export type Filter =
  | { readonly does: 'answer'; readonly answer: Recipe }
  | { readonly does: 'change'; readonly changes: Recipe; readonly as: 'copy' | 'itself' | 'proxy' | 'getters' }
  | { readonly does: 'throw' | 'reject' | 'remove' };

const changes = objectOf({
  event: NAMES.any,
  distinct_id: IDS.any,
  timestamp: TIMES.any,
  // A valid uuid would be shared by all events.
  uuid: WRONG_UUIDS,
  properties: orOdd(PROPERTIES.good),
  $set: bag,
});

/** Callbacks that misbehave. */
export const filters: fc.Arbitrary<readonly Filter[]> = fc.array(
  fc.oneof(
    recipe.map((answer): Filter => ({ does: 'answer', answer })),
    {
      arbitrary: fc
        .record({ changes, as: fc.constantFrom('copy', 'itself', 'proxy', 'getters') })
        .map((made): Filter => ({ does: 'change', ...made })),
      weight: 6,
    },
    fc.constantFrom('throw', 'reject', 'remove').map((does): Filter => ({ does })),
  ),
  { minLength: 1, maxLength: 3 },
);

export const superProperties: fc.Arbitrary<Recipe> = objectOf({
  a: recipe,
  ...switches,
  $set: bag,
  $groups: bag,
  $lib: recipe,
  toJSON: recipe,
});

export function applyFilter(filter: Filter, event: PostHogEvent): unknown {
  switch (filter.does) {
    case 'answer':
      return build(filter.answer);
    case 'throw':
      throw new Error('hostile');
    case 'reject':
      return Promise.reject(new Error('hostile'));
    case 'remove':
      return {};
    case 'change': {
      const given = build(filter.changes) as object;
      if (filter.as === 'itself') return Object.assign(event, given);
      const changed = { ...event, ...given };
      if (filter.as === 'copy') return changed;
      if (filter.as === 'proxy') return new Proxy(changed, {});
      const getters = Object.entries(changed).map(([name, held]) => [name, { get: () => held, enumerable: true }]);
      return Object.defineProperties({}, Object.fromEntries(getters) as PropertyDescriptorMap);
    }
  }
}

export function perform(capture: CaptureService, method: Method, input: unknown, limit: unknown): unknown {
  const { context } = capture;
  const special: Partial<Record<Method, () => unknown>> = {
    contextGet: () => context.get(),
    contextSet: () => context.set(input as object),
    contextExport: () => JSON.stringify(context.export()),
    toggle: () => {
      capture.disable();
      const uuid = perform(capture, 'capture', input, limit);
      capture.enable();
      return uuid;
    },
  };
  const service = capture as unknown as Record<string, (...given: unknown[]) => unknown>;
  return (special[method] ?? service[method]?.bind(service, input, limit))?.();
}

/** The state of a value that can be inspected without side effects: getters are not called, proxies not accessed. */
export function fingerprint(seen: unknown, depth = 4): unknown[] {
  if (typeof seen !== 'object' || seen === null || depth === 0) return [seen];
  if (types.isProxy(seen) || ArrayBuffer.isView(seen)) return [seen];
  // V8 creates the stack of an error lazily and reads its name; Node stores the async context in a promise.
  if (types.isNativeError(seen) || types.isPromise(seen)) return [seen];
  const parts: unknown[] = [seen, Object.getPrototypeOf(seen), Object.isExtensible(seen)];
  for (const name of Reflect.ownKeys(seen)) {
    const property: PropertyDescriptor = Object.getOwnPropertyDescriptor(seen, name) ?? {};
    parts.push(name, property.get, property.writable, ...fingerprint(property.value, depth - 1));
  }
  return parts;
}

export const same = (before: readonly unknown[], after: readonly unknown[]): boolean =>
  before.length === after.length && before.every((part, index) => Object.is(part, after[index]));
