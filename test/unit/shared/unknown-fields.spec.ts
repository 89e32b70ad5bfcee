import { describe, expect, it } from '@jest/globals';
import { fieldMeant, warnOfUnknownFields } from '../../../lib/shared/unknown-fields.js';

const EVENT = ['event', 'distinctId', 'properties', 'groups', 'timestamp', 'uuid', 'disableGeoip', 'options'];
const IDENTIFY = ['distinctId', 'set', 'setOnce', 'anonDistinctId', 'properties'];

describe('fieldMeant', () => {
  it.each<[string, readonly string[], string | undefined]>([
    ['distinct_id', EVENT, 'distinctId'],
    ['distinctID', EVENT, 'distinctId'],
    ['userId', EVENT, 'distinctId'],
    ['user_id', EVENT, 'distinctId'],
    ['name', EVENT, 'event'],
    ['eventName', EVENT, 'event'],
    ['evnt', EVENT, 'event'],
    ['props', EVENT, 'properties'],
    ['propertys', EVENT, 'properties'],
    ['timestmap', EVENT, 'timestamp'],
    ['disable_geoip', EVENT, 'disableGeoip'],
    ['group', EVENT, 'groups'],
    ['$set_once', IDENTIFY, 'setOnce'],
    ['$set', IDENTIFY, 'set'],
    ['traits', IDENTIFY, 'set'],
    ['anonymousId', IDENTIFY, 'anonDistinctId'],
    ['distinctId', ['event', 'distinct_id'], 'distinct_id'],
    ['plan', EVENT, undefined],
    ['constructor', EVENT, undefined],
    ['', EVENT, undefined],
  ])('%s among %p is %p', (written, fields, meant) => {
    expect(fieldMeant(written, fields)).toBe(meant);
  });
});

describe('warnOfUnknownFields', () => {
  const warningsOf = (input: object, within?: string): string[] => {
    const warnings: string[] = [];
    warnOfUnknownFields(input, EVENT, (warning) => warnings.push(warning), within);
    return warnings;
  };

  it('does not warn of known fields', () => {
    expect(warningsOf({ event: 1, uuid: undefined })).toEqual([]);
  });

  it('names the field and suggests another, and shows no value', () => {
    expect(warningsOf({ userId: 'secret', plan: 'secret' })).toEqual([
      'unknown field "userId" was ignored: did you mean "distinctId"?',
      'unknown field "plan" was ignored: properties of the event go into "properties"',
    ]);
    expect(warningsOf({ evnt: 1 }, 'options')[0]).toContain('"options.evnt"');
  });

  it('names the first few, truncated and on one line', () => {
    const many = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`x${n}`, 1]));
    expect(warningsOf(many)).toHaveLength(6);
    expect(warningsOf(many).at(-1)).toBe('995 more unknown fields were ignored');
    expect(warningsOf({ [`a\n${'b'.repeat(1000)}`]: 1 })[0]).toMatch(/^unknown field "a\\nb{58}…"/);
  });

  it('does not read the values', () => {
    const input = {
      get plan(): never {
        throw new Error('read');
      },
    };
    expect(warningsOf(input)).toHaveLength(1);
  });
});
