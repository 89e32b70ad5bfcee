import { stripVTControlCharacters } from 'node:util';
import { Test } from '@nestjs/testing';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type CaptureService } from 'nestjs-posthog-capture';
import { type CaptureRecorder, type ExpectedEvent, overrideCapture } from 'nestjs-posthog-capture/testing';
import 'nestjs-posthog-capture/testing/jest';
import { closeAll } from '../../support/harness.js';
import { record } from '../../support/recording.js';

afterEach(closeAll);

/** A recorder of an application that has captured something. */
async function after(act: (capture: CaptureService) => unknown, enabled = true): Promise<CaptureRecorder> {
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

/** What a failing expectation says. */
function messageOf(fail: () => unknown): string {
  try {
    fail();
  } catch (error) {
    return stripVTControlCharacters((error as Error).message);
  }
  throw new Error('nothing failed');
}

describe('an event is as expected', () => {
  it.each<[string, ExpectedEvent | undefined]>([
    ['when nothing is expected of it', undefined],
    ['by its person', { distinctId: 'user_1' }],
    ['by a matcher in the place of a field', { distinctId: expect.stringMatching(/^user_/) }],
    ['by some of its properties', { properties: { price: 99.99 } }],
    ['by objectContaining', { distinctId: 'user_1', properties: expect.objectContaining({ price: 99.99 }) }],
    ['by a matcher in the place of a property', { properties: { price: expect.closeTo(100, 0) } }],
    ['by the matcher of a matcher', { properties: expect.not.objectContaining({ price: 1 }) }],
    ['by a matcher for all of it', expect.objectContaining({ event: 'purchase_completed', distinctId: 'user_1' })],
    ['by a part of what is deep inside', { properties: { items: [{ sku: 'a' }] } }],
    ['by a matcher deep inside', { properties: { items: [expect.objectContaining({ tags: ['x', 'y'] })] } }],
    ['by what is not there', { properties: { coupon: undefined } }],
    ['by the number that its group had', { groups: { company: 7 } }],
    ['by the text that its group has', { groups: { company: '7' } }],
    ['by the Date that it had', { timestamp: new Date('2026-03-01T10:00:00Z') }],
    ['by the text of its time', { timestamp: '2026-03-01T10:00:00.000Z' }],
    ['by what beforeSend would see', { properties: { $groups: { company: '7' }, $is_server: true } }],
  ])('%s', async (_, expected) => {
    const recorder = await after((capture) => capture.capture(buy(99.99)));
    expect(recorder).toHaveCaptured('purchase_completed', expected);
    expect(recorder).toHaveCapturedTimes('purchase_completed', 1, expected);
    expect(() => expect(recorder).not.toHaveCaptured('purchase_completed', expected)).toThrow('should not have been');
    expect(() => expect(recorder).not.toHaveCapturedTimes('purchase_completed', 1, expected)).toThrow('1 time');
  });

  it.each<[string, ExpectedEvent, string]>([
    ['another person', { distinctId: 'user_2' }, 'distinctId: expected "user_2", received "user_1"'],
    ['another price', { properties: { price: 1 } }, 'properties.price: expected 1, received 99.99'],
    ['another type', { properties: { price: '99.99' } }, 'properties.price: expected "99.99", received 99.99'],
    [
      'objectContaining something else',
      { properties: expect.objectContaining({ price: 1, items: expect.any(Array) }) },
      'properties.price: expected 1, received 99.99',
    ],
    [
      'objectContaining less than is there, which is exact within',
      { properties: expect.objectContaining({ items: [{ sku: 'a' }] }) },
      'properties.items.0.tags: expected nothing, received ["x", "y"]',
    ],
    [
      'not.objectContaining what is there',
      { properties: expect.not.objectContaining({ price: 99.99 }) },
      'properties: expected ObjectNotContaining {"price": 99.99}, received {',
    ],
    ['another list', { properties: { items: [] } }, 'properties.items: expected [], received [{"sku": "a"'],
    [
      'something deep inside',
      { properties: { items: [{ tags: ['x', 'z'] }] } },
      'properties.items.0.tags.1: expected "z", received "y"',
    ],
    ['a property', { properties: { total: 1 } }, 'properties.total: expected 1, it is not there'],
    ['a property by another name', { properties: { prise: 1 } }, 'expected 1, it is not there, but there is "price"'],
    ['no such property', { properties: { price: undefined } }, 'properties.price: expected nothing, received 99.99'],
    ['an object in place of a value', { properties: { price: { net: 1 } } }, 'properties.price: expected {"net": 1}'],
    ['a pattern', { properties: { price: /9/ } }, 'properties.price: expected /9/, received 99.99'],
    [
      'a matcher with a sample',
      { distinctId: expect.stringMatching(/^customer_/) },
      'distinctId: expected StringMatching /^customer_/, received "user_1"',
    ],
    ['a matcher', { uuid: expect.any(Number) }, 'uuid: expected Any<Number>, received "'],
    ['a matcher for all of it', expect.objectContaining({ distinctId: 'user_2' }), 'distinctId: expected "user_2"'],
    ['nobody', { distinctId: undefined }, 'distinctId: expected nothing, received "user_1"'],
  ])('not when the test wants %s', async (_, expected, difference) => {
    const recorder = await after((capture) => capture.capture(buy(99.99)));
    expect(recorder).not.toHaveCaptured('purchase_completed', expected);
    expect(recorder).toHaveCapturedTimes('purchase_completed', 0, expected);
    const message = messageOf(() => expect(recorder).toHaveCaptured('purchase_completed', expected));
    expect(message).toContain(difference);
  });
});

describe('a failure says', () => {
  it('where the one event of the name differs', async () => {
    const recorder = await after((capture) => capture.capture(buy(9.99)));
    const expected = { distinctId: 'user_2', properties: expect.objectContaining({ price: 99.99 }) };
    expect(messageOf(() => expect(recorder).toHaveCaptured('purchase_completed', expected))).toMatchInlineSnapshot(`
"expect(recorder).toHaveCaptured("purchase_completed")

"purchase_completed" was captured once, but not as expected:
  1. of "user_1", with {"price": 9.99, "items": [{"sku": "a", "tags": ["x", "y"]}], "$groups": {"company": "7"}}
     distinctId: expected "user_2", received "user_1"
     properties.price: expected 99.99, received 9.99

Captured: purchase_completed (1)
Dropped: nothing"
`);
  });

  it('which of several comes closest', async () => {
    const recorder = await after((capture) => {
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

"bought" was captured 4 times, but never as expected. The closest first:
  3. of "user_3", with {"price": 3}
     properties.price: expected 4, received 3
  4. of "user_4", with {"price": 4}
     distinctId: expected "user_3", received "user_4"
  1. of "user_1", with {"price": 1}
     distinctId: expected "user_3", received "user_1"
     properties.price: expected 4, received 1
  and 1 more

Captured: bought (4)
Dropped: nothing"
`);
  });

  it('that there is nothing, and what to look at', async () => {
    const recorder = await after(() => undefined);
    expect(messageOf(() => expect(recorder).toHaveCaptured('bought'))).toMatchInlineSnapshot(`
"expect(recorder).toHaveCaptured("bought")

No "bought" was captured. Is the call over, and did it succeed? @TrackEvent captures at the end of a call, and only a success unless "on" says otherwise.

Captured: nothing
Dropped: nothing"
`);
  });

  it('which name comes near', async () => {
    const recorder = await after((capture) => capture.capture({ event: 'order_placed', distinctId: 'a' }));
    const message = messageOf(() => expect(recorder).toHaveCaptured('order_paced'));
    expect(message).toContain('No "order_paced" was captured. There is "order_placed".');
  });

  it('that it was dropped, and why', async () => {
    const recorder = await after((capture) => {
      capture.capture({ event: 'bought', distinctId: ' ' });
      capture.withContext({ optedOut: true }, () => capture.capture({ event: 'seen', distinctId: 'a' }));
    });
    expect(messageOf(() => expect(recorder).toHaveCaptured('bought'))).toMatchInlineSnapshot(`
"expect(recorder).toHaveCaptured("bought")

No "bought" was captured. It was dropped.

Captured: nothing
Dropped:
  "bought" (invalid): distinctId must be a text that is not blank or a finite number, at most 200 bytes long, but it is blank
  "seen" (opted_out): the acting person opted out"
`);
  });

  it('how many were dropped beyond the first', async () => {
    const recorder = await after((capture) => {
      for (let index = 0; index < 8; index += 1) capture.capture({ event: '' });
    });
    expect(recorder.dropped).toHaveLength(8);
    const message = messageOf(() => expect(recorder).toHaveCaptured('bought'));
    expect(message.match(/"" \(invalid\)/g)).toHaveLength(5);
    expect(message).toMatch(/ {2}and 3 more$/);
  });

  it('that the instance is disabled', async () => {
    const recorder = await after((capture) => capture.capture(buy(1)), false);
    expect(messageOf(() => expect(recorder).toHaveCaptured('purchase_completed'))).toMatchInlineSnapshot(`
"expect(recorder).toHaveCaptured("purchase_completed")

No "purchase_completed" was captured.

The instance is disabled, by option enabled or by disable(), and captures nothing. Where code says enabled: false, overrideCapture(builder, { enabled: true }) turns it on.
Captured: nothing
Dropped: nothing"
`);
  });

  it('no more than fits of what is large', async () => {
    const recorder = await after((capture) =>
      capture.capture({ event: 'bought', distinctId: 'a', properties: { text: 'x'.repeat(100_000) } }),
    );
    const message = messageOf(() => expect(recorder).toHaveCaptured('bought', { properties: { text: 'y' } }));
    expect(message).toContain('properties.text: expected "y", received "xxx');
    expect(message.length).toBeLessThan(3000);
  });

  it('what was cleared before', async () => {
    const { capture, recorder } = await record();
    capture.capture(buy(1));
    recorder.clear();
    const message = messageOf(() => expect(recorder).toHaveCaptured('purchase_completed'));
    expect(message).toContain('Captured: nothing\nBefore clear(): 1 event\nDropped: nothing');
  });

  it('which should not have been', async () => {
    const recorder = await after((capture) => {
      capture.capture(buy(1, 'user_1'));
      capture.capture(buy(2, 'user_2'));
    });
    const expected = { distinctId: 'user_2' };
    expect(messageOf(() => expect(recorder).not.toHaveCaptured('purchase_completed', expected))).toMatchInlineSnapshot(`
"expect(recorder).not.toHaveCaptured("purchase_completed")

"purchase_completed" was captured once and should not have been:
  2. of "user_2", with {"price": 2, "items": [{"sku": "a", "tags": ["x", "y"]}], "$groups": {"company": "7"}}

Captured: purchase_completed (2)
Dropped: nothing"
`);
  });

  it.each<[string, (recorder: CaptureRecorder) => unknown, string]>([
    [
      'too many',
      (recorder) => expect(recorder).toHaveCapturedTimes('bought', 1),
      '"bought" should have been captured 1 time, but was 2 times:\n  1. of "a", with {"n": 1}\n  2. of "b", with {"n": 2}\n',
    ],
    [
      'too few as expected',
      (recorder) => expect(recorder).toHaveCapturedTimes('bought', 2, { properties: { n: 1 } }),
      '"bought" should have been captured 2 times as expected, but was 1 time:\n  1. of "a", with {"n": 1}\n  2. of "b", with {"n": 2}\n     properties.n: expected 1, received 2\n',
    ],
    [
      'none',
      (recorder) => expect(recorder).toHaveCapturedTimes('sold', 2),
      '"sold" should have been captured 2 times, but was 0 times. Is the call over',
    ],
    [
      'as many as there should not be',
      (recorder) => expect(recorder).not.toHaveCapturedTimes('bought', 1, { distinctId: 'b' }),
      '"bought" should not have been captured 1 time as expected, but was:\n  2. of "b", with {"n": 2}\n',
    ],
    [
      'none where there should be some',
      (recorder) => expect(recorder).not.toHaveCapturedTimes('sold', 0),
      '"sold" should not have been captured 0 times.\n',
    ],
  ])('that it was captured %s', async (_, fail, text) => {
    const recorder = await after((capture) => {
      capture.capture({ event: 'bought', distinctId: 'a', properties: { n: 1 } });
      capture.capture({ event: 'bought', distinctId: 'b', properties: { n: 2 } });
    });
    expect(messageOf(() => fail(recorder))).toContain(text);
  });
});

describe('nothing was captured', () => {
  it.each<[string, boolean, (capture: CaptureService) => unknown]>([
    ['as nothing happened', true, () => undefined],
    [
      'after disable()',
      true,
      (capture) => {
        capture.disable();
        capture.capture(buy(1));
      },
    ],
    ['of who opted out', true, (capture) => capture.withContext({ optedOut: true }, () => capture.capture(buy(1)))],
    ['with enabled: false', false, (capture) => capture.capture(buy(1))],
  ])('%s', async (_, enabled, act) => {
    const recorder = await after(act, enabled);
    expect(recorder).not.toHaveCaptured('purchase_completed');
    expect(recorder).toHaveCapturedTimes('purchase_completed', 0);
    expect(recorder).not.toHaveCapturedTimes('purchase_completed', 1);
  });
});

describe('a call that cannot be meant is no failure but an error, with .not as well:', () => {
  it.each<[string, unknown, unknown[], string]>([
    [
      'PostHog’s spelling',
      undefined,
      ['x', { distinct_id: 'a' }],
      'no field "distinct_id": did you mean "distinctId"?',
    ],
    [
      'a property at the top',
      undefined,
      ['x', { price: 1 }],
      'no field "price": properties of the event go into "prop',
    ],
    [
      'a text',
      undefined,
      ['x', 'price'],
      'must be an object of distinctId, properties, groups, timestamp, uuid, but it',
    ],
    ['null', undefined, ['x', null], 'but it is null'],
    ['no name', undefined, [undefined], 'the name of the event must be a text, but it is missing'],
    [
      'not a recorder',
      { events: [] },
      ['x'],
      'looks at a CaptureRecorder, but got an object: expect(recorder), or exp',
    ],
    ['no recorder', null, ['x'], 'looks at a CaptureRecorder, but got null'],
  ])('%s', async (_, subject, args, message) => {
    const { recorder } = await record();
    const received = subject === undefined ? recorder : subject;
    for (const one of [expect(received), expect(received).not]) {
      const toHaveCaptured = Reflect.get(one, 'toHaveCaptured') as (...args: unknown[]) => void;
      expect(() => toHaveCaptured(...args)).toThrow(message);
    }
  });

  it('a recorder that no instance writes to', () => {
    const recorder = overrideCapture(Test.createTestingModule({}));
    expect(recorder.isConnected).toBe(false);
    for (const one of [recorder, recorder.isolate((own) => own)].flatMap((each) => [expect(each), expect(each).not])) {
      for (const [look, matcher] of [
        [() => one.toHaveCaptured('x'), 'toHaveCaptured'],
        [() => one.toHaveCapturedTimes('x', 0), 'toHaveCapturedTimes'],
        [() => one.toHaveCapturedTimes('x', 1), 'toHaveCapturedTimes'],
      ] as const)
        expect(look).toThrow(
          `${matcher} has nothing to look at.\n\nNo instance writes to this recorder. Does the application import PostHogCaptureModule, and`,
        );
    }
  });

  it.each([-1, 1.5, NaN, '1', undefined])('%p times', async (times) => {
    const { recorder } = await record();
    for (const one of [expect(recorder), expect(recorder).not]) {
      expect(() => one.toHaveCapturedTimes('x', times as number)).toThrow(
        'number of times must be 0, 1, 2 …, but it is',
      );
    }
  });
});
