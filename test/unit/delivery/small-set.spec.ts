import { describe, expect, it } from '@jest/globals';
import { SmallSet } from '../../../lib/delivery/queue/small-set.js';

describe('Few', () => {
  it('holds what was added and not deleted, in order', () => {
    const few = new SmallSet<string>();
    for (const thing of ['a', 'b', 'c']) few.add(thing);
    few.delete('b');
    few.delete('never there');
    expect([few.size, ...few]).toEqual([2, 'a', 'c']);
  });
});
