import { describe, expect, it } from '@jest/globals';
import { followSignal, timeoutOf } from '../../../lib/capture/input/wait-limits.js';
import { revoked, spiteful } from '../../support/hostile-values.js';

function thrower(): never {
  throw new Error('hostile');
}

describe('timeoutOf', () => {
  it.each<[string, unknown, number | undefined]>([
    ['a number', { timeoutMs: 5 }, 5],
    ['zero', { timeoutMs: 0 }, 0],
    ['less than zero', { timeoutMs: -1 }, -1],
    ['for ever', { timeoutMs: Infinity }, Infinity],
    ['NaN', { timeoutMs: NaN }, undefined],
    ['text', { timeoutMs: '5' }, undefined],
    ['a bigint', { timeoutMs: 5n }, undefined],
    ['none', {}, undefined],
    ['undefined options', undefined, undefined],
    ['null options', null, undefined],
    ['options that are a number', 5, undefined],
    ['options that are a revoked proxy', revoked(), undefined],
    ['options that are a spiteful proxy', spiteful(), undefined],
    ['a getter that throws', Object.defineProperty({}, 'timeoutMs', { get: thrower }), undefined],
  ])('%s', (_, options, expected) => {
    expect(timeoutOf(options)).toBe(expected);
  });
});

describe('followSignal', () => {
  it('aborts with the caller’s signal, and stops listening to it', () => {
    const theirs = new AbortController();
    const followed = followSignal({ signal: theirs.signal })!;
    const released = followSignal({ signal: theirs.signal })!;
    released.release();
    expect(followed.signal.aborted).toBe(false);
    theirs.abort();
    expect([followed.signal.aborted, released.signal.aborted]).toEqual([true, false]);
  });

  it('aborts immediately with an aborted signal', () => {
    expect(followSignal({ signal: AbortSignal.abort() })!.signal.aborted).toBe(true);
  });

  it('follows a signal of another library', () => {
    const theirs = Object.assign(new EventTarget(), { aborted: false });
    const { signal } = followSignal({ signal: theirs })!;
    theirs.dispatchEvent(new Event('abort'));
    expect(signal.aborted).toBe(true);
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['options that throw', spiteful()],
    ['a text', { signal: 'abort' }],
    ['null', { signal: null }],
  ])('has nothing to follow in %s', (_, options) => {
    expect(followSignal(options)).toBeUndefined();
  });

  it.each<[string, unknown]>([
    ['an imitation', Object.create(AbortSignal.prototype)],
    ['a spiteful proxy', spiteful()],
    ['a revoked proxy', revoked()],
    [
      'one whose methods throw',
      Object.assign(new AbortController().signal, { addEventListener: thrower, removeEventListener: thrower }),
    ],
    ['an object', {}],
  ])('never aborts with %s, and never throws', (_, signal) => {
    const followed = followSignal({ signal })!;
    expect(followed.signal.aborted).toBe(false);
    expect(followed.release).not.toThrow();
  });
});
