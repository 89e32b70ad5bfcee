import { describe, expect, it } from '@jest/globals';
import { describeError, describeStoreError, quotes } from '../../../lib/wire/describe-error.js';
import { revoked, spiteful } from '../../support/hostile-values.js';

const KEY = 'phc_0123456789';
const coded = (message: string, code: unknown, more: object = {}): Error =>
  Object.assign(new Error(message), { code, ...more });
const circular = coded('', undefined);
circular.cause = circular;

describe('describeError', () => {
  it.each<[string, unknown, string]>([
    ['of Node', coded('connect ECONNREFUSED 127.0.0.1:1', 'ECONNREFUSED'), 'connect ECONNREFUSED 127.0.0.1:1'],
    ['without the code in its message', coded('socket hang up', 'ECONNRESET'), 'socket hang up (ECONNRESET)'],
    ['that ends with a line break', coded('write EPROTO 0A00010B:\n', 'EPROTO'), 'write EPROTO 0A00010B:'],
    ['without a message', coded('', 'ENOTFOUND'), 'ENOTFOUND'],
    [
      'of several addresses',
      coded('', 'ECONNREFUSED', { errors: [coded('a EX', 'EX'), coded('b EY', 'EY')] }),
      'a EX, b EY',
    ],
    ['with a cause', new TypeError('fetch failed', { cause: coded('no route EHOST', 'EHOST') }), 'no route EHOST'],
    ['of an interceptor', new RangeError('payload-secret'), 'RangeError of an interceptor or adapter'],
    ['with an arbitrary name', Object.assign(new Error('x'), { name: 'payload-secret' }), 'unknown error'],
    ['with a number for a code', coded('payload-secret', 5), 'Error of an interceptor or adapter'],
    ['that is a string', 'payload-secret', 'unknown error'],
    ['that is undefined', undefined, 'unknown error'],
    ['that is its own cause', circular, 'Error of an interceptor or adapter'],
    ['that is a revoked proxy', revoked(), 'unknown error'],
    ['that is a spiteful proxy', spiteful(), 'unknown error'],
    ['that contains the key', coded(`bad ${KEY} in ${KEY}`, 'EKEY'), 'bad *** in *** (EKEY)'],
  ])('an error %s', (_, error, expected) => {
    expect(describeError(error, KEY)).toBe(expected);
  });

  it('cuts a long message, and leaves no part of the key at the cut', () => {
    const described = describeError(coded(`${'x'.repeat(195)}${KEY}`, 'E'), KEY);
    expect(described).toBe(`${'x'.repeat(195)}*** (`);
  });
});

describe('describeStoreError', () => {
  const events = [{ payload: '{"event":"order_placed","properties":{"card":"4111 1111 1111 1111","size":987654321}}' }];

  it.each<[unknown, string]>([
    [new Error('it is full (maxBytes is 5)'), 'it is full (maxBytes is 5)'],
    [new Error(`no table ${KEY}`), 'no table ***'],
    [new Error('cannot write order_placed'), 'cannot write order_placed'],
    [new Error('cannot write 4111 1111 1111 1111'), 'the message is not shown because it quotes an event'],
    [new Error('cannot write {"card":"4111 1111 1111 11'), 'the message is not shown because it quotes an event'],
    [new Error('cannot write 987654321'), 'the message is not shown because it quotes an event'],
    [undefined, 'unknown error'],
    [{ message: 5 }, 'unknown error'],
    [spiteful(), 'unknown error'],
  ])('case %#', (error, expected) => {
    expect(describeStoreError(error, KEY, events)).toBe(expected);
  });
});

describe('quotes', () => {
  it.each<[string, string, string, boolean]>([
    ['a value', 'value "a@example.com" is bad', '{"properties":{"mail":"a@example.com"}}', true],
    ['a nested value', 'bad: a@example.com', '{"properties":{"a":[{"b":"a@example.com"}]}}', true],
    ['a distinct id', 'bad id user_12345', '{"distinct_id":"user_12345"}', true],
    ['a part of a long value', `near ${'y'.repeat(30)}`, `{"properties":{"text":"${'y'.repeat(5000)}"}}`, true],
    ['a number', 'bad 1234567890', '{"properties":{"n":1234567890}}', true],
    ['not a payload of an event', 'bad', 'nothing of the kind', false],
    ['a part of text that is not JSON', 'bad: nothing of the kind', 'nothing of the kind', true],
    ['the name of the event', 'order_placed is bad', '{"event":"order_placed","properties":{"a":"b"}}', false],
    ['the name of a property', 'properties.plan is bad', '{"event":"e","properties":{"plan":"professional"}}', false],
    ['a common word', 'it is full', '{"properties":{"tank":"full"}}', false],
  ])('%s', (_, text, payload, expected) => {
    expect(quotes(text, ['{"event":"other"}', payload])).toBe(expected);
  });
});
