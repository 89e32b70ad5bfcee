import { describe, expect, it } from '@jest/globals';
import { IsoClock, ownText, UuidSource } from '../../../lib/capture/event/event-stamps.js';
import { UUID } from '../../../lib/capture/input/rules.js';

describe('UUID', () => {
  const v7 = '0190b5c7-6a2e-7cc3-9f5e-4d2a1b3c5d6e';

  it.each<[unknown, string | null]>([
    [v7, v7],
    [v7.toUpperCase(), v7],
    ['c0a80101-0000-1000-8000-00805f9b34fb', 'c0a80101-0000-1000-8000-00805f9b34fb'],
    [v7.replaceAll('-', ''), null],
    [`{${v7}}`, null],
    [`${v7}0`, null],
    ['not-a-uuid', null],
    ['', null],
    [42, null],
    [null, null],
    [{ toString: () => v7 }, null],
  ])('%p is %p', (value, expected) => {
    expect(UUID.read(value)).toBe(expected);
  });
});

describe('UuidSource', () => {
  it('makes different uuids of version 7 that begin with the time', () => {
    const source = new UuidSource();
    const uuids = Array.from({ length: 2000 }, () => source.next(0x0190b5c76a2e));
    expect(new Set(uuids).size).toBe(uuids.length);
    for (const uuid of uuids) {
      expect(uuid).toMatch(/^0190b5c7-6a2e-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      expect(UUID.read(uuid)).toBe(uuid);
    }
  });

  it('randomizes every digit that is not fixed', () => {
    const source = new UuidSource();
    const uuids = Array.from({ length: 3000 }, () => source.next(0));
    const variety = Array.from('00000000-0000-7xxx-yxxx-xxxxxxxxxxxx', (kind, at) => [
      kind,
      new Set(uuids.map((uuid) => uuid.charAt(at))).size,
    ]);
    expect(variety).toEqual(variety.map(([kind]) => [kind, kind === 'x' ? 16 : kind === 'y' ? 4 : 1]));
  });
});

it('copies a uuid out of a larger string', () => {
  const payload = `{"uuid":"0190b5c7-6a2e-7cc3-9f5e-4d2a1b3c5d6e"}`;
  expect(ownText(payload.slice(9, 45))).toBe('0190b5c7-6a2e-7cc3-9f5e-4d2a1b3c5d6e');
});

it('formats a time once per millisecond', () => {
  const clock = new IsoClock();
  expect([clock.at(0), clock.at(0), clock.at(1)]).toEqual([
    '1970-01-01T00:00:00.000Z',
    '1970-01-01T00:00:00.000Z',
    '1970-01-01T00:00:00.001Z',
  ]);
});
