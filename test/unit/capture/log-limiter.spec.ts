import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { LogLimiter } from '../../../lib/capture/report/log-limiter.js';

const MINUTE = 60_000;

let now = 0;

beforeEach(() => {
  now = 0;
  jest.spyOn(performance, 'now').mockImplementation(() => now);
});
afterEach(() => {
  jest.restoreAllMocks();
});

/** Kinds that input makes, each of them twice: its second line is held back. */
function flood(limiter: LogLimiter, count: number, from = 0): void {
  for (let n = from; n < from + count; n += 1)
    for (let time = 0; time < 2; time += 1) limiter.pass(`input: field ${n}`);
}

describe('LogLimiter', () => {
  it('passes one line per kind and minute, and counts those in between', () => {
    const limiter = new LogLimiter();
    expect([limiter.pass('a'), limiter.pass('b'), limiter.pass('a'), limiter.pass('a')]).toEqual([0, 0, null, null]);
    now = MINUTE - 1;
    expect(limiter.pass('a')).toBeNull();
    now = MINUTE;
    expect([limiter.pass('a'), limiter.pass('b')]).toEqual([3, 0]);
  });

  it('treats kinds beyond a hundred as one, and forgets kinds after their minute', () => {
    const limiter = new LogLimiter();
    flood(limiter, 100);
    expect([limiter.pass('input: one more'), limiter.pass('input: and one')]).toEqual([0, null]);
    now = MINUTE;
    expect([limiter.pass('input: one more'), limiter.pass('input: and one')]).toEqual([0, 0]);
  });

  it('adds the held lines of forgotten kinds to those beyond a hundred', () => {
    const limiter = new LogLimiter();
    flood(limiter, 110);
    now = MINUTE;
    flood(limiter, 100, 200);
    // One of each of the hundred, and of the ten that shared a line all but that line.
    expect(limiter.pass('input: one more')).toBe(100 + 19);
  });

  it('a flood of one topic does not hide another', () => {
    const limiter = new LogLimiter();
    flood(limiter, 150);
    for (const kind of ['stalled: HTTP 401', 'store failed', 'dropped: rejected', 'shutdown'])
      expect([limiter.pass(kind), limiter.pass(kind)]).toEqual([0, null]);
  });
});
