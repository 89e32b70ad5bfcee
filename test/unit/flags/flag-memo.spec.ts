import { expect, it } from '@jest/globals';
import { CallMemos } from '../../../lib/flags/call-memos.js';
import { FlagMemo } from '../../../lib/flags/flag-memo.js';
import { type FlagAnswer } from '../../../lib/flags/flag-snapshot.js';

const known = (keys: readonly string[]): FlagAnswer => ({
  keys,
  degraded: undefined,
  snapshot: { keys, getFlag: (key) => keys.includes(key), getFlagPayload: () => null },
});

it('evaluates the flags of a turn together, and each once', async () => {
  const memo = new FlagMemo('ann');
  const asked: string[][] = [];
  const request = {
    declared: ['declared'],
    evaluate: (keys: readonly string[], also: readonly string[]) => {
      asked.push([...keys, '+', ...also]);
      return Promise.resolve(known([...keys, ...also]));
    },
  };
  await Promise.all([memo.find(['a', 'b'], request), memo.find(['b'], request)]);
  await memo.find(['a', 'declared', 'c'], request);
  expect(asked).toEqual([
    ['a', 'b', '+', 'declared'],
    ['c', '+'],
  ]);
});

it('asks again for a declared flag that the answer does not have', async () => {
  const memo = new FlagMemo('ann');
  const request = { declared: ['declared'], evaluate: (keys: readonly string[]) => Promise.resolve(known(keys)) };
  const [[a], [declared]] = await Promise.all([memo.find(['a'], request), memo.find(['declared'], request)]);
  expect([a?.value, declared?.value]).toEqual([true, true]);
});

it('keeps a bounded number of flags and persons, and finds them all', async () => {
  const request = { declared: [], evaluate: (keys: readonly string[]) => Promise.resolve(known(keys)) };
  const memo = new FlagMemo('ann');
  const keys = Array.from({ length: 3000 }, (_, n) => `flag-${n}`);
  expect(await memo.find(keys, request)).toHaveLength(3000);
  await memo.find(['one-more'], request);
  expect([...memo.records]).toHaveLength(1001);

  const [memos, owner] = [new CallMemos(), {}];
  const first = memos.memoOf(owner, 'person-0');
  for (let n = 1; n < 1000; n++) memos.memoOf(owner, `person-${n}`);
  expect(memos.memoOf(owner, 'person-0')).toBe(first);
  memos.memoOf(owner, 'person-1000');
  expect(memos.memoOf(owner, 'person-0')).not.toBe(first);
});
