import { expect, it } from '@jest/globals';
import { partitionOf, StreamKeys } from '../../../lib/redis/stream-keys.js';

it('names the keys of a project, with one hash tag per partition', () => {
  const keys = new StreamKeys('app:posthog', 'abc1');
  expect([keys.events(3), keys.owner(3), keys.damaged(3), keys.relays]).toEqual([
    'app:posthog:{abc1:3}:events',
    'app:posthog:{abc1:3}:owner',
    'app:posthog:{abc1:3}:damaged',
    'app:posthog:{abc1}:relays',
  ]);
});

it('keeps the partition of a key, which pods of all versions must agree on', () => {
  const keys = ['', 'user_1', 'user_2', '日本', '\u{1F600}', 'a'.repeat(200)];
  expect(keys.map((key) => partitionOf(key, 16))).toEqual([9, 5, 8, 8, 9, 5]);
  expect(keys.map((key) => partitionOf(key, 1))).toEqual([0, 0, 0, 0, 0, 0]);
});

it.each([
  ['numbers', (index: number) => String(index * 4)],
  ['names', (index: number) => `user_${index}00`],
  ['hexadecimal ids', (index: number) => (index * 2654435761).toString(16)],
])('spreads %s evenly', (_, keyOf) => {
  const counts = [0, 0, 0, 0];
  for (let index = 0; index < 10_000; index += 1) counts[partitionOf(keyOf(index), 4)]! += 1;
  for (const count of counts) expect(Math.abs(count - 2500)).toBeLessThan(500);
});
