import { describe, expect, it } from '@jest/globals';
import { SeqGaps } from '../../../lib/outbox/seq-gaps.js';

function gapsAfter(seqs: readonly number[], capturedAt = Date.now()): [from: number, to: number][] {
  const gaps = new SeqGaps();
  for (const seq of seqs) gaps.passed(seq, capturedAt);
  return gaps.upTo(Infinity).map(({ from, to }) => [from, to]);
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

  it('lists only numbers up to where a read began', () => {
    const gaps = new SeqGaps();
    for (const seq of [3, 9, 12]) gaps.passed(seq, Date.now());
    expect(gaps.upTo(6)).toEqual([
      { from: 1, to: 2 },
      { from: 4, to: 6 },
    ]);
    expect(gaps.upTo(0)).toEqual([]);
  });

  it('keeps old gaps until they were looked up, since the process may have been stopped', () => {
    const gaps = new SeqGaps();
    gaps.passed(3, Date.now());
    const found = performance.now();
    gaps.passed(7, Date.now());
    expect(gaps.upTo(7)).toEqual([
      { from: 1, to: 2 },
      { from: 4, to: 6 },
    ]);
    gaps.lookedUp(7, found + 20_000);
    expect(gaps.upTo(7)).toHaveLength(2);
    gaps.lookedUp(5, found + 3_600_000);
    expect(gaps.upTo(7)).toEqual([{ from: 4, to: 6 }]);
    gaps.lookedUp(6, found + 3_600_000);
    expect(gaps.upTo(7)).toEqual([]);
  });

  it('merges neighbours when there are too many, and loses none', () => {
    const ranges = gapsAfter(Array.from({ length: 5000 }, (_, index) => 2 * (index + 1)));
    expect(ranges.length).toBeLessThanOrEqual(200);
    for (let missing = 1; missing < 10_000; missing += 2)
      expect(ranges.some(([from, to]) => from <= missing && missing <= to)).toBe(true);
  });
});
