import { expect, it } from '@jest/globals';
import { privateNote } from '../../../lib/records/event-places.js';

it.each([
  ['an object', { id: 1 }],
  ['a frozen object', Object.freeze({ id: 1 })],
  [
    'an instance',
    new (class Event {
      id = 1;
    })(),
  ],
])('attaches a value to %s that nothing else can see', (_, holder) => {
  const [mine, other] = [privateNote<string>(), privateNote<string>()];
  const keys = Reflect.ownKeys(holder);
  expect(mine.read(holder)).toBeUndefined();
  mine.write(holder, 'first');
  mine.write(holder, 'second');
  expect([mine.read(holder), other.read(holder), mine.read({ ...holder })]).toEqual(['second', undefined, undefined]);
  expect(Reflect.ownKeys(holder)).toEqual(keys);
});
