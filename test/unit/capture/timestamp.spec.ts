import { describe, expect, it } from '@jest/globals';
import { timestampOf } from '../../../lib/capture/input/timestamp.js';

const DATE = new Date('2026-01-31T12:00:00Z');

const thrower = (): never => {
  throw new Error('secret');
};

/** Stands for a type of Temporal, which Node.js 20 does not have. */
const temporal = (type: string, text: string): object => ({
  [Symbol.toStringTag]: `Temporal.${type}`,
  toString: () => text,
  toJSON: () => text,
});

describe('timestampOf', () => {
  it.each<[unknown, string]>([
    [new Date('2026-01-31T12:00:00.123Z'), '2026-01-31T12:00:00.123Z'],
    [new Date(-62167219200000), '0000-01-01T00:00:00.000Z'],
    ['2026-01-31T12:00:00Z', '2026-01-31T12:00:00Z'],
    ['2026-01-31T12:00:00.123456Z', '2026-01-31T12:00:00.123456Z'],
    [' 2026-01-31T12:00:00Z\n', '2026-01-31T12:00:00Z'],
    ['2026-01-31T12:00:00z', '2026-01-31T12:00:00.000Z'],
    ['2026-01-31t12:00:00Z', '2026-01-31T12:00:00.000Z'],
    ['2026-01-31', '2026-01-31T00:00:00.000Z'],
    ['2026-01-31T12:00', '2026-01-31T12:00:00.000Z'],
    ['2026-01-31T12:00:30', '2026-01-31T12:00:30.000Z'],
    ['2026-01-31 12:00:30', '2026-01-31T12:00:30.000Z'],
    ['2026-01-31T12:00:30.5', '2026-01-31T12:00:30.5Z'],
    ['2026-01-31T12:00:30,25Z', '2026-01-31T12:00:30.25Z'],
    ['2026-01-31T12:00:00+02:00', '2026-01-31T10:00:00.000Z'],
    ['2026-01-31T12:00:00-0530', '2026-01-31T17:30:00.000Z'],
    ['2026-01-31T12:00:00+02', '2026-01-31T10:00:00.000Z'],
    ['2026-01-31T12:00+02:00', '2026-01-31T10:00:00.000Z'],
    ['2026-01-31 12:00:00 UTC', '2026-01-31T12:00:00.000Z'],
    ['2026-01-31 12:00:00.25 utc', '2026-01-31T12:00:00.25Z'],
    ['2026-01-31 12:00:00 GMT', '2026-01-31T12:00:00.000Z'],
    ['2026-01-31 12:00:00 +0000', '2026-01-31T12:00:00.000Z'],
    ['2026-01-31T12:00:00+0000', '2026-01-31T12:00:00.000Z'],
    ['2026-01-31 12:00:00 -05:30', '2026-01-31T17:30:00.000Z'],
    [1769860800, '2026-01-31T12:00:00.000Z'],
    [1769860800.5, '2026-01-31T12:00:00.500Z'],
    [1769860800000, '2026-01-31T12:00:00.000Z'],
    [1769860800000.4, '2026-01-31T12:00:00.000Z'],
    [1769860800n, '2026-01-31T12:00:00.000Z'],
    [1e8, '1973-03-03T09:46:40.000Z'],
    [1e11 - 1, '5138-11-16T09:46:39.000Z'],
    [1e11, '1973-03-03T09:46:40.000Z'],
    [1e14 - 1, '5138-11-16T09:46:39.999Z'],
    [{ toJSDate: () => DATE }, '2026-01-31T12:00:00.000Z'],
    [{ toDate: () => DATE }, '2026-01-31T12:00:00.000Z'],
    [{ toISOString: () => '2026-01-31T12:00:00.000Z' }, '2026-01-31T12:00:00.000Z'],
    [temporal('Instant', '2026-01-31T12:00:00.123456789Z'), '2026-01-31T12:00:00.123456789Z'],
    [temporal('ZonedDateTime', '2026-01-31T12:00:00.5+01:00[Europe/Berlin][u-ca=iso8601]'), '2026-01-31T11:00:00.5Z'],
    ['2026-01-31T23:30:00.123456789-01:00', '2026-02-01T00:30:00.123456789Z'],
    ['2026-01-31T12:00:30.1234567890123456789Z', '2026-01-31T12:00:30.123456789Z'],
    ['2026-01-31T12:00:30.1234567890123456789+02:00', '2026-01-31T10:00:30.123456789Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59Z'],
  ])('%p is %s', (value, expected) => {
    expect(timestampOf(value)).toBe(expected);
  });

  it.each<[string, unknown]>([
    ['an invalid Date', new Date(NaN)],
    ['a Date after 9999', new Date(253402300800000)],
    ['a Date before 0000', new Date(-62167219200001)],
    ['an impossible Date', Object.create(Date.prototype)],
    ['a proxy of a Date', new Proxy(new Date(), {})],
    ['the 30th of February', '2026-02-30T00:00:00Z'],
    ['the 29th in a common year', '2025-02-29'],
    ['month 13', '2026-13-01T00:00:00Z'],
    ['hour 24', '2026-01-31T24:00:00Z'],
    ['minute 60', '2026-01-31T12:60:00Z'],
    ['second 60', '2026-01-31T12:00:60Z'],
    ['an offset of a day', '2026-01-31T12:00:00+24:00'],
    ['an offset with 60 minutes', '2026-01-31T12:00:00+01:60'],
    ['before the year 0000 in UTC', '0000-01-01T00:00:00+01:00'],
    ['after the year 9999 in UTC', '9999-12-31T23:59:59-01:00'],
    ['a year of six digits', '+012026-01-31T12:00:00Z'],
    ['an American date', '01/31/2026'],
    ['a date in words', 'Sat, 31 Jan 2026 12:00:00 GMT'],
    ['epoch seconds as text', '1769860800'],
    ['a number that may be a date', 20260131],
    ['zero', 0],
    ['epoch microseconds', 1769860800000000],
    ['an infinite number', Infinity],
    ['NaN', NaN],
    ['a date with a zone and no time', '2026-01-31 UTC'],
    ['a zone with several meanings', '2026-01-31 12:00:00 CST'],
    ['an invalid DateTime of Luxon', { toJSDate: () => new Date(NaN), toISOString: () => null }],
    ['a Temporal.PlainDateTime, which has no zone', temporal('PlainDateTime', '2026-01-31T12:00:00')],
    ['a Temporal.PlainDate', temporal('PlainDate', '2026-01-31')],
    ['toDate that throws', { toDate: thrower }],
    ['toDate of a date', { toDate: () => ({ toDate: () => DATE }) }],
    ['toISOString that rejects', { toISOString: () => Promise.reject(new Error('secret')) }],
    ['blank', ' '],
    ['a fraction without end', `2026-01-31T12:00:00.${'1'.repeat(100)}Z`],
    ['null', null],
    ['an object', {}],
  ])('refuses %s', (_, value) => {
    expect(timestampOf(value)).toBeNull();
  });
});
