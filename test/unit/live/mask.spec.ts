import { describe, expect, it } from '@jest/globals';
import { HIDDEN, type Mask, masker } from '../../../lib/live/mask.js';

const EVENT = {
  event: 'signed_up',
  distinct_id: 'ann@example.com',
  properties: {
    email: 'ann@example.com',
    plan: 'pro',
    $set: { Email: 'ann@example.com', address: { street: 'Main', zip: 12345 } },
    contacts: [{ work_email: 'a' }, { phone: '1' }],
  },
};

const shown = (mask: Mask, event: unknown = EVENT): unknown => JSON.parse(masker(mask)(JSON.stringify(event)).text);

describe('the mask', () => {
  it.each<[string, Mask, unknown]>([
    [
      'hides a name at any depth and in any case',
      ['email'],
      {
        ...EVENT,
        properties: { ...EVENT.properties, email: HIDDEN, $set: { ...EVENT.properties.$set, Email: HIDDEN } },
      },
    ],
    [
      'hides a name with a wildcard',
      ['work_*'],
      { ...EVENT, properties: { ...EVENT.properties, contacts: [{ work_email: HIDDEN }, { phone: '1' }] } },
    ],
    ['hides a complete object', ['$set'], { ...EVENT, properties: { ...EVENT.properties, $set: HIDDEN } }],
    [
      'hides names that match a regular expression',
      [/^(plan|zip)$/],
      {
        ...EVENT,
        properties: {
          ...EVENT.properties,
          plan: HIDDEN,
          $set: { ...EVENT.properties.$set, address: { street: 'Main', zip: HIDDEN } },
        },
      },
    ],
    [
      'hides values by a function of name and path',
      (name, path) => name === 'street' && path.join('.') === 'properties.$set.address',
      {
        ...EVENT,
        properties: {
          ...EVENT.properties,
          $set: { ...EVENT.properties.$set, address: { street: HIDDEN, zip: 12345 } },
        },
      },
    ],
    ['hides the distinct id', ['distinct_id'], { ...EVENT, distinct_id: HIDDEN }],
  ])('%s', (_, mask, expected) => expect(shown(mask)).toEqual(expected));

  it.each<[string, Mask]>([
    ['distinct_id', ['distinct_id']],
    ['Distinct_*', ['Distinct_*']],
    ['a function', (name) => name === 'distinct_id'],
  ])('hides the other ids of the person with the distinct id: %s', (_, mask) => {
    const properties = {
      distinct_id: 'a',
      alias: 'b',
      $anon_distinct_id: 'c',
      $user_id: 'a',
      $set: { alias: 'b' },
      plan: 'pro',
    };
    expect(shown(mask, { event: '$create_alias', distinct_id: 'a', properties })).toEqual({
      event: '$create_alias',
      distinct_id: HIDDEN,
      properties: {
        distinct_id: HIDDEN,
        alias: HIDDEN,
        $anon_distinct_id: HIDDEN,
        $user_id: HIDDEN,
        $set: { alias: HIDDEN },
        plan: 'pro',
      },
    });
  });

  it.each<[string, Mask]>([
    ['by name', ['$exception_message']],
    ['by a function', (name, path) => name === '$exception_message' && path.join('.') === 'properties'],
  ])('hides all messages of errors with that of the first: %s', (_, mask) => {
    const properties = {
      $exception_message: 'secret',
      $exception_list: [
        { type: 'A', value: 'secret', stacktrace: { frames: [{ value: 1 }] } },
        { type: 'B', value: 'secret' },
      ],
      $set: { value: 'kept' },
      value: 'kept',
    };
    expect(shown(mask, { ...EVENT, properties })).toEqual({
      ...EVENT,
      properties: {
        $exception_message: HIDDEN,
        $exception_list: [
          { type: 'A', value: HIDDEN, stacktrace: { frames: [{ value: 1 }] } },
          { type: 'B', value: HIDDEN },
        ],
        $set: { value: 'kept' },
        value: 'kept',
      },
    });
  });

  it('shows the other ids if the distinct id is shown', () => {
    const properties = { alias: 'b', $anon_distinct_id: 'c' };
    expect(shown(['email'], { ...EVENT, properties })).toEqual({ ...EVENT, properties });
  });

  it('works with a global regular expression, which has state', () => {
    const mask = masker([/secret/g]);
    const text = '{"properties":{"secret":1,"b":{"secret":2},"c":[{"secret":3}]}}';
    for (let time = 0; time < 3; time++) expect(mask(text).text).not.toMatch(/[123]/);
  });

  it('never hides the top-level fields of an event', () => {
    expect(shown(['*'])).toEqual({
      event: 'signed_up',
      distinct_id: HIDDEN,
      properties: { email: HIDDEN, plan: HIDDEN, $set: HIDDEN, contacts: HIDDEN },
    });
  });

  it('masks within a property named __proto__', () => {
    const text = '{"properties":{"__proto__":{"secret":"x"}}}';
    expect(masker(['secret'])(text).text).toBe(`{"properties":{"__proto__":{"secret":"${HIDDEN}"}}}`);
  });

  it('returns text without hidden values unchanged', () => {
    const text = '{ "properties": {"n": 1.0, "big": 12345678901234567890} }';
    expect(masker(['email'])(text).text).toBe(text);
  });

  it('returns the masked distinct id', () => {
    expect(masker([])(JSON.stringify(EVENT)).who).toBe('ann@example.com');
    expect(masker(['distinct_id'])(JSON.stringify(EVENT)).who).toBe(HIDDEN);
  });

  it.each<[string, Mask, string]>([
    [
      'a function that throws',
      () => {
        throw new Error('no');
      },
      '{"properties":{"email":"ann"}}',
    ],
    [
      'a function that returns undefined',
      (() => undefined) as unknown as () => boolean,
      '{"properties":{"email":"ann"}}',
    ],
    ['invalid JSON', ['x'], '{"email":"ann"'],
    ['JSON that is nested too deeply', ['x'], `${'['.repeat(200_000)}"ann"${']'.repeat(200_000)}`],
  ])('hides everything for %s', (_, mask, text) => expect(masker(mask)(text).text).not.toContain('ann'));
});
