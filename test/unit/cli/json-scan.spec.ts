import { describe, expect, it } from '@jest/globals';
import { scanJson } from '../../../lib/cli/import/json-scan.js';

const found = (text: string): string[] => scanJson(text).map(({ kind, path }) => `${kind} ${path.join('.')}`);
const nested = (levels: number): string => `{"properties":{"a":${'['.repeat(levels)}${']'.repeat(levels)}}}`;

describe('the scan of a line', () => {
  it.each([
    ['{"a":1,"b":[1.5,-2e3,0.1,1e21],"c":"1e400","d":{"e":null,"f":true}}', ['number b']],
    ['{"a":[1.0,1e999,2.0,1e400],"b":[[3.0],[4.0]]}', ['number a', 'overflow a', 'number b', 'number b']],
    ['{"a":1e400,"b":-1e999}', ['overflow a', 'overflow b']],
    ['{"a":0.1234567890123456789}', ['digits a']],
    ['{"a":0.12345678901234567,"b":0.10000000000000001}', ['number a', 'number b']],
    ['{"a":1e-400}', ['digits a']],
    ['{"a":9007199254740993,"b":9007199254740991}', ['rounded a']],
    ['{"a":7.0,"b":-0,"c":0}', ['number a', 'number b']],
    ['{"a":1,"b":{"a":2,"a":3},"a":4}', ['duplicate b.a', 'duplicate a']],
    ['{"a":1,"\\u0061":2}', ['duplicate a']],
    ['{"a":"\\u0000","b":"\\ud800","c":"\\ud83d\\ude00","d":"\\\\u0000"}', ['characters a', 'characters b']],
    ['{"\\u0000":1}', ['characters \u0000']],
    ['{"a":" x","b":"x\\n","c":"x y"}', ['space a', 'space b']],
    ['{"a":[{"b":1},{"b":2}],"c":"\\"}{"}', []],
    [nested(98), []],
    [nested(99), ['depth properties.a']],
    [nested(20_000), ['depth properties.a']],
  ])('%s', (text, expected) => {
    expect(found(text)).toEqual(expected);
  });

  it('takes no longer for many values that are nested deeply', () => {
    const depth = 200_000;
    const values = Array.from({ length: depth }, (_, index) => `${index}.0`).join();
    expect(found(`{"a":${'['.repeat(depth)}${values}${']'.repeat(depth)}}`)).toEqual(['depth a', 'number a']);
  });
});
