import { describe, expect, it } from '@jest/globals';
import { type CaptureEvent } from '../../../lib/capture/capture-event.js';
import { checkEvent } from '../../../lib/capture/input/check-event.js';
import { CaptureEventDto } from '../../../lib/capture/input/capture-event.dto.js';
import { EVENT_FIELDS, OPTION_FIELDS } from '../../../lib/capture/input/input-fields.js';
import { valuesOf } from '../../../lib/capture/input/read-input.js';
import { NO_WARNINGS, type SourceEvent } from '../../../lib/capture/input/source-event.js';

const UUID = '0190b5c7-6a2e-7cc3-9f5e-4d2a1b3c5d6e';
const NOTHING_SAID: SourceEvent = {
  event: 'e',
  distinctId: undefined,
  definition: undefined,
  properties: undefined,
  groups: undefined,
  flags: undefined,
  timestamp: undefined,
  uuid: undefined,
  dedupeKey: undefined,
  disableGeoip: undefined,
  switches: undefined,
  root: undefined,
  thrown: undefined,
  needsProfile: false,
  isBare: false,
};

function thrower(): never {
  throw new Error('secret');
}

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function sourceOf(input: unknown): SourceEvent {
  const checked = checkEvent(input);
  if (!checked.ok) throw new Error(checked.problem);
  return checked.source;
}

function problemOf(input: unknown): string {
  const checked = checkEvent(input);
  if (checked.ok) throw new Error('it was accepted');
  return checked.problem;
}

/** Values for each field: taken as (undefined: as if not given), or REFUSED. */
const REFUSED = Symbol('refused');
const circular: Record<string, unknown> = {};
circular.self = circular;
class Named {
  plan = 'pro';
}
const named = new Named();
const FLAG_VALUES = new Map<string, unknown>([
  ['a', true],
  ['b', 'blue'],
  ['c', false],
]);
const flagsOf = (values: Record<string, unknown>): object => ({
  keys: Object.keys(values),
  getFlag: (key: string) => values[key],
});
const bare = Object.assign(Object.create(null) as object, { a: 1 });

const FIELDS: Record<string, readonly (readonly [unknown, unknown])[]> = {
  event: [
    ['page_view', 'page_view'],
    ['$pageview', '$pageview'],
    [' padded ', ' padded '],
    ['x'.repeat(200), 'x'.repeat(200)],
    ['漢'.repeat(66), '漢'.repeat(66)],
    ['漢'.repeat(67), REFUSED],
    // Stored as U+FFFD, which has three bytes.
    [`n${'\0'.repeat(66)}`, `n${'\0'.repeat(66)}`],
    [`n${'\0'.repeat(67)}`, REFUSED],
    ['x'.repeat(201), REFUSED],
    ['', REFUSED],
    [' \n', REFUSED],
    [undefined, REFUSED],
    [null, REFUSED],
    [5, REFUSED],
    [Object('e'), REFUSED],
    [['e'], REFUSED],
  ],
  distinctId: [
    [undefined, undefined],
    [null, undefined],
    ['a', 'a'],
    [' a ', 'a'],
    [5, '5'],
    [5n, '5'],
    ['', REFUSED],
    ['  ', REFUSED],
    ['x'.repeat(201), REFUSED],
    ['a\0\ud800', 'a\ufffd\ufffd'],
    ['\0'.repeat(67), REFUSED],
    [10n ** 200n, REFUSED],
    [NaN, REFUSED],
    [true, REFUSED],
    [{}, REFUSED],
    [['a'], REFUSED],
    [Symbol('a'), REFUSED],
    [Object('a'), 'a'],
    [{ toHexString: () => 'ff' }, 'ff'],
  ],
  properties: [
    [undefined, undefined],
    [null, undefined],
    [circular, circular],
    [named, named],
    [bare, bare],
    [[], REFUSED],
    ['a', REFUSED],
    [5, REFUSED],
    [true, REFUSED],
    [thrower, REFUSED],
    [new Map(), REFUSED],
    [new Set(), REFUSED],
    [new Date(), REFUSED],
    [new Error('x'), REFUSED],
    [Promise.resolve(), REFUSED],
    [Buffer.from('x'), REFUSED],
    [Object('x'), REFUSED],
  ],
  groups: [
    [undefined, undefined],
    [null, undefined],
    [{}, {}],
    [
      { company: 'acme', team: 5 },
      { company: 'acme', team: '5' },
    ],
    [{ company: '' }, {}],
    [{ company: ' ' }, {}],
    [{ company: null }, {}],
    [{ company: undefined, team: 'a' }, { team: 'a' }],
    [{ company: NaN }, {}],
    [{ company: {} }, {}],
    [{ company: Object('acme') as unknown }, { company: 'acme' }],
    [{ ' ': 'acme' }, {}],
    [['acme'], REFUSED],
    ['acme', REFUSED],
    [new Map([['company', 'acme']]), REFUSED],
  ],
  flags: [
    [undefined, undefined],
    [null, undefined],
    [flagsOf({ a: true, b: 'blue', c: false }), FLAG_VALUES],
    [
      { ...flagsOf({ a: true, b: 'blue', c: false }), only: () => flagsOf({ a: true, b: 'blue', c: false }) },
      FLAG_VALUES,
    ],
    [{ keys: ['a'], value: () => true }, undefined],
    [flagsOf({}), new Map()],
    // Values that flags cannot have.
    [flagsOf({ a: 5, b: null, c: Promise.resolve(true), d: '', e: undefined }), new Map()],
    [{ keys: ['a', 5, null, ''], getFlag: () => true }, new Map([['a', true]])],
    [{ keys: ['a', 'b'], getFlag: (key: string) => (key === 'a' ? thrower() : true) }, new Map([['b', true]])],
    [{ keys: ['a'] }, undefined],
    [{ keys: 'a', getFlag: () => true }, undefined],
    [{ keys: new Array(10_001), getFlag: () => true }, undefined],
    [{ keys: ['a'], getFlag: () => true, only: thrower }, undefined],
    [{ keys: ['a'], getFlag: () => true, only: () => null }, undefined],
    ['a', undefined],
    [{ a: true }, undefined],
  ],
  timestamp: [
    [undefined, undefined],
    [null, undefined],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    ['2026-01-31T12:00:00.123456Z', '2026-01-31T12:00:00.123456Z'],
    ['2026-01-31T12:00:00+02:00', '2026-01-31T10:00:00.000Z'],
    [new Date(NaN), REFUSED],
    ['yesterday', REFUSED],
    ['', REFUSED],
    [0, REFUSED],
    [{}, REFUSED],
  ],
  uuid: [
    [undefined, undefined],
    [UUID, UUID],
    [UUID.toUpperCase(), UUID],
    ['not a uuid', undefined],
    [5, undefined],
  ],
  disableGeoip: [
    [undefined, undefined],
    [null, undefined],
    [true, true],
    [false, false],
    ['false', REFUSED],
    [0, REFUSED],
    [Object(true), REFUSED],
  ],
};
const ALL_OPTIONS = {
  cookielessMode: true,
  disableSkewCorrection: false,
  processPersonProfile: false,
  productTourId: 't',
};
const OPTIONS: readonly (readonly [unknown, unknown])[] = [
  [undefined, undefined],
  [null, undefined],
  [{}, {}],
  [{ cookielessMode: undefined, productTourId: null }, {}],
  [
    ALL_OPTIONS,
    { $cookieless_mode: true, $ignore_sent_at: false, $process_person_profile: false, $product_tour_id: 't' },
  ],
  [{ cookielessMode: 'true' }, REFUSED],
  [{ disableSkewCorrection: 1 }, REFUSED],
  [{ processPersonProfile: 'false' }, REFUSED],
  [{ productTourId: 5 }, REFUSED],
  [[], REFUSED],
  ['x', REFUSED],
  [5, REFUSED],
  [true, REFUSED],
];

const AT = '2026-01-31T12:00:00.000Z';
const DEDUPE_KEYS: readonly (readonly [unknown, unknown])[] = [
  [undefined, undefined],
  [null, undefined],
  [' evt_1 ', 'evt_1'],
  [5, '5'],
  [5n, '5'],
  ['x'.repeat(1000), 'x'.repeat(1000)],
  ['x'.repeat(1001), REFUSED],
  ['', REFUSED],
  [' ', REFUSED],
  [NaN, REFUSED],
  [true, REFUSED],
  [{}, REFUSED],
];

const CASES = Object.entries({ ...FIELDS, options: OPTIONS }).flatMap(([field, values]) =>
  values.map(([value, expected]) => ({ field, value, expected })),
);
const ignore = (): void => undefined;
const isValid = (input: Record<string, unknown>): boolean => 'values' in valuesOf(EVENT_FIELDS, input, ignore);
const inputWith = (field: string, value: unknown): Record<string, unknown> => ({ event: 'e', [field]: value });

describe('checkEvent', () => {
  it.each(DEDUPE_KEYS)('dedupeKey: %p, with a timestamp', (dedupeKey, expected) => {
    const input = { event: 'e', timestamp: AT, dedupeKey };
    expect(isValid(input)).toBe(expected !== REFUSED);
    if (expected === REFUSED) expect(problemOf(input)).toContain('dedupeKey must be a non-blank string');
    else expect(sourceOf(input)).toStrictEqual({ ...NOTHING_SAID, timestamp: AT, dedupeKey: expected });
  });

  it('refuses a dedupeKey without a timestamp, with the remedy', () => {
    expect(problemOf({ event: 'e', dedupeKey: 'evt_1' })).toBe(
      'dedupeKey needs a timestamp that is the same each time, such as the time that the webhook states: set timestamp',
    );
    expect(problemOf({ event: 'e', dedupeKey: 'evt_1', timestamp: 'soon' })).toMatch(/^timestamp must be/);
  });

  it.each(CASES)('$field: $value', ({ field, value, expected }) => {
    const input = inputWith(field, value);
    if (expected === REFUSED) {
      expect(problemOf(input)).toContain(field);
    } else {
      const taken = field === 'options' ? 'switches' : field;
      expect(sourceOf(input)).toStrictEqual({ ...NOTHING_SAID, [taken]: expected });
    }
  });

  it.each(CASES)('agrees with the table of rules on $field: $value', ({ field, value }) => {
    const isNested = field === 'options' && typeof value === 'object' && value !== null && !Array.isArray(value);
    const options = isNested ? (value as Record<string, unknown>) : {};
    const follows = isValid(inputWith(field, value)) && 'values' in valuesOf(OPTION_FIELDS, options, ignore);
    expect(checkEvent(inputWith(field, value)).ok).toBe(follows);
  });

  it('agrees with the table of rules on every mixture', () => {
    // A fixed sequence, so that a failure can be found again.
    let seed = 1;
    const pick = <T>(list: readonly T[]): T => {
      seed = (seed * 48271) % 2147483647;
      return list[seed % list.length]!;
    };
    let refused = 0;
    for (let round = 0; round < 3000; round += 1) {
      const input: Record<string, unknown> = {};
      for (const [field, values] of Object.entries(FIELDS)) input[field] = pick(values)[0];
      const checked = checkEvent(input);
      expect(checked.ok).toBe(isValid(input));
      if (!checked.ok) refused += 1;
    }
    expect(refused).toBeGreaterThan(100);
    expect(refused).toBeLessThan(3000);
  });

  it('explains every invalid field, showing only type and size of its value', () => {
    const input = {
      event: 'secret'.repeat(40),
      distinctId: { secret: 1 },
      properties: ['secret'],
      timestamp: 'secret',
    };
    expect(problemOf(input)).toBe(
      'event must be a non-blank string of at most 200 bytes, such as "order_placed", but it is a string of 240 bytes; ' +
        'distinctId must be a non-blank string or a finite number, at most 200 bytes long, but it is an object; ' +
        'properties must be an object, but it is an array; ' +
        'timestamp must be a valid Date, an ISO 8601 string such as 2026-01-31T12:00:00Z, or epoch seconds or milliseconds, but ' +
        'it is a string of 6 bytes',
    );
  });

  it('names the invalid group and the invalid option', () => {
    expect(checkEvent({ event: 'e', groups: { company: null } })).toMatchObject({
      warnings: [expect.stringMatching(/^group "company" was left out: .* but it is null$/)],
    });
    expect(problemOf({ event: 'e', options: { cookielessMode: 1 } })).toBe(
      'options.cookielessMode must be true or false, but it is a number',
    );
  });

  it.each<[string, Record<string, unknown>, string]>([
    ...['event', 'distinctId', 'properties', 'groups', 'timestamp', 'disableGeoip', 'options', 'dedupeKey'].map(
      (field): [string, Record<string, unknown>, string] => [
        `a getter of ${field}`,
        Object.defineProperty({ event: 'e' }, field, { get: thrower }),
        `${field} must `,
      ],
    ),
    ['properties that are revoked', { event: 'e', properties: revokedProxy() }, 'properties must '],
    ['groups that are revoked', { event: 'e', groups: revokedProxy() }, 'groups must '],
    ['groups that tell nothing', { event: 'e', groups: new Proxy({}, { ownKeys: thrower }) }, 'groups must '],
    ['options that are revoked', { event: 'e', options: revokedProxy() }, 'options must '],
    [
      'a getter of an option',
      { event: 'e', options: Object.defineProperty({}, 'productTourId', { get: thrower }) },
      'options.productTourId must ',
    ],
    ['an endless list of options', { event: 'e', options: new Array(2 ** 32 - 1) }, 'options must '],
  ])('names the field that cannot be read: %s', (_, input, named) => {
    expect(problemOf(input)).toMatch(new RegExp(`^${named}`));
  });

  it('accepts an event that cannot list its fields', () => {
    expect(checkEvent(new Proxy({ event: 'e' }, { ownKeys: thrower }))).toMatchObject({ ok: true, warnings: [] });
  });

  it.each([
    ['a getter', Object.defineProperty({ event: 'e' }, 'flags', { get: thrower })],
    ['a revoked proxy', { event: 'e', flags: revokedProxy() }],
    ['a revoked list of keys', { event: 'e', flags: { keys: revokedProxy(), getFlag: () => true } }],
  ])('flags that cannot be read are left out: %s', (_, input) => {
    expect(checkEvent(input)).toMatchObject({
      ok: true,
      source: { flags: undefined },
      warnings: [expect.stringMatching(/^flags must be the result of evaluateFlags\(\), .* it was left out$/)],
    });
  });

  it('a uuid that cannot be read is replaced', () => {
    const input = Object.defineProperty({ event: 'e' }, 'uuid', { get: thrower });
    expect(checkEvent(input)).toMatchObject({ ok: true, warnings: [expect.stringMatching(/^uuid /)] });
  });

  it('returns the name of a refused event', () => {
    expect(checkEvent({ event: 'e', distinctId: '' })).toMatchObject({ ok: false, event: 'e' });
  });

  const hostile = new Proxy({}, { get: thrower, ownKeys: thrower, has: thrower, getPrototypeOf: thrower });
  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'page_view'],
    ['a number', 5],
    ['a function', thrower],
    ['an array', [{ event: 'e' }]],
    ['a proxy that throws', hostile],
    ['a revoked proxy', revoked],
    [
      'a getter that throws',
      {
        get event() {
          return thrower();
        },
      },
    ],
    ['properties that are a revoked proxy', { event: 'e', properties: revoked }],
    ['groups that are a hostile proxy', { event: 'e', groups: hostile }],
    ['options that are a hostile proxy', { event: 'e', options: hostile }],
    ['a converter that throws', { toCaptureEvent: thrower }],
    ['a converter that gives nothing', { toCaptureEvent: () => undefined }],
  ])('refuses %s without throwing', (_, input) => {
    expect(checkEvent(input)).toEqual({
      ok: false,
      event: expect.any(String),
      problem: expect.not.stringContaining('secret'),
    });
  });

  it('reads each field once', () => {
    let reads = 0;
    const input = {
      get event() {
        reads += 1;
        return reads === 1 ? 'e' : 5;
      },
    };
    expect(sourceOf(input).event).toBe('e');
  });

  it('reads all fields again if one throws, and uses the second reading', () => {
    let reads = 0;
    const input = {
      get event() {
        reads += 1;
        return reads === 1 ? 5 : 'e';
      },
      get uuid(): string {
        throw new Error('secret');
      },
    };
    expect(sourceOf(input).event).toBe('e');
  });

  it('accepts properties with a getter that throws: they are read later', () => {
    expect(
      checkEvent({
        event: 'e',
        properties: {
          get plan() {
            return thrower();
          },
        },
      }).ok,
    ).toBe(true);
  });
});

describe('checkEvent warns', () => {
  it('of a uuid beside a dedupeKey, which determines it', () => {
    const input = { event: 'e', timestamp: AT, dedupeKey: 'evt_1', uuid: UUID };
    expect(warningsOf(input)).toEqual(['uuid was ignored, because dedupeKey determines it']);
  });

  const warningsOf = (input: unknown): readonly string[] => {
    const checked = checkEvent(input);
    return checked.ok ? checked.warnings : [checked.problem];
  };

  it('of nothing in the common case, without allocating an array', () => {
    expect(warningsOf({ event: 'e', distinctId: 'a', properties: {} })).toBe(NO_WARNINGS);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ['another name', { userId: 5 }, /"userId".*"distinctId"/],
    ['what belongs into properties', { plan: 'secret' }, /"plan".*"properties"/],
    ['an unknown option', { options: { cookieless_mode: true } }, /"options.cookieless_mode".*"cookielessMode"/],
    ['an invalid uuid', { uuid: 'secret' }, /^uuid /],
    ['an illegal distinct id', { distinctId: 'anonymous' }, /^distinctId /],
    ['an illegal distinct id in another spelling', { distinct_id: 'x', distinctId: 'null' }, /distinct_id|null/],
  ])('of %s', (_, fields, expected) => {
    const warnings = warningsOf({ event: 'e', ...fields });
    expect(warnings.join('\n')).toMatch(expected);
    expect(warnings.join()).not.toContain('secret');
  });

  it.each([
    [undefined, 'a'],
    [null, 'a'],
  ])('of distinct_id, and uses it if distinctId is %p', (distinctId, expected) => {
    const input = { event: 'e', distinctId, distinct_id: ' a ' };
    expect(sourceOf(input).distinctId).toBe(expected);
    expect(warningsOf(input)).toHaveLength(1);
    expect(warningsOf(input)[0]).toContain('distinct_id');
  });

  it('but ignores distinct_id beside distinctId, and an invalid one', () => {
    expect(sourceOf({ event: 'e', distinctId: 'a', distinct_id: 'b' }).distinctId).toBe('a');
    expect(sourceOf({ event: 'e', distinct_id: { a: 1 } }).distinctId).toBeUndefined();
  });

  it('not of the spelling of a CaptureEventDto', () => {
    const dto = Object.assign(new CaptureEventDto(), {
      event: 'e',
      distinct_id: 5,
      disable_geoip: false,
      options: { process_person_profile: false },
    });
    expect(warningsOf(dto)).toBe(NO_WARNINGS);
    expect(sourceOf(dto)).toStrictEqual({
      ...NOTHING_SAID,
      distinctId: '5',
      disableGeoip: false,
      switches: { $process_person_profile: false },
    });
  });
});

it('typed input needs no cast', () => {
  const event: CaptureEvent = { event: 'e', distinctId: 1, groups: { a: 1 }, timestamp: new Date(0) };
  expect(checkEvent(event).ok).toBe(true);
});
