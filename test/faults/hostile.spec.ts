import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  CaptureResult,
  type CaptureService,
  type PostHogCaptureModuleOptions,
  type PostHogEvent,
} from 'nestjs-posthog-capture';
import { closeAll, expectBalanced, type Harness, start } from '../support/harness.js';
import {
  applyFilter,
  type Call,
  calls,
  type Filter,
  filters,
  fingerprint,
  METHODS,
  perform,
  same,
  superProperties,
} from '../support/hostile-calls.js';
import { build, matches, MONSTERS, NOTHING, type Recipe, revoked, written } from '../support/hostile-values.js';

/** Sequences of calls per configuration. For more or other ones: HOSTILE_RUNS=5000 HOSTILE_SEED=7 npm test -- hostile */
const RUNS = Number(process.env.HOSTILE_RUNS ?? 30);
const SEED = Number(process.env.HOSTILE_SEED ?? 1);
/** Time to find the smallest failing sequence. */
const TIMEOUT_MS = 60_000 + RUNS * 1000;
/** The fields of all inputs. */
const FIELDS = [
  'event',
  'distinctId',
  'properties',
  'groups',
  'timestamp',
  'uuid',
  'disableGeoip',
  'options',
  'set',
  'setOnce',
  'unset',
  'propertiesOnce',
  '$set',
  '$set_once',
  '$unset',
  'alias',
  'anonDistinctId',
  'groupType',
  'groupKey',
];
/** Maximum CPU time of a single call. */
const MAX_CALL_MS = 3000;

const PROTOTYPES = [
  Object,
  Array,
  Function,
  String,
  Number,
  Boolean,
  BigInt,
  Symbol,
  Date,
  RegExp,
  Error,
  Map,
  Set,
  Promise,
];
const prototypes = (): unknown[] => PROTOTYPES.flatMap((one) => fingerprint(one.prototype, 1));
const untouched = prototypes();

/** Fields that a drop detail may name. */
const NAMED =
  /event|distinctId|distinct_id|alias|properties|property|groups|groupType|groupKey|timestamp|options|disableGeoip|set|unset|anonDistinctId|input|toCaptureEvent|field|\$\w+/;

/** The captured events and those that must have arrived. */
class Expectations {
  readonly uuids: string[] = [];
  readonly good: number[] = [];
  readonly odd: { readonly uuid: string; readonly value: Recipe }[] = [];
  readonly waits: Promise<unknown>[] = [];
}

/** Makes the calls. Fails if a call throws, returns an invalid value or changes its arguments. */
function make(capture: CaptureService, all: readonly Call[], expectations: Expectations): void {
  const { good, odd } = expectations;
  for (const call of all) {
    if (call.method === 'good') {
      const index = good.length;
      const properties = { index, note: 'é🦔' };
      if (capture.capture({ event: 'good', distinctId: 'good', properties }) !== null) good.push(index);
    } else if (call.method === 'odd') {
      const properties = { kept: true, value: build(call.value) };
      const uuid = capture.capture({ event: 'odd', distinctId: 'odd', properties });
      if (uuid !== null) odd.push({ uuid, value: call.value });
    } else if (call.method === 'within') {
      makeWithin(capture, call, expectations);
    } else {
      makeOne(capture, call, expectations);
    }
  }
}

function makeWithin(
  capture: CaptureService,
  { context, set, calls: inner }: Extract<Call, { method: 'within' }>,
  expectations: Expectations,
): void {
  const given = build(context);
  const before = fingerprint(given);
  const answer = capture.withContext(given as object, () => {
    make(capture, inner, expectations);
    capture.context.set(build(set) as object);
    make(capture, inner, expectations);
    return 'theirs';
  });
  expect(answer).toBe('theirs');
  expect(same(before, fingerprint(given))).toBe(true);
}

function makeOne(
  capture: CaptureService,
  call: Extract<Call, { input: Recipe }>,
  { uuids, waits }: Expectations,
): void {
  const input = build(call.input);
  const options = build(call.options);
  const before = [...fingerprint(input), ...fingerprint(options)];
  const answer = perform(capture, call.method, input, options);
  expect(same(before, [...fingerprint(input), ...fingerprint(options)])).toBe(true);
  if (call.method.endsWith('Now')) {
    waits.push(
      (answer as Promise<CaptureResult>).then((result) => {
        expect(result).toBeInstanceOf(CaptureResult);
        if (result.success) uuids.push(result.uuid ?? 'none');
        else expect(result.error).toMatch(/^(Invalid event|Event dropped|PostHog request (timed out|aborted))/);
      }),
    );
  } else if (answer instanceof Promise) {
    waits.push(answer);
  } else if (typeof answer === 'string' && call.method !== 'contextExport') {
    expect(answer).toMatch(/^[\da-f-]{36}$/);
    uuids.push(answer);
  }
}

/** Expectations after each sequence of calls. */
async function expectHarmless(
  { capture, posthog, drops }: Harness,
  { uuids, good, odd, waits }: Expectations,
): Promise<void> {
  await Promise.all(waits);
  expect(await capture.flush()).toMatchObject({ pending: 0, dropped: {} });
  expect(posthog.violations).toEqual([]);
  expect(posthog.requests.filter(({ status, aborted }) => status !== 200 && !aborted)).toEqual([]);

  const arrived = new Map(posthog.events.map((event) => [event.uuid, event]));
  expect(uuids.filter((uuid) => !arrived.has(uuid))).toEqual([]);
  const ofGood = posthog.events.filter(({ event }) => event === 'good').map(({ properties }) => properties);
  expect(ofGood).toEqual(good.map((index) => expect.objectContaining({ index, note: 'é🦔' })));
  for (const { uuid, value } of odd) {
    const { properties } = arrived.get(uuid)!;
    expect(properties.kept).toBe(true);
    const expected = written(value);
    const actual = Object.hasOwn(properties, 'value') ? properties.value : NOTHING;
    if (!matches(actual, expected)) expect({ value, arrived: actual }).toEqual({ value, arrived: expected });
  }

  expectBalanced(capture);
  for (const { reason, detail } of drops) {
    expect(detail).not.toBe('');
    if (reason === 'invalid') expect(detail).toMatch(NAMED);
    expect(detail).not.toBe('the event could not be read');
  }
  expect(same(prototypes(), untouched)).toBe(true);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
}

/** Resets the state of earlier sequences. */
function forget({ posthog, drops }: Harness): void {
  posthog.clear();
  drops.length = 0;
}

const CONFIGURATIONS: PostHogCaptureModuleOptions[] = [
  { captureMode: 'v0', compression: 'gzip' },
  { captureMode: 'v0', compression: 'none', beforeSend: (event) => event },
  { captureMode: 'v1', compression: 'none' },
  { captureMode: 'v1', compression: 'gzip', beforeSend: [(event) => ({ ...event }), (event) => event] },
];

describe.each(CONFIGURATIONS)('$captureMode, $compression', (configuration) => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await start(configuration);
  });
  afterAll(closeAll);

  it(
    'no call throws, PostHog refuses nothing, and valid events arrive complete and in order',
    async () => {
      await fc.assert(
        fc.asyncProperty(calls, async (all) => {
          forget(harness);
          const expectations = new Expectations();
          make(harness.capture, all, expectations);
          await expectHarmless(harness, expectations);
        }),
        { numRuns: RUNS, seed: SEED, endOnFailure: true },
      );
    },
    TIMEOUT_MS,
  );
});

it(
  'failing callbacks and loggers affect neither the caller nor PostHog',
  async () => {
    await fc.assert(
      fc.asyncProperty(filters, superProperties, calls, async (hostile, shared, all) => {
        const harness = await startHostile(hostile, build(shared) as Record<string, unknown>);
        const expectations = new Expectations();
        make(harness.capture, all, expectations);
        // The filters may have dropped some.
        expectations.odd.length = 0;
        await expectHarmless(harness, expectations);
        await closeAll();
      }),
      { numRuns: RUNS, seed: SEED },
    );
  },
  TIMEOUT_MS,
);

/** Filters that keep valid events, and callbacks and a logger that fail in every way. */
async function startHostile(hostile: readonly Filter[], shared: Record<string, unknown>): Promise<Harness> {
  let turn = 0;
  const fail = (): unknown => {
    turn += 1;
    if (turn % 3 === 0) return Promise.reject(new Error('hostile'));
    if (turn % 3 === 1) return revoked();
    throw new Error('hostile');
  };
  const drops: Harness['drops'] = [];
  const harness = await start({
    captureMode: hostile.length % 2 === 0 ? 'v0' : 'v1',
    superProperties: shared,
    beforeSend: hostile.map(
      (filter) => (event) => (event.event === 'good' ? event : (applyFilter(filter, event) as PostHogEvent)),
    ),
    logger: { log: fail, warn: fail, error: fail, debug: fail },
    onDelivery: fail,
    onDrop: (drop) => {
      drops.push(drop);
      // A callback may capture as well; drops of these events are not reported.
      harness.capture.capture({ event: '' });
      return fail();
    },
  });
  return { ...harness, drops };
}

describe('endless and huge values', () => {
  let harness: Harness;
  beforeAll(async () => {
    // The work per event is bounded by its size, so a smaller limit only shortens the test.
    harness = await start({ captureMode: 'v1', maxEventBytes: 50_000 });
  });
  afterAll(closeAll);

  it.each(Object.keys(MONSTERS))(
    '%s blocks no method and is never sent',
    async (name) => {
      forget(harness);
      const { capture, posthog } = harness;
      const monster = MONSTERS[name]!();
      const event = { event: 'e', distinctId: 'm' };
      const everywhere = Object.fromEntries(FIELDS.map((field) => [field, monster]));
      const inputs: readonly (readonly [method: (typeof METHODS)[number], input: unknown, options?: unknown])[] = [
        ['capture', monster],
        ['capture', { ...event, properties: monster }],
        ['capture', { ...event, properties: { monster } }],
        [
          'capture',
          { ...event, groups: { monster }, properties: { $set: monster, $unset: monster, $groups: monster } },
        ],
        ['capture', { ...event, event: '$exception', properties: { $exception_list: monster } }],
        ['captureNow', { ...event, properties: { monster } }, { timeoutMs: monster, signal: monster }],
        ['contextSet', { properties: { monster } }],
        ['captureException', monster, { properties: { monster } }],
        ['captureException', new Error('e', { cause: monster }), monster],
        ...METHODS.map((method) => [method, { ...everywhere, event: 'e', distinctId: 'm' }, monster] as const),
        ...METHODS.map((method) => [method, everywhere] as const),
      ];
      const slow: string[] = [];
      const expectations = new Expectations();
      const timed = (what: string, call: () => unknown): void => {
        const before = process.cpuUsage();
        const answer = call();
        const ms = process.cpuUsage(before).user / 1000;
        if (ms > MAX_CALL_MS) slow.push(`${what}: ${ms} ms`);
        if (answer instanceof Promise) expectations.waits.push(answer);
      };
      for (const [index, [method, input, options]] of inputs.entries()) {
        timed(`${method} (${index})`, () => perform(capture, method, input, options));
        make(capture, [{ method: 'good' }], expectations);
      }
      timed('withContext', () =>
        capture.withContext({ properties: { monster }, groups: everywhere as never }, () => capture.context.export()),
      );
      expect(slow).toEqual([]);
      await expectHarmless(harness, expectations);
      expect(posthog.events.filter(({ event: sent }) => sent === 'good')).toHaveLength(inputs.length);
    },
    60_000,
  );
});
