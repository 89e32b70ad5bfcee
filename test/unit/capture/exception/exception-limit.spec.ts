import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ExceptionLimit } from '../../../../lib/capture/exception/exception-limit.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const passed = (limit: ExceptionLimit, type: string, count: number): number =>
  Array.from({ length: count }, () => limit.pass(type)).filter((suppressed) => suppressed !== null).length;

describe('ExceptionLimit', () => {
  it('passes ten at once, and one more each ten seconds', () => {
    const limit = new ExceptionLimit();
    expect(passed(limit, 'A', 5000)).toBe(10);
    jest.advanceTimersByTime(9999);
    expect(passed(limit, 'A', 5)).toBe(0);
    jest.advanceTimersByTime(1);
    expect(passed(limit, 'A', 5)).toBe(1);
    jest.advanceTimersByTime(30_000);
    expect(passed(limit, 'A', 50)).toBe(3);
    jest.advanceTimersByTime(3_600_000);
    expect(passed(limit, 'A', 50)).toBe(10);
  });

  it('passes no second burst to a type that was quiet', () => {
    const limit = new ExceptionLimit();
    limit.pass('A');
    jest.advanceTimersByTime(3_600_000);
    expect(passed(limit, 'A', 50)).toBe(10);
    jest.advanceTimersByTime(9999);
    expect(passed(limit, 'A', 50)).toBe(0);
  });

  it('limits each type by itself', () => {
    const limit = new ExceptionLimit({ burst: 2, everyMs: 100 });
    expect([passed(limit, 'A', 9), passed(limit, 'B', 9)]).toEqual([2, 2]);
  });

  it('tells the next one how many were suppressed', () => {
    const limit = new ExceptionLimit({ burst: 1, everyMs: 100 });
    expect(Array.from({ length: 4 }, () => limit.pass('A'))).toEqual([0, null, null, null]);
    jest.advanceTimersByTime(100);
    expect(limit.pass('A')).toBe(3);
    jest.advanceTimersByTime(100);
    expect(limit.pass('A')).toBe(0);
  });

  it('does not grow with the number of types', () => {
    const limit = new ExceptionLimit({ burst: 1, everyMs: 100 });
    for (let n = 0; n < 500; n += 1) limit.pass(`T${n}`);
    // One bucket for all others.
    expect([limit.pass('X'), limit.pass('Y')]).toEqual([0, null]);
    jest.advanceTimersByTime(100);
    expect([limit.pass('X'), limit.pass('Y')]).toEqual([0, 0]);
  });
});
