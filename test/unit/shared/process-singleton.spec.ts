import { describe, expect, it } from '@jest/globals';
import { processClass, processSingleton } from '../../../lib/shared/process-singleton.js';

describe('processSingleton', () => {
  it('creates once per name', () => {
    const first = processSingleton('test: a', () => ({}));
    expect(processSingleton('test: a', () => ({}))).toBe(first);
    expect(processSingleton('test: b', () => ({}))).not.toBe(first);
  });
});

describe('processClass', () => {
  it('returns the first class of a name, called by that name', () => {
    class FirstClass {
      readonly first = 1;
    }
    class SecondClass {
      readonly second = 2;
    }
    expect(processClass('test: Class', FirstClass)).toBe(FirstClass);
    const again: unknown = processClass('test: Class', SecondClass);
    expect(again).toBe(FirstClass);
    expect(FirstClass.name).toBe('test: Class');
  });
});
