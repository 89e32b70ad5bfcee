import { expect, it } from '@jest/globals';
import { FlagCounts } from '../../../lib/flags/flag-counts.js';

it('counts reads by flag and value, the most frequent first', () => {
  const counts = new FlagCounts();
  for (const value of [true, 'blue', true, undefined, 'blue', 'blue']) counts.read('checkout', value);
  counts.read('banner', false);
  counts.read('banner', 'false');
  expect(counts.stats()).toEqual({
    requests: 0,
    timeouts: 0,
    reads: [
      { key: 'checkout', value: 'blue', count: 3 },
      { key: 'checkout', value: true, count: 2 },
      { key: 'checkout', value: null, count: 1 },
      { key: 'banner', value: false, count: 1 },
      { key: 'banner', value: 'false', count: 1 },
    ],
    otherReads: 0,
  });
});

it('lists 100 pairs and counts all others together, and no count ever decreases', () => {
  const counts = new FlagCounts();
  counts.read('first', true);
  for (let index = 0; index < 500; index += 1) counts.read(`from-a-request-${index}`, true);
  counts.read('first', true);
  counts.read('first', false);
  counts.read('long'.repeat(100), true);
  const { reads, otherReads } = counts.stats();
  expect([reads.length, otherReads, reads[0]]).toEqual([100, 403, { key: 'first', value: true, count: 2 }]);
});

it('keeps no long key or variant', () => {
  const counts = new FlagCounts();
  counts.read('k'.repeat(201), true);
  counts.read('key', 'v'.repeat(201));
  expect(counts.stats()).toMatchObject({ reads: [], otherReads: 2 });
});
