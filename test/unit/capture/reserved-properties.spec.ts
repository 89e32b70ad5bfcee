import { describe, expect, it } from '@jest/globals';
import { correctReserved, requiredProblem } from '../../../lib/capture/input/reserved-properties.js';
import { doubling, revoked, spiteful } from '../../support/hostile-values.js';

const MAX_BYTES = 10_000;

function correct(properties: Record<string, unknown>): { kept: Record<string, unknown>; warnings: string[] } {
  const warnings: string[] = [];
  const kept = { other: 1, ...properties };
  correctReserved(kept, { maxEventBytes: MAX_BYTES }, (warning) => warnings.push(warning));
  const { other, ...rest } = kept;
  expect(other).toBe(1);
  return { kept: rest, warnings };
}

const OBJECTS = ['$set', '$set_once', '$group_set'];
const SWITCHES = ['$cookieless_mode', '$ignore_sent_at', '$process_person_profile'];

describe('correctReserved', () => {
  const objects: [string, unknown, unknown][] = [
    ['an object', { a: 1 }, { a: 1 }],
    ['an empty one', {}, {}],
    [
      'an instance',
      new (class Plan {
        name = 'pro';
      })(),
      { name: 'pro' },
    ],
    ['a Map', new Map([['a', 1n]]), { a: '1' }],
    ['what toJSON makes an object', { toJSON: () => ({ a: 1 }) }, { a: 1 }],
    ['a proxy', new Proxy({ a: 1 }, {}), { a: 1 }],
    ['NUL and halves of pairs', { 'a\0': '\ud800' }, { 'a\ufffd': '\ufffd' }],
  ];
  const switches: [string, unknown, unknown][] = [
    ['true', true, true],
    ['false', false, false],
  ];

  it.each([
    ...OBJECTS.flatMap((name) => objects.map((row) => [name, ...row] as const)),
    ...SWITCHES.flatMap((name) => switches.map((row) => [name, ...row] as const)),
    ['$product_tour_id', 'a string', 't', 't'] as const,
    ['$groups', 'keys', { a: 'x', b: 7 }, { a: 'x', b: '7' }] as const,
    ['$groups', 'a Map', new Map([['a', 1n]]), { a: '1' }] as const,
    ['$groups', 'what toJSON makes an object', { toJSON: () => ({ a: 1 }) }, { a: '1' }] as const,
    ['$unset', 'names', ['a', '\0'], ['a', '\0']] as const,
    ['$unset', 'no names', [], []] as const,
    ['$group_type', 'a string', 'company', 'company'] as const,
    ['$group_key', 'a string', 'acme', 'acme'] as const,
    ['$group_key', 'a number', 7, '7'] as const,
    ['$group_key', '400 characters', 'k'.repeat(400), 'k'.repeat(400)] as const,
  ])('%s: accepts %s', (name, _, value, expected) => {
    expect(correct({ [name]: value })).toEqual({ kept: { [name]: expected }, warnings: [] });
  });

  const noObjects = [
    null,
    'secret',
    5,
    true,
    [],
    ['secret'],
    new Set(),
    new Date(0),
    /secret/.exec('secret'),
    Object('secret') as unknown,
    () => 1,
    Symbol('secret'),
  ];
  const hostile = [
    revoked(),
    spiteful(),
    { toJSON: () => 'secret' },
    {
      toJSON: () => {
        throw new Error('secret');
      },
    },
  ];
  const noSwitches = [null, 'true', 0, {}, [], Object(true) as unknown, Symbol('s'), revoked()];
  const endless = Object.assign(['a'], {
    *[Symbol.iterator]() {
      for (;;) yield 'a';
    },
  });

  it.each([
    ...OBJECTS.flatMap((name) => [...noObjects, ...hostile].map((value) => [name, value] as const)),
    ...SWITCHES.flatMap((name) => noSwitches.map((value) => [name, value] as const)),
    ...[null, 5, true, {}].map((value) => ['$product_tour_id', value] as const),
    ...['a', {}, [''], [5], new Array<unknown>(3), new Array<unknown>(2 ** 32 - 1), revoked([]), spiteful(['a'])].map(
      (value) => ['$unset', value] as const,
    ),
    ...['', ' ', 5, {}, null].map((value) => ['$group_type', value] as const),
    ...['', ' ', NaN, {}, null, 'k'.repeat(401), 10n ** 500n].map((value) => ['$group_key', value] as const),
  ])('%s: removes an invalid value (%#), with a warning that shows no value', (name, value) => {
    const { kept, warnings } = correct({ [name]: value });
    expect(kept).toEqual({});
    expect(warnings).toEqual([expect.stringMatching(/^property "\$\w+" must be .+, but it is .+; it was left out$/)]);
    expect(warnings[0]).toContain(`"${name}"`);
    expect(warnings[0]).not.toContain('secret');
  });

  it('reads an array by index: its own iterator need not end', () => {
    expect(correct({ $unset: endless })).toEqual({ kept: { $unset: ['a'] }, warnings: [] });
  });

  it('keeps an endless object: the event will be too large', () => {
    const object = { a: doubling() };
    expect(correct({ $set: object })).toEqual({ kept: { $set: object }, warnings: [] });
  });

  it('treats undefined as missing', () => {
    expect(correct({ $set: undefined }).warnings).toEqual([]);
  });
});

describe('requiredProblem', () => {
  const problemOf = (event: string, properties: Record<string, unknown>): string | null =>
    requiredProblem({ uuid: '', event, distinct_id: 'u', timestamp: '', properties }, MAX_BYTES);

  it.each([
    ['page_view', {}],
    ['page_view', { $process_person_profile: false }],
    ['$set', { $process_person_profile: false }],
    ['$identify', {}],
    ['$identify', { $process_person_profile: true }],
    ['$create_alias', { alias: 'a' }],
    ['$create_alias', { alias: 5, distinct_id: 'u' }],
    ['$groupidentify', { $group_type: 't', $group_key: 'k' }],
    ['$exception', { $exception_list: [{ type: 'E', value: '' }] }],
    ['$exception', { $exception_list: new Set([{ type: 'E', value: 'v', extra: 1n }]) }],
    ['$exception', { $exception_list: doubling() }],
  ])('%s with %p will do', (event, properties) => {
    expect(problemOf(event, properties)).toBeNull();
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['$identify', { $process_person_profile: false }, '$process_person_profile'],
    ['$create_alias', { alias: 'a', $process_person_profile: false }, '$process_person_profile'],
    [
      '$groupidentify',
      { $group_type: 't', $group_key: 'k', $process_person_profile: false },
      '$process_person_profile',
    ],
    ['$create_alias', {}, '"alias"'],
    ['$create_alias', { alias: ' ' }, '"alias"'],
    ['$create_alias', { alias: { secret: 1 } }, '"alias"'],
    ['$create_alias', { alias: 'a', distinct_id: 'secret' }, '"distinct_id"'],
    ['$groupidentify', { $group_key: 'k' }, '"$group_type"'],
    ['$groupidentify', { $group_type: 't' }, '"$group_key"'],
    ['$exception', {}, '"$exception_list"'],
    ['$exception', { $exception_list: 'secret' }, '"$exception_list"'],
    ['$exception', { $exception_list: [] }, '"$exception_list"'],
    ['$exception', { $exception_list: [{ type: 'E' }] }, '"$exception_list"'],
    ['$exception', { $exception_list: [null] }, '"$exception_list"'],
  ])('%s with %j would be lost', (event, properties, named) => {
    expect(problemOf(event, properties)).toContain(named);
    expect(problemOf(event, properties)).not.toContain('secret');
  });

  it('refuses an array of errors that cannot be read', () => {
    expect(problemOf('$exception', { $exception_list: revoked([]) })).toContain('"$exception_list"');
  });

  it('completes an alias, and never swaps it', () => {
    const properties = { alias: ' 5 ' };
    problemOf('$create_alias', properties);
    expect(properties).toEqual({ alias: '5', distinct_id: 'u' });
  });
});
