import { describe, expect, it } from '@jest/globals';
import { AttachedState } from '../../../lib/shared/attached-state.js';

const REFUSING: [string, () => object][] = [
  ['a frozen object', () => Object.freeze({ a: 1 })],
  ['an object that may not be extended', () => Object.preventExtensions({ a: 1 })],
  ['a proxy that lets nobody set', () => new Proxy({ a: 1 }, { set: () => false })],
];

describe('attached state', () => {
  it.each<[string, () => object]>([['an object', () => ({ a: 1 })], ...REFUSING])(
    'belongs to %s alone',
    (_name, make) => {
      const attached = new AttachedState<{ of: string }>();
      const [one, two, none] = [make(), make(), make()];
      attached.set(one, { of: 'one' });
      attached.set(two, { of: 'two' });
      expect([attached.get(one), attached.get(two), attached.get(none)]).toEqual([
        { of: 'one' },
        { of: 'two' },
        undefined,
      ]);
      attached.set(one, { of: 'another' });
      expect(attached.get(one)).toEqual({ of: 'another' });
    },
  );

  it('is in neither the keys of an object nor its JSON', () => {
    const holder = { a: 1 };
    new AttachedState<object>('shown').set(holder, { secret: true });
    const names: string[] = [];
    for (const name in holder) names.push(name);
    expect([names, Object.keys(holder), JSON.stringify(holder)]).toEqual([['a'], ['a'], '{"a":1}']);
  });

  it('is found through a wrapper whose prototype is the object', () => {
    const attached = new AttachedState<object>();
    const [holder, state] = [{ a: 1 }, {}];
    attached.set(holder, state);
    expect(attached.get(Object.create(holder) as object)).toBe(state);
    expect(attached.get(new Proxy(holder, {}))).toBe(state);
  });

  it('is shared only by name', () => {
    const holder = {};
    const state = {};
    new AttachedState<object>('name').set(holder, state);
    expect(new AttachedState<object>('name').get(holder)).toBe(state);
    expect(new AttachedState<object>('other').get(holder)).toBeUndefined();
    expect(new AttachedState<object>().get(holder)).toBeUndefined();
  });
});
