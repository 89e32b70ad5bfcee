import { describe, expect, it } from '@jest/globals';
import { RingBuffer } from '../../../lib/delivery/queue/ring-buffer.js';

interface Item {
  readonly n: number;
}

describe('Ring', () => {
  it('gives back what came first, whatever comes and goes', () => {
    const ring = new RingBuffer<Item>();
    const model: Item[] = [];
    let seed = 7;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    let most = 0;
    for (let n = 0; n < 60_000; n += 1) {
      // It fills and empties in turns, so that it grows, goes round and is made small again.
      const isFilling = Math.floor(n / 12_000) % 2 === 0;
      const action = random(10);
      if (action < (isFilling ? 7 : 2)) {
        ring.push({ n });
        model.push({ n });
      } else if (action < 9) {
        expect(ring.shift()).toEqual(model.shift());
      } else {
        expect(ring.pop()).toEqual(model.pop());
      }
      most = Math.max(most, model.length);
      expect([ring.size, ring.first, ring.last]).toEqual([model.length, model[0], model.at(-1)]);
    }
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
