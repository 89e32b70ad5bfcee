import { stripVTControlCharacters } from 'node:util';
import { Test } from '@nestjs/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type CaptureService } from 'nestjs-posthog-capture';
import {
  type CaptureRecorder,
  type ExpectedEvent,
  type ExpectedException,
  overrideCapture,
} from 'nestjs-posthog-capture/testing';
import 'nestjs-posthog-capture/testing/jest';
import { closeAll } from '../../support/harness.js';
import { record } from '../../support/recording.js';

afterEach(closeAll);

async function recorderAfter(act: (capture: CaptureService) => unknown, enabled = true): Promise<CaptureRecorder> {
  const { capture, recorder } = await record({ enabled });
  act(capture);
  return recorder;
}

const buy = (price: number, distinctId = 'user_1') => ({
  event: 'purchase_completed',
  distinctId,
  properties: { price, items: [{ sku: 'a', tags: ['x', 'y'] }], coupon: undefined },
  groups: { company: 7 },
  timestamp: new Date('2026-03-01T10:00:00Z'),
});

function messageOf(fail: () => unknown): string {
  try {
    fail();
  } catch (error) {
    return stripVTControlCharacters((error as Error).message);
  }
  throw new Error('the assertion passed');
}

describe('an event matches', () => {
  it.each<[string, ExpectedEvent | undefined]>([
    ['without expected fields', undefined],
    ['by distinct id', { distinctId: 'user_1' }],
    ['by a matcher for a field', { distinctId: expect.stringMatching(/^user_/) }],
    ['by some of its properties', { properties: { price: 99.99 } }],
    ['by objectContaining', { distinctId: 'user_1', properties: expect.objectContaining({ price: 99.99 }) }],
    ['by a matcher for a property', { properties: { price: expect.closeTo(100, 0) } }],
    ['by a negated matcher', { properties: expect.not.objectContaining({ price: 1 }) }],
    [
      'by a matcher for the whole event',
      expect.objectContaining({ event: 'purchase_completed', distinctId: 'user_1' }),
    ],
    ['by part of a nested object', { properties: { items: [{ sku: 'a' }] } }],
    ['by a nested matcher', { properties: { items: [expect.objectContaining({ tags: ['x', 'y'] })] } }],
    ['by an absent property', { properties: { coupon: undefined } }],
    ['by the number passed as a group key', { groups: { company: 7 } }],
    ['by the string sent as a group key', { groups: { company: '7' } }],
    ['by the Date passed as its timestamp', { timestamp: new Date('2026-03-01T10:00:00Z') }],
    ['by the string sent as its timestamp', { timestamp: '2026-03-01T10:00:00.000Z' }],
    ['by properties that the library adds', { properties: { $groups: { company: '7' }, $is_server: true } }],
  ])('%s', async (_, expected) => {
    const recorder = await recorderAfter((capture) => capture.capture(buy(99.99)));
    expect(recorder).toHaveCaptured('purchase_completed', expected);
    expect(recorder).toHaveCapturedTimes('purchase_completed', 1, expected);
    expect(() => expect(recorder).not.toHaveCaptured('purchase_completed', expected)).toThrow('should not have been');
    expect(() => expect(recorder).not.toHaveCapturedTimes('purchase_completed', 1, expected)).toThrow('1 time');
  });

  it.each<[string, ExpectedEvent, string]>([
    ['another distinct id', { distinctId: 'user_2' }, 'distinctId: expected "user_2", received "user_1"'],
    ['another price', { properties: { price: 1 } }, 'properties.price: expected 1, received 99.99'],
    ['another type', { properties: { price: '99.99' } }, 'properties.price: expected "99.99", received 99.99'],
    [
      'objectContaining another value',
      { properties: expect.objectContaining({ price: 1, items: expect.any(Array) }) },
      'properties.price: expected 1, received 99.99',
    ],
    [
      'objectContaining an incomplete nested object, which it compares exactly',
      { properties: expect.objectContaining({ items: [{ sku: 'a' }] }) },
      'properties.items.0.tags: expected no value, received ["x", "y"]',
    ],
    [
      'not.objectContaining an existing value',
      { properties: expect.not.objectContaining({ price: 99.99 }) },
      'properties: expected ObjectNotContaining {"price": 99.99}, received {',
    ],
    ['another array', { properties: { items: [] } }, 'properties.items: expected [], received [{"sku": "a"'],
    [
      'another nested value',
      { properties: { items: [{ tags: ['x', 'z'] }] } },
      'properties.items.0.tags.1: expected "z", received "y"',
    ],
    ['a missing property', { properties: { total: 1 } }, 'properties.total: expected 1, but it is missing'],
    ['a misspelled property', { properties: { prise: 1 } }, 'expected 1, but it is missing; did you mean "price"?'],
    ['an absent property', { properties: { price: undefined } }, 'properties.price: expected no value, received 99.99'],
    ['an object instead of a number', { properties: { price: { net: 1 } } }, 'properties.price: expected {"net": 1}'],
    ['a RegExp', { properties: { price: /9/ } }, 'properties.price: expected /9/, received 99.99'],
    [
      'a matcher with a sample',
      { distinctId: expect.stringMatching(/^customer_/) },
      'distinctId: expected StringMatching /^customer_/, received "user_1"',
    ],
    ['a matcher', { uuid: expect.any(Number) }, 'uuid: expected Any<Number>, received "'],
    [
      'a matcher for the whole event',
      expect.objectContaining({ distinctId: 'user_2' }),
      'distinctId: expected "user_2"',
    ],
    ['no distinct id', { distinctId: undefined }, 'distinctId: expected no value, received "user_1"'],
  ])('does not match %s', async (_, expected, difference) => {
    const recorder = await recorderAfter((capture) => capture.capture(buy(99.99)));
    expect(recorder).not.toHaveCaptured('purchase_completed', expected);
    expect(recorder).toHaveCapturedTimes('purchase_completed', 0, expected);
    const message = messageOf(() => expect(recorder).toHaveCaptured('purchase_completed', expected));
    expect(message).toContain(difference);
  });
});

describe('a failure message', () => {
  it('lists the differences of the only event with the name', async () => {
    const recorder = await recorderAfter((capture) => capture.capture(buy(9.99)));
    const expected = { distinctId: 'user_2', properties: expect.objectContaining({ price: 99.99 }) };
    expect(messageOf(() => expect(recorder).toHaveCaptured('purchase_completed', expected))).toMatchInlineSnapshot(`
"expect(recorder).toHaveCaptured("purchase_completed")

"purchase_completed" was captured once, but not as expected:
  1. distinctId: "user_1", properties: {"price": 9.99, "items": [{"sku": "a", "tags": ["x", "y"]}], "$groups": {"company": "7"}}
     distinctId: expected "user_2", received "user_1"
     properties.price: expected 99.99, received 9.99

Captured: purchase_completed (1)
Dropped: nothing"
`);
  });

  it('lists the closest of several events first', async () => {
    const recorder = await recorderAfter((capture) => {
      for (const [price, person] of [
        [1, 'user_1'],
        [2, 'user_2'],
        [3, 'user_3'],
        [4, 'user_4'],
      ] as const)
        capture.capture({ event: 'bought', distinctId: person, properties: { price } });
    });
    const expected = { distinctId: 'user_3', properties: { price: 4 } };
    expect(messageOf(() => expect(recorder).toHaveCaptured('bought', expected))).toMatchInlineSnapshot(`
"expect(recorder).toHaveCaptured("bought")

"bought" was captured 4 times, but never as expected. Closest first:
  3. distinctId: "user_3", properties: {"price": 3}
     properties.price: expected 4, received 3
  4. distinctId: "user_4", properties: {"price": 4}
     distinctId: expected "user_3", received "user_4"
  1. distinctId: "user_1", properties: {"price": 1}
     distinctId: expected "user_3", received "user_1"
     properties.price: expected 4, received 1
  and 1 more

Captured: bought (4)
Dropped: nothing"
`);
  });

  it('suggests causes if nothing was captured', async () => {
    const recorder = await recorderAfter(() => undefined);
    expect(messageOf(() => expect(recorder).toHaveCaptured('bought'))).toMatchInlineSnapshot(`
"expect(recorder).toHaveCaptured("bought")

"bought" was not captured. Has the call completed, and did it succeed? @TrackEvent captures when a call ends, and by default only if it succeeds.

Captured: nothing
Dropped: nothing"
`);
  });

  it('suggests a similar name', async () => {
    const recorder = await recorderAfter((capture) => capture.capture({ event: 'order_placed', distinctId: 'a' }));
    const message = messageOf(() => expect(recorder).toHaveCaptured('order_paced'));
    expect(message).toContain('"order_paced" was not captured. Did you mean "order_placed"?');
  });

  it('lists dropped events with the reason', async () => {
    const recorder = await recorderAfter((capture) => {
      capture.capture({ event: 'bought', distinctId: ' ' });
      capture.withContext({ optedOut: true }, () => capture.capture({ event: 'seen', distinctId: 'a' }));
    });
    expect(messageOf(() => expect(recorder).toHaveCaptured('bought'))).toMatchInlineSnapshot(`
"expect(recorder).toHaveCaptured("bought")

"bought" was not captured. It was dropped.

Captured: nothing
Dropped:
  "bought" (invalid): distinctId must be a non-blank string or a finite number, at most 200 bytes long, but it is blank
  "seen" (opted_out): the current person opted out"
`);
  });

  it('limits the number of dropped events', async () => {
    const recorder = await recorderAfter((capture) => {
      for (let index = 0; index < 8; index += 1) capture.capture({ event: '' });
    });
    expect(recorder.dropped).toHaveLength(8);
    const message = messageOf(() => expect(recorder).toHaveCaptured('bought'));
    expect(message.match(/"" \(invalid\)/g)).toHaveLength(5);
    expect(message).toMatch(/ {2}and 3 more$/);
  });

  it('mentions a disabled instance', async () => {
    const recorder = await recorderAfter((capture) => capture.capture(buy(1)), false);
    expect(messageOf(() => expect(recorder).toHaveCaptured('purchase_completed'))).toMatchInlineSnapshot(`
"expect(recorder).toHaveCaptured("purchase_completed")

"purchase_completed" was not captured.

The instance is disabled, by the option enabled or by disable(), and captures nothing. overrideCapture(builder, { enabled: true }) overrides enabled: false.
Captured: nothing
Dropped: nothing"
`);
  });

  it('truncates large values', async () => {
    const recorder = await recorderAfter((capture) =>
      capture.capture({ event: 'bought', distinctId: 'a', properties: { text: 'x'.repeat(100_000) } }),
    );
    const message = messageOf(() => expect(recorder).toHaveCaptured('bought', { properties: { text: 'y' } }));
    expect(message).toContain('properties.text: expected "y", received "xxx');
    expect(message.length).toBeLessThan(3000);
  });

  it('mentions cleared events', async () => {
    const { capture, recorder } = await record();
    capture.capture(buy(1));
    recorder.clear();
    const message = messageOf(() => expect(recorder).toHaveCaptured('purchase_completed'));
    expect(message).toContain('Captured: nothing\nBefore clear(): 1 event\nDropped: nothing');
  });

  it('lists unwanted events', async () => {
    const recorder = await recorderAfter((capture) => {
      capture.capture(buy(1, 'user_1'));
      capture.capture(buy(2, 'user_2'));
    });
    const expected = { distinctId: 'user_2' };
    expect(messageOf(() => expect(recorder).not.toHaveCaptured('purchase_completed', expected))).toMatchInlineSnapshot(`
"expect(recorder).not.toHaveCaptured("purchase_completed")

"purchase_completed" should not have been captured, but was captured once:
  2. distinctId: "user_2", properties: {"price": 2, "items": [{"sku": "a", "tags": ["x", "y"]}], "$groups": {"company": "7"}}

Captured: purchase_completed (2)
Dropped: nothing"
`);
  });

  it.each<[string, (recorder: CaptureRecorder) => unknown, string]>([
    [
      'too many',
      (recorder) => expect(recorder).toHaveCapturedTimes('bought', 1),
      '"bought" should have been captured 1 time, but was captured 2 times:\n  1. distinctId: "a", properties: {"n": 1}\n  2. distinctId: "b", properties: {"n": 2}\n',
    ],
    [
      'too few matching',
      (recorder) => expect(recorder).toHaveCapturedTimes('bought', 2, { properties: { n: 1 } }),
      '"bought" should have been captured 2 times with the expected fields, but was captured 1 time:\n  1. distinctId: "a", properties: {"n": 1}\n  2. distinctId: "b", properties: {"n": 2}\n     properties.n: expected 1, received 2\n',
    ],
    [
      'none',
      (recorder) => expect(recorder).toHaveCapturedTimes('sold', 2),
      '"sold" should have been captured 2 times, but was captured 0 times. Has the call completed',
    ],
    [
      'an unwanted number',
      (recorder) => expect(recorder).not.toHaveCapturedTimes('bought', 1, { distinctId: 'b' }),
      '"bought" should not have been captured 1 time with the expected fields, but was:\n  2. distinctId: "b", properties: {"n": 2}\n',
    ],
    [
      'none, unexpectedly',
      (recorder) => expect(recorder).not.toHaveCapturedTimes('sold', 0),
      '"sold" should not have been captured 0 times.\n',
    ],
  ])('counts events: %s', async (_, fail, text) => {
    const recorder = await recorderAfter((capture) => {
      capture.capture({ event: 'bought', distinctId: 'a', properties: { n: 1 } });
      capture.capture({ event: 'bought', distinctId: 'b', properties: { n: 2 } });
    });
    expect(messageOf(() => fail(recorder))).toContain(text);
  });
});

describe('nothing is captured', () => {
  it.each<[string, boolean, (capture: CaptureService) => unknown]>([
    ['without a call', true, () => undefined],
    [
      'after disable()',
      true,
      (capture) => {
        capture.disable();
        capture.capture(buy(1));
      },
    ],
    ['after an opt-out', true, (capture) => capture.withContext({ optedOut: true }, () => capture.capture(buy(1)))],
    ['with enabled: false', false, (capture) => capture.capture(buy(1))],
  ])('%s', async (_, enabled, act) => {
    const recorder = await recorderAfter(act, enabled);
    expect(recorder).not.toHaveCaptured('purchase_completed');
    expect(recorder).toHaveCapturedTimes('purchase_completed', 0);
    expect(recorder).not.toHaveCapturedTimes('purchase_completed', 1);
  });
});

describe('an invalid call throws an error, also with .not:', () => {
  it.each<[string, unknown, unknown[], string]>([
    [
      'PostHog’s spelling',
      undefined,
      ['x', { distinct_id: 'a' }],
      'no field "distinct_id": did you mean "distinctId"?',
    ],
    [
      'a property at the top level',
      undefined,
      ['x', { price: 1 }],
      'no field "price": properties of the event belong in "pr',
    ],
    [
      'a string',
      undefined,
      ['x', 'price'],
      'must be an object with any of distinctId, properties, groups, timestamp, uuid, but',
    ],
    ['null', undefined, ['x', null], 'but it is null'],
    ['no name', undefined, [undefined], 'the event must be its name or its definition, but it is missing'],
    [
      'not a recorder',
      { events: [] },
      ['x'],
      'expects a CaptureRecorder, but got an object: use expect(recorder) or exp',
    ],
    ['no recorder', null, ['x'], 'expects a CaptureRecorder, but got null'],
  ])('%s', async (_, subject, args, message) => {
    const { recorder } = await record();
    const received = subject === undefined ? recorder : subject;
    for (const one of [expect(received), expect(received).not]) {
      const toHaveCaptured = Reflect.get(one, 'toHaveCaptured') as (...args: unknown[]) => void;
      expect(() => toHaveCaptured(...args)).toThrow(message);
    }
  });

  it('a recorder without an instance', () => {
    const recorder = overrideCapture(Test.createTestingModule({}));
    expect(recorder.isConnected).toBe(false);
    for (const one of [recorder, recorder.isolate((own) => own)].flatMap((each) => [expect(each), expect(each).not])) {
      for (const [look, matcher] of [
        [() => one.toHaveCaptured('x'), 'toHaveCaptured'],
        [() => one.toHaveCapturedTimes('x', 0), 'toHaveCapturedTimes'],
        [() => one.toHaveCapturedTimes('x', 1), 'toHaveCapturedTimes'],
      ] as const)
        expect(look).toThrow(
          `${matcher}: this recorder records nothing.\n\nNo instance writes to this recorder. Does the application import PostHogCaptureModule, and`,
        );
    }
  });

  it.each([-1, 1.5, NaN, '1', undefined])('%p times', async (times) => {
    const { recorder } = await record();
    for (const one of [expect(recorder), expect(recorder).not]) {
      expect(() => one.toHaveCapturedTimes('x', times as number)).toThrow(
        'number of times must be a non-negative integer, but it is',
      );
    }
  });
});

describe('toHaveCapturedException', () => {
  class PaymentError extends Error {}
  const failing = (): Promise<CaptureRecorder> =>
    recorderAfter((capture) => {
      capture.captureException(new PaymentError('card declined', { cause: new TypeError('x') }), {
        distinctId: 'user_1',
        properties: { order: 5 },
      });
      capture.captureException('boom');
    });

  it.each<[string, ExpectedException | undefined, ExpectedEvent | undefined]>([
    ['any', undefined, undefined],
    ['a class', PaymentError, undefined],
    ['a part of the message', 'declined', undefined],
    ['a regular expression', /^card/g, undefined],
    ['the message of a text', 'boom', undefined],
    ['fields of the event', PaymentError, { distinctId: 'user_1', properties: { order: 5 } }],
    ['fields of the event alone', undefined, { properties: { $exception_level: 'error' } }],
  ])('passes for %s', async (_, error, expected) => {
    const recorder = await failing();
    expect(recorder).toHaveCapturedException(error, expected);
    expect(() => expect(recorder).not.toHaveCapturedException(error, expected)).toThrow(
      'should not have been captured',
    );
  });

  it.each<[string, ExpectedException | undefined, ExpectedEvent | undefined, string]>([
    ['another class', RangeError, undefined, 'type: expected "RangeError", received "PaymentError"'],
    ['the class of a cause', TypeError, undefined, 'type: expected "TypeError", received "PaymentError"'],
    ['another message', 'lost', undefined, 'message: expected "lost", received "card declined"'],
    ['another expression', /lost/, undefined, 'message: expected /lost/, received "card declined"'],
    ['another person', PaymentError, { distinctId: 'b' }, 'distinctId: expected "b", received "user_1"'],
  ])('fails for %s', async (_, error, expected, reason) => {
    const recorder = await failing();
    expect(recorder).not.toHaveCapturedException(error, expected);
    const message = messageOf(() => expect(recorder).toHaveCapturedException(error, expected));
    expect(message).toContain(reason);
    expect(message).toContain('"$exception_type": "PaymentError"');
    expect(message).not.toContain('lineno');
  });

  it('fails if nothing was captured', async () => {
    const recorder = await recorderAfter(() => undefined);
    expect(recorder).not.toHaveCapturedException();
    expect(messageOf(() => expect(recorder).toHaveCapturedException())).toContain('"$exception" was not captured.');
  });

  it.each<[string, unknown, string]>([
    ['fields of the event as the first argument', { distinctId: 'a' }, 'as the second argument'],
    ['a number', 5, 'must be a class'],
    ['null', null, 'must be a class'],
  ])('throws for %s, also with .not', async (_, error, reason) => {
    const recorder = await failing();
    expect(messageOf(() => expect(recorder).not.toHaveCapturedException(error as ExpectedException))).toContain(reason);
    expect(messageOf(() => expect(recorder).toHaveCapturedException(error as ExpectedException))).toContain(reason);
  });
});
