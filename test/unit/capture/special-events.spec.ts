import { describe, expect, it } from '@jest/globals';
import { type Checked, type SourceEvent } from '../../../lib/capture/input/source-event.js';
import {
  checkAlias,
  checkException,
  checkGroupIdentify,
  checkIdentify,
  checkSetPersonProperties,
  checkUnsetPersonProperties,
} from '../../../lib/capture/input/special-events.js';

function thrower(): never {
  throw new Error('secret');
}

function sourceOf(checked: Checked): SourceEvent {
  if (!checked.ok) throw new Error(checked.problem);
  return checked.source;
}

const hostile = new Proxy({}, { get: thrower, ownKeys: thrower, getPrototypeOf: thrower });
const trap = Object.defineProperty({ plan: 'pro' }, 'trap', { get: thrower, enumerable: true });
const proto = JSON.parse('{"__proto__":{"polluted":1},"plan":"pro"}') as Record<string, unknown>;

interface Case {
  input: unknown;
  distinctId: string | undefined;
  properties: Record<string, unknown>;
}

function shapes(
  event: string,
  check: (input: unknown) => Checked,
  needsProfile: boolean,
  cases: Record<string, Case>,
): void {
  it.each(Object.entries(cases))(`${event}: %s`, (_, { input, distinctId, properties }) => {
    expect(sourceOf(check(input))).toStrictEqual({
      event,
      distinctId,
      properties,
      groups: undefined,
      flags: undefined,
      timestamp: undefined,
      uuid: undefined,
      disableGeoip: undefined,
      switches: undefined,
      root: undefined,
      definition: undefined,
      thrown: undefined,
      needsProfile,
      isBare: false,
    });
  });
}

describe('shapes', () => {
  shapes('$identify', checkIdentify, true, {
    'an id alone': { input: { distinctId: ' u ' }, distinctId: 'u', properties: {} },
    everything: {
      input: { distinctId: 5, set: { plan: 'pro' }, setOnce: { first: 1 }, anonDistinctId: ' anon ' },
      distinctId: '5',
      properties: { $set: { plan: 'pro' }, $set_once: { first: 1 }, $anon_distinct_id: 'anon' },
    },
    'properties to set, posthog-node’s way': {
      input: { distinctId: 'u', properties: { plan: 'pro' } },
      distinctId: 'u',
      properties: { $set: { plan: 'pro' } },
    },
    'properties with $set and $set_once, and others': {
      input: {
        distinctId: 'u',
        properties: { $set: { plan: 'pro' }, $set_once: { first: 1 }, $anon_distinct_id: 'anon', seats: 3 },
      },
      distinctId: 'u',
      properties: { $set: { seats: 3, plan: 'pro' }, $set_once: { first: 1 }, $anon_distinct_id: 'anon' },
    },
    'set wins over properties': {
      input: { distinctId: 'u', set: { plan: 'pro' }, properties: { plan: 'free', seats: 3 } },
      distinctId: 'u',
      properties: { $set: { plan: 'pro', seats: 3 } },
    },
    'a getter that throws becomes null': {
      input: { distinctId: 'u', set: trap },
      distinctId: 'u',
      properties: { $set: { plan: 'pro', trap: null } },
    },
    'null is missing': {
      input: { distinctId: 'u', set: null, setOnce: null, anonDistinctId: null, properties: null },
      distinctId: 'u',
      properties: {},
    },
  });

  shapes('$create_alias', checkAlias, true, {
    'never swapped': {
      input: { distinctId: 'user', alias: 'visitor' },
      distinctId: 'user',
      properties: { distinct_id: 'user', alias: 'visitor' },
    },
    'numbers become strings, and strings are trimmed': {
      input: { distinctId: ' 1 ', alias: 2 },
      distinctId: '1',
      properties: { distinct_id: '1', alias: '2' },
    },
  });

  const longKey = 'k'.repeat(400);
  const blankKey = `${'k'.repeat(50)}${' '.repeat(100)}${'k'.repeat(250)}`;
  shapes('$groupidentify', checkGroupIdentify, true, {
    'type and key': {
      input: { groupType: 'company', groupKey: 7 },
      distinctId: '$company_7',
      properties: { $group_type: 'company', $group_key: '7', $group_set: {} },
    },
    'set wins over properties, and an id': {
      input: {
        groupType: 'company',
        groupKey: 'acme',
        set: { size: 2 },
        properties: { size: 1, tier: 'a' },
        distinctId: 'u',
      },
      distinctId: 'u',
      properties: { $group_type: 'company', $group_key: 'acme', $group_set: { size: 2, tier: 'a' } },
    },
    'a default id that is short enough': {
      input: { groupType: 'company', groupKey: longKey },
      distinctId: `$company_${longKey}`.slice(0, 64),
      properties: { $group_type: 'company', $group_key: longKey, $group_set: {} },
    },
  });

  shapes('$groupidentify', checkGroupIdentify, true, {
    'a default id without a blank at its end': {
      input: { groupType: 'company', groupKey: blankKey },
      distinctId: `$company_${'k'.repeat(50)}`,
      properties: { $group_type: 'company', $group_key: blankKey, $group_set: {} },
    },
    'a method toJSON': {
      input: { groupType: 't', groupKey: 'k', set: { a: 1, toJSON: () => 'text' } },
      distinctId: '$t_k',
      properties: { $group_type: 't', $group_key: 'k', $group_set: { a: 1 } },
    },
  });

  shapes('$set', checkSetPersonProperties, false, {
    'a method toJSON': {
      input: { distinctId: 'u', set: { a: 1, toJSON: () => 'text' } },
      distinctId: 'u',
      properties: { $set: { a: 1 } },
    },
    'set alone': { input: { distinctId: 'u', set: { a: 1 } }, distinctId: 'u', properties: { $set: { a: 1 } } },
    'not what is empty': {
      input: { distinctId: 'u', set: {}, setOnce: { a: 1 } },
      distinctId: 'u',
      properties: { $set_once: { a: 1 } },
    },
    properties: { input: { distinctId: 'u', properties: { a: 1 } }, distinctId: 'u', properties: { $set: { a: 1 } } },
    'properties with $set_once': {
      input: { distinctId: 'u', properties: { $set: {}, $set_once: { a: 1 } } },
      distinctId: 'u',
      properties: { $set_once: { a: 1 } },
    },
  });

  shapes('$set', checkUnsetPersonProperties, false, {
    unset: { input: { distinctId: 'u', unset: ['a', 'b'] }, distinctId: 'u', properties: { $unset: ['a', 'b'] } },
    properties: { input: { distinctId: 'u', properties: ['a'] }, distinctId: 'u', properties: { $unset: ['a'] } },
    'an array whose iterator never ends': {
      input: {
        distinctId: 'u',
        unset: Object.assign(['a'], {
          *[Symbol.iterator]() {
            for (;;) yield 'a';
          },
        }),
      },
      distinctId: 'u',
      properties: { $unset: ['a'] },
    },
    both: {
      input: { distinctId: 'u', unset: ['a'], properties: ['b'] },
      distinctId: 'u',
      properties: { $unset: ['a', 'b'] },
    },
  });

  it('a property may be called __proto__', () => {
    const { properties } = sourceOf(checkIdentify({ distinctId: 'u', set: proto, properties: { a: 1 } }));
    expect(JSON.stringify(properties)).toBe('{"$set":{"a":1,"__proto__":{"polluted":1},"plan":"pro"}}');
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});

describe('problems', () => {
  const u = { distinctId: 'u' };
  it.each<[string, (input: unknown) => Checked, unknown, string]>([
    ['identify without an id', checkIdentify, { set: { a: 1 } }, 'distinctId'],
    ['identify with a blank id', checkIdentify, { distinctId: ' ' }, 'distinctId'],
    ['identify with a blank anonymous id', checkIdentify, { ...u, anonDistinctId: '' }, 'anonDistinctId'],
    ['identify with an array', checkIdentify, { ...u, set: ['a'] }, 'set'],
    ['identify with an array as $set in properties', checkIdentify, { ...u, properties: { $set: ['a'] } }, '$set'],
    ['alias without an id', checkAlias, { alias: 'a' }, 'distinctId'],
    ['alias without an alias', checkAlias, u, 'alias'],
    ['alias with a blank alias', checkAlias, { ...u, alias: ' ' }, 'alias'],
    ['a group without a type', checkGroupIdentify, { groupKey: 'k' }, 'groupType'],
    ['a group with a type of another type', checkGroupIdentify, { groupType: 5, groupKey: 'k' }, 'groupType'],
    ['a group without a key', checkGroupIdentify, { groupType: 't' }, 'groupKey'],
    ['a group with a blank key', checkGroupIdentify, { groupType: 't', groupKey: '' }, 'groupKey'],
    ['a group with a long key', checkGroupIdentify, { groupType: 't', groupKey: 'x'.repeat(401) }, 'groupKey'],
    ['a group with a blank id', checkGroupIdentify, { groupType: 't', groupKey: 'k', distinctId: '' }, 'distinctId'],
    ['nothing to set', checkSetPersonProperties, u, 'set or setOnce'],
    ['empty things to set', checkSetPersonProperties, { ...u, set: {}, setOnce: {}, properties: {} }, 'set or setOnce'],
    ['set without an id', checkSetPersonProperties, { set: { a: 1 } }, 'distinctId'],
    ['nothing to unset', checkUnsetPersonProperties, u, 'unset'],
    ['an empty list to unset', checkUnsetPersonProperties, { ...u, unset: [] }, 'unset'],
    ['a string to unset', checkUnsetPersonProperties, { ...u, unset: 'a' }, 'unset'],
    ['a blank name to unset', checkUnsetPersonProperties, { ...u, unset: ['a', ' '] }, 'unset'],
    ['a list with holes to unset', checkUnsetPersonProperties, { ...u, unset: new Array(3) }, 'unset'],
    ['an endless list to unset', checkUnsetPersonProperties, { ...u, unset: new Array(2 ** 32 - 1) }, 'unset'],
    ['an object to unset', checkUnsetPersonProperties, { ...u, properties: { a: 1 } }, 'properties'],
    ['an exception of a blank id', (input) => checkException(new Error('x'), input), { distinctId: '' }, 'distinctId'],
    ['an exception with a list', (input) => checkException(new Error('x'), input), { properties: ['a'] }, 'properties'],
  ])('%s', (_, check, input, field) => {
    expect(check(input)).toEqual({
      ok: false,
      event: expect.stringMatching(/^\$/),
      problem: expect.stringContaining(field),
    });
  });

  const checks = [checkIdentify, checkAlias, checkGroupIdentify, checkSetPersonProperties, checkUnsetPersonProperties];
  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();
  const inputs = [
    undefined,
    null,
    'u',
    5,
    [],
    thrower,
    hostile,
    revoked,
    {
      get distinctId() {
        return thrower();
      },
    },
  ];

  it.each(checks)('%p refuses any other value without throwing', (check) => {
    for (const input of [
      ...inputs,
      { distinctId: 'u', set: revoked, alias: revoked, unset: revoked, groupKey: revoked },
    ]) {
      expect(check(input)).toMatchObject({ ok: false, problem: expect.not.stringContaining('secret') });
    }
  });
});

describe('warnings', () => {
  it.each<[string, Checked, RegExp]>([
    ['another name', checkIdentify({ distinctId: 'u', traits: {} }), /"traits".*"set"/],
    ['PostHog’s spelling, which is taken', checkIdentify({ distinct_id: 'u' }), /distinct_id/],
    ['an illegal id', checkIdentify({ distinctId: 'null' }), /^distinctId is "null"/],
    ['an illegal anonymous id', checkIdentify({ distinctId: 'u', anonDistinctId: 'anonymous' }), /^anonDistinctId/],
    ['an alias of itself', checkAlias({ distinctId: 'u', alias: ' u ' }), /^alias is the distinctId itself/],
    [
      'an anonymous id of itself',
      checkIdentify({ distinctId: 'u', anonDistinctId: 'u' }),
      /^anonDistinctId is the distinctId/,
    ],
    [
      'an invalid anonymous id, in posthog-node’s properties',
      checkIdentify({ distinctId: 'u', properties: { $anon_distinct_id: { secret: 1 } } }),
      /^anonDistinctId is not a distinct id: it is an object/,
    ],
    ['an illegal alias', checkAlias({ distinctId: 'u', alias: 'undefined' }), /^alias/],
  ])('%s', (_, checked, expected) => {
    if (!checked.ok) throw new Error(checked.problem);
    expect(checked.warnings).toEqual([expect.stringMatching(expected)]);
    expect(checked.source.distinctId).toMatch(/^(u|null)$/);
  });
});

describe('checkException', () => {
  it('leaves the person to the context', () => {
    expect(sourceOf(checkException(new Error('x'), undefined))).toMatchObject({
      event: '$exception',
      distinctId: undefined,
    });
    expect(sourceOf(checkException(new Error('x'), { distinctId: 5 })).distinctId).toBe('5');
  });

  it('keeps the caller’s properties, the level and the fingerprint', () => {
    const properties = {
      plan: 'pro',
    };
    const error = new TypeError('x');
    expect(sourceOf(checkException(error, { properties, level: 'warn', fingerprint: 'mine' }))).toMatchObject({
      properties,
      thrown: { error, level: 'warning', fingerprint: 'mine', boundary: { type: 'generic', handled: true } },
    });
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'x'],
    ['a proxy that throws', hostile],
  ])('takes %s', (_, thrown) => {
    expect(checkException(thrown, { properties: trap })).toMatchObject({
      ok: true,
      source: { properties: { plan: 'pro', trap: null } },
    });
  });
});
