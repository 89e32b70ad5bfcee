import { describe, expect, it } from '@jest/globals';
import { RingBuffer, SmallSet } from '../../../lib/delivery/queue/collections.js';

interface Item {
  readonly n: number;
}

describe('RingBuffer', () => {
  it('is first-in first-out while it grows, wraps around and shrinks', () => {
    const flaws: number[] = [];
    const ring = new RingBuffer<Item>();
    const model: Item[] = [];
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    let most = 0;
    for (let n = 0; n < 60_000; n += 1) {
      // It fills and empties in turns.
      const isFilling = Math.floor(n / 12_000) % 2 === 0;
      const action = random(10);
      if (action < (isFilling ? 7 : 2)) {
        const item = { n };
        ring.push(item);
        model.push(item);
      } else if (action < 9) {
        if (ring.shift() !== model.shift()) flaws.push(n);
      } else if (ring.pop() !== model.pop()) {
        flaws.push(n);
      }
      most = Math.max(most, model.length);
      if (ring.size !== model.length || ring.first !== model[0] || ring.last !== model.at(-1)) flaws.push(n);
    }
    expect(flaws).toEqual([]);
    expect(most).toBeGreaterThan(4096);
    while (model.length > 0) expect(ring.shift()).toEqual(model.shift());
    expect([ring.size, ring.first, ring.last, ring.shift(), ring.pop()]).toEqual([
      0,
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    ring.push({ n: 1 });
    expect([ring.first, ring.last]).toEqual([{ n: 1 }, { n: 1 }]);
  });
});

describe('SmallSet', () => {
  it('contains what was added and not deleted, in order', () => {
    const set = new SmallSet<string>();
    for (const thing of ['a', 'b', 'c']) set.add(thing);
    set.delete('b');
    set.delete('never there');
    expect([set.size, ...set]).toEqual([2, 'a', 'c']);
  });
});
