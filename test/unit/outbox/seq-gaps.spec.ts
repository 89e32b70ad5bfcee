import { describe, expect, it } from '@jest/globals';
import { SeqGaps } from '../../../lib/outbox/seq-gaps.js';

function gapsAfter(seqs: readonly number[], capturedAt = Date.now()): [from: number, to: number][] {
  const gaps = new SeqGaps();
  for (const seq of seqs) gaps.passed(seq, capturedAt);
  return gaps.ranges.map(({ from, to }) => [from, to]);
}

describe('gaps in the numbers of rows', () => {
  it('lists the numbers that were not there, from 1 on', () => {
    expect(gapsAfter([1, 2, 3])).toEqual([]);
    expect(gapsAfter([3, 4, 7])).toEqual([
      [1, 2],
      [5, 6],
    ]);
  });

  it('ignores gaps before old events, and rows that are read again', () => {
    expect(gapsAfter([3, 7], Date.now() - 3_600_000)).toEqual([]);
    expect(gapsAfter([3, 2, 1, 2, 3, 4])).toEqual([[1, 2]]);
  });

  it('keeps old gaps until they were looked up, since the process may have been stopped', () => {
    const gaps = new SeqGaps();
    gaps.passed(3, Date.now());
    const found = performance.now();
    expect(gaps.ranges).toMatchObject([{ from: 1, to: 2 }]);
    gaps.lookedUp(found + 20_000);
    expect(gaps.ranges).toHaveLength(1);
    gaps.lookedUp(found + 3_600_000);
    expect(gaps.ranges).toEqual([]);
  });

  it('merges neighbours when there are too many, and loses none', () => {
    const ranges = gapsAfter(Array.from({ length: 5000 }, (_, index) => 2 * (index + 1)));
    expect(ranges.length).toBeLessThanOrEqual(200);
    for (let missing = 1; missing < 10_000; missing += 2)
      expect(ranges.some(([from, to]) => from <= missing && missing <= to)).toBe(true);
  });
});
