import { types } from 'node:util';
import fc from 'fast-check';
import { type CaptureService, type PostHogEvent } from 'nestjs-posthog-capture';
import { build, type Recipe, recipe } from './hostile-values.js';

/** An input of a call, field by field; plain data, so that a failure can be printed and found again. */
export type Input = readonly (readonly [field: string, Recipe])[];

/** One call of a public method. */
export type Call =
  | { readonly method: 'good' }
  | { readonly method: 'odd'; readonly value: Recipe }
  | { readonly method: Method; readonly input: Recipe; readonly options: Recipe }
  | { readonly method: 'within'; readonly context: Recipe; readonly set: Recipe; readonly calls: readonly Call[] };

/** The public methods, and what `context` has. */
export const METHODS = [
  'capture',
  'captureNow',
  'identify',
  'alias',
  'groupIdentify',
  'setPersonProperties',
  'unsetPersonProperties',
  'captureException',
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

const NAMES = ['e', ' padded ', '$pageview', '$set', '$identify', '$create_alias', '$groupidentify', '$exception'];
const BAD_NAMES = [
  '',
  ' \n',
  'x'.repeat(200),
  'x'.repeat(201),
  'é'.repeat(101),
  `n${'\0'.repeat(120)}`,
  '\ud800',
  '\0',
];
const names = oneOf(...NAMES, ...NAMES, ...BAD_NAMES);
const ids = oneOf(
  'u',
  'v',
  ' padded ',
  5,
  12n,
  'null',
  '[object Object]',
  '',
  'x'.repeat(201),
  `i${'\0'.repeat(120)}`,
  '\udfff',
  'é'.repeat(100),
  10n ** 300n,
);
const texts = oneOf(
  'company',
  'acme',
  ' ',
  'k'.repeat(61) + ' '.repeat(200),
  'k'.repeat(400),
  'k'.repeat(401),
  '\0',
  '\ud800',
  7,
);
const times = oneOf(
  '2026-01-31',
  '2026-01-31T12:00:30.1234567890123+02:00',
  '0000-01-01T00:00:00+01:00',
  '+275760-09-13T00:00:00Z',
  'yesterday',
  new Date(0),
  new Date(8.64e15),
  new Date(-8.64e15),
  new Date(NaN),
);
const wrongUuids = oneOf('none', 7, '0190b5c76a2e7cc39f5e4d2a1b3c5d6e');
const uuids = fc.oneof(
  wrongUuids,
  fc.uuid().map(value),
  fc.uuid().map((uuid) => value(uuid.toUpperCase())),
);
const flags = oneOf(true, false, null, 'true', 0);

/** An object of some of these fields, in any shape. */
function objectOf(fields: Readonly<Record<string, fc.Arbitrary<Recipe>>>): fc.Arbitrary<Recipe> {
  const some = Object.entries(fields).map(([name, arbitrary]) =>
    fc.option(
      arbitrary.map((made) => [name, made] as const),
      { freq: 2 },
    ),
  );
  const strays = fc.array(
    fc.tuple(fc.constantFrom('distinct_id', 'userId', '__proto__', 'toJSON', 'porperties'), recipe),
    { maxLength: 1 },
  );
  const shape = fc.constantFrom('plain', 'plain', 'frozen', 'without prototype', 'proxy', 'getters');
  return fc
    .tuple(fc.tuple(...some), strays, shape)
    .map(([given, others, as]) => ({ fields: [...given.filter((field) => field !== null), ...others], as }));
}

const switches = {
  $cookieless_mode: orOdd(flags),
  $ignore_sent_at: orOdd(flags),
  $process_person_profile: orOdd(flags),
  $product_tour_id: orOdd(oneOf('t', 5)),
};
const bag = orOdd(objectOf({ a: recipe, '\ud800': recipe, '\0': recipe, toJSON: recipe }));
const properties = orOdd(
  objectOf({
    ...switches,
    a: recipe,
    $set: bag,
    $set_once: bag,
    $unset: orOdd(oneOf(['a', '\0'], ['a', ''], new Array(3), 'a')),
    $groups: bag,
    $group_type: orOdd(texts),
    $group_key: orOdd(texts),
    $group_set: bag,
    $exception_list: orOdd(oneOf([{ type: 'E', value: 'v' }], [{ type: 'E' }], [], {})),
    $session_id: orOdd(texts),
    $geoip_disable: orOdd(flags),
    $lib: recipe,
    $lib_other: recipe,
    alias: orOdd(ids),
    distinct_id: orOdd(ids),
    toJSON: recipe,
  }),
);
const groups = orOdd(objectOf({ company: orOdd(texts), ' ': orOdd(texts), '\0': orOdd(texts), toJSON: recipe }));
const options = orOdd(
  objectOf({
    cookielessMode: orOdd(flags),
    disableSkewCorrection: orOdd(flags),
    processPersonProfile: orOdd(flags),
    productTourId: orOdd(oneOf('t', 5)),
  }),
);

const event = objectOf({
  event: orOdd(names),
  distinctId: orOdd(ids),
  properties,
  groups,
  timestamp: orOdd(times),
  uuid: orOdd(uuids),
  disableGeoip: orOdd(flags),
  options,
  toCaptureEvent: recipe,
});
const person = { distinctId: orOdd(ids), set: bag, setOnce: bag, properties };
const INPUTS: Partial<Record<Method, fc.Arbitrary<Recipe>>> = {
  capture: event,
  captureNow: event,
  identify: objectOf({ ...person, anonDistinctId: orOdd(ids) }),
  alias: objectOf({ distinctId: orOdd(ids), alias: orOdd(ids) }),
  groupIdentify: objectOf({
    groupType: orOdd(texts),
    groupKey: orOdd(texts),
    set: bag,
    properties,
    distinctId: orOdd(ids),
  }),
  setPersonProperties: objectOf(person),
  unsetPersonProperties: objectOf({
    distinctId: orOdd(ids),
    unset: orOdd(oneOf(['a', '\ud800'], [], ['a', 5])),
    properties: recipe,
  }),
  captureException: recipe,
};
const context = orOdd(
  objectOf({
    distinctId: orOdd(ids),
    sessionId: orOdd(texts),
    groups,
    properties,
    optedOut: orOdd(fc.constant(value(true))),
  }),
);
const limits = orOdd(objectOf({ timeoutMs: orOdd(oneOf(1000, 0, -1, NaN, Infinity, '5')), signal: recipe, ...person }));

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

/** Calls of all public methods, with inputs of every kind, and good events between them. */
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

/** What a beforeSend makes of an event. */
export type Filter =
  | { readonly does: 'answer'; readonly answer: Recipe }
  | { readonly does: 'change'; readonly changes: Recipe; readonly as: 'copy' | 'itself' | 'proxy' | 'getters' }
  | { readonly does: 'throw' | 'reject' | 'remove' };

const changes = objectOf({
  event: orOdd(names),
  distinct_id: orOdd(ids),
  timestamp: orOdd(times),
  // One that is good would be that of all events.
  uuid: orOdd(wrongUuids),
  properties,
  $set: bag,
});

/** Filters that do anything but what they should. */
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

/** Properties that an application gives all its events. */
export const superProperties: fc.Arbitrary<Recipe> = objectOf({
  a: recipe,
  ...switches,
  $set: bag,
  $groups: bag,
  $lib: recipe,
  toJSON: recipe,
});

/** Does what a filter does to an event, in the ways that JavaScript has for it. */
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

/** Makes the call of a method with whatever it is given. */
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

/** All that can be seen of a value without reading it: a getter is not called, a proxy not touched. */
export function fingerprint(seen: unknown, depth = 4): unknown[] {
  if (typeof seen !== 'object' || seen === null || depth === 0) return [seen];
  if (types.isProxy(seen) || ArrayBuffer.isView(seen)) return [seen];
  // V8 writes the stack of an error when it is looked at, and asks the error for its name; Node keeps the context in a promise.
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
