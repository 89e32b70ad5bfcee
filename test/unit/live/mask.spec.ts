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

describe('what is masked', () => {
  it.each<[string, Mask, unknown]>([
    [
      'a name, however deep and whatever its case',
      ['email'],
      {
        ...EVENT,
        properties: { ...EVENT.properties, email: HIDDEN, $set: { ...EVENT.properties.$set, Email: HIDDEN } },
      },
    ],
    [
      'a name with a wildcard',
      ['work_*'],
      { ...EVENT, properties: { ...EVENT.properties, contacts: [{ work_email: HIDDEN }, { phone: '1' }] } },
    ],
    ['an object as a whole', ['$set'], { ...EVENT, properties: { ...EVENT.properties, $set: HIDDEN } }],
    [
      'a pattern',
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
      'what a function wants, by name and path',
      (name, path) => name === 'street' && path.join('.') === 'properties.$set.address',
      {
        ...EVENT,
        properties: {
          ...EVENT.properties,
          $set: { ...EVENT.properties.$set, address: { street: HIDDEN, zip: 12345 } },
        },
      },
    ],
    ['the distinct id', ['distinct_id'], { ...EVENT, distinct_id: HIDDEN }],
  ])('%s', (_, mask, expected) => expect(shown(mask)).toEqual(expected));

  it('a pattern that remembers where it was finds everything all the same', () => {
    const mask = masker([/secret/g]);
    const text = '{"properties":{"secret":1,"b":{"secret":2},"c":[{"secret":3}]}}';
    for (let time = 0; time < 3; time++) expect(mask(text).text).not.toMatch(/[123]/);
  });

  it('the frame of an event stays, whatever the rules say', () => {
    expect(shown(['*'])).toEqual({
      event: 'signed_up',
      distinct_id: HIDDEN,
      properties: { email: HIDDEN, plan: HIDDEN, $set: HIDDEN, contacts: HIDDEN },
    });
  });

  it('a property called __proto__ is masked within, and stays a property', () => {
    const text = '{"properties":{"__proto__":{"secret":"x"}}}';
    expect(masker(['secret'])(text).text).toBe(`{"properties":{"__proto__":{"secret":"${HIDDEN}"}}}`);
  });

  it('text in which nothing is hidden stays as it is, to the letter', () => {
    const text = '{ "properties": {"n": 1.0, "big": 12345678901234567890} }';
    expect(masker(['email'])(text).text).toBe(text);
  });

  it('the distinct id of a line is what may be shown of it', () => {
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
      'a function that answers nothing',
      (() => undefined) as unknown as () => boolean,
      '{"properties":{"email":"ann"}}',
    ],
    ['text that is no JSON', ['x'], '{"email":"ann"'],
    ['text so deep that nobody can walk it', ['x'], `${'['.repeat(200_000)}"ann"${']'.repeat(200_000)}`],
  ])('%s hides rather than shows', (_, mask, text) => expect(masker(mask)(text).text).not.toContain('ann'));
});
