import { describe, expect, it, jest } from '@jest/globals';
import { MANUAL } from '../../../../lib/capture/exception/capture-boundary.js';
import { exceptionList } from '../../../../lib/capture/exception/exception-list.js';
import { FrameDescriber } from '../../../../lib/capture/exception/frame-describer.js';

const frames = new FrameDescriber(false);
const listOf = (thrown: unknown) => exceptionList(thrown, MANUAL, frames);
const valuesOf = (thrown: unknown): string[] => listOf(thrown).map(({ value }) => value);

function thrower(): never {
  throw new Error('not for you');
}

/** An error without a stack. */
function bare(name: string, message: string, cause?: unknown): Error {
  const error = new Error(message, cause === undefined ? undefined : { cause });
  return Object.assign(error, { name, stack: undefined });
}

function aggregate(message: string, errors: unknown, cause?: unknown): AggregateError {
  const error = new AggregateError([], message, cause === undefined ? undefined : { cause });
  return Object.assign(error, { errors, stack: undefined });
}

describe('the list', () => {
  it('a cause follows its parent', () => {
    const list = listOf(bare('CheckoutError', 'Checkout failed', bare('DatabaseError', 'Connection failed')));
    expect(list).toEqual([
      {
        type: 'CheckoutError',
        value: 'Checkout failed',
        mechanism: { type: 'generic', handled: true, synthetic: false, exception_id: 0 },
      },
      {
        type: 'DatabaseError',
        value: 'Connection failed',
        mechanism: { type: 'chained', source: 'cause', synthetic: false, exception_id: 1, parent_id: 0 },
      },
    ]);
  });

  it('members follow in order, each with its causes', () => {
    const second = bare('ValidationError', 'Validation failed', bare('ParseError', 'Invalid value'));
    const root = aggregate('Two operations failed', [bare('NetworkError', 'Network failed'), second]);
    const list = exceptionList(root, { level: 'error', type: 'task', handled: false }, frames);
    const chained = { type: 'chained', synthetic: false };
    expect(list.map(({ type, mechanism }) => [type, mechanism])).toEqual([
      ['AggregateError', { type: 'task', handled: false, synthetic: false, exception_id: 0 }],
      ['NetworkError', { ...chained, source: 'member', exception_id: 1, parent_id: 0 }],
      ['ValidationError', { ...chained, source: 'member', exception_id: 2, parent_id: 0 }],
      ['ParseError', { ...chained, source: 'cause', exception_id: 3, parent_id: 2 }],
    ]);
  });

  it('the cause of an AggregateError comes before its members', () => {
    const list = listOf(aggregate('root', [new Error('member')], new Error('cause')));
    expect(list.map(({ value, mechanism }) => [value, 'source' in mechanism && mechanism.source])).toEqual([
      ['root', false],
      ['cause', 'cause'],
      ['member', 'member'],
    ]);
  });

  it('a SuppressedError has both of its errors', () => {
    class SuppressedError extends Error {
      error = new Error('of the end');
      suppressed = new Error('of the work');
    }
    expect(listOf(new SuppressedError('both')).map(({ value, mechanism }) => [value, mechanism])).toMatchObject([
      ['both', { type: 'generic' }],
      ['of the end', { source: 'inner', parent_id: 0 }],
      ['of the work', { source: 'suppressed', parent_id: 0 }],
    ]);
  });

  it('has the first 50 errors of a long chain', () => {
    let root = bare('Error', '60');
    for (let index = 59; index >= 0; index -= 1) root = bare('Error', String(index), root);
    const list = listOf(root);
    expect(list.map(({ value }) => value)).toEqual(Array.from({ length: 50 }, (_, index) => String(index)));
    expect(
      list.slice(1).map(({ mechanism }) => [mechanism.exception_id, 'parent_id' in mechanism && mechanism.parent_id]),
    ).toEqual(Array.from({ length: 49 }, (_, index) => [index + 1, index]));
  });

  it('has no object twice', () => {
    const shared = bare('Error', 'shared');
    const root = aggregate('root', [], shared);
    shared.cause = root;
    root.errors = [
      root,
      shared,
      { error: shared },
      ...Array.from({ length: 60 }, (_, index) => bare('Error', String(index))),
    ];
    expect(valuesOf(root)).toEqual(['root', 'shared', ...Array.from({ length: 48 }, (_, index) => String(index))]);
  });

  it('a cause that is no Error is synthetic, and an Error without a stack is not', () => {
    const list = listOf(new Error('a', { cause: bare('RangeError', 'b', 'c') }));
    expect(list.map(({ mechanism }) => mechanism.synthetic)).toEqual([false, false, true]);
  });

  it('ignores `errors` of other errors', () => {
    const invalid = Object.assign(new Error('invalid'), { errors: [new Error('field')] });
    expect(valuesOf(invalid)).toEqual(['invalid']);
  });
});

describe('members', () => {
  it('1000 are looked at, including those that are listed already', () => {
    const root = aggregate('root', []);
    const read = jest.fn((): unknown => root);
    root.errors = new Proxy([], { get: (_, key) => (key === 'length' ? 0xffffffff : read()) });
    expect(valuesOf(root)).toEqual(['root']);
    expect(read).toHaveBeenCalledTimes(1000);
  });

  it('of all AggregateErrors together', () => {
    const inner = aggregate('inner', []);
    inner.errors = [...Array.from({ length: 999 }, () => inner), new Error('beyond')];
    expect(valuesOf(aggregate('outer', [inner, new Error('beyond, too')]))).toEqual(['outer', 'inner']);
  });

  it('the last one keeps its cause', () => {
    const root = aggregate('root', []);
    root.errors = [...Array.from({ length: 999 }, () => root), new Error('last', { cause: new Error('cause') })];
    const list = listOf(root);
    expect(list.map(({ value }) => value)).toEqual(['root', 'last', 'cause']);
    expect(list[2]?.mechanism).toMatchObject({ source: 'cause', parent_id: 1 });
  });

  it('one that throws when it is read is listed', () => {
    const root = aggregate('root', Object.defineProperty([1, new Error('b')], 0, { get: thrower }));
    expect(valuesOf(root)).toEqual(['root', 'an error that cannot be read', 'b']);
  });

  it.each([NaN, Infinity, -1, 1.5, '2'])('a list of length %s has none', (length) => {
    const read = jest.fn();
    const errors = new Proxy([], { get: (_, key) => (key === 'length' ? length : read(key)) });
    expect(valuesOf(aggregate('root', errors))).toEqual(['root']);
    expect(read).not.toHaveBeenCalled();
  });
});
