import { Test } from '@nestjs/testing';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { CaptureService, type EventDrop, getCaptureToken } from 'nestjs-posthog-capture';
import { CaptureRecorder, PostHogCaptureTestingModule, recorderOf } from 'nestjs-posthog-capture/testing';
import 'nestjs-posthog-capture/testing/jest';
import { closeAll, expectBalanced, onClose } from '../../support/harness.js';
import { record, silent } from '../../support/recording.js';

const UUID = '0197c0de-0000-7000-8000-000000000001';

afterEach(async () => {
  jest.useRealTimers();
  await closeAll();
});

describe('a recorded event', () => {
  it.each(['v0', 'v1'] as const)(
    'contains what PostHog would receive, with the field names of capture (%s)',
    async (captureMode) => {
      const { capture, recorder } = await record({ captureMode, superProperties: { plan: 'pro' } });
      const at = new Date('2026-03-01T10:00:00Z');
      capture.capture({
        event: 'bought',
        distinctId: 42,
        properties: { at, price: 9.5, none: undefined, big: 10n, list: new Set([1]) },
        groups: { company: 7 },
        timestamp: at,
        uuid: UUID.toUpperCase(),
        options: { processPersonProfile: false },
      });
      expect(recorder.events).toEqual([
        {
          event: 'bought',
          distinctId: '42',
          properties: expect.objectContaining({
            at: '2026-03-01T10:00:00.000Z',
            price: 9.5,
            plan: 'pro',
            $groups: { company: '7' },
            $lib: 'nestjs-posthog-capture',
            $process_person_profile: false,
          }),
          groups: { company: '7' },
          timestamp: '2026-03-01T10:00:00.000Z',
          uuid: UUID,
        },
      ]);
      const [event] = recorder.events;
      expect(event!.properties).not.toHaveProperty('none');
      expect(event!.raw).toEqual({
        event: 'bought',
        distinct_id: '42',
        properties: event!.properties,
        timestamp: '2026-03-01T10:00:00.000Z',
        uuid: UUID,
      });
    },
  );

  it('is there as soon as the call returns, in order, for every method', async () => {
    const { capture, recorder } = await record();
    const uuid = capture.capture({ event: 'one', distinctId: 'a' });
    expect(recorder.last?.uuid).toBe(uuid);
    capture.identify({ distinctId: 'a', set: { name: 'Ann' } });
    capture.groupIdentify({ groupType: 'company', groupKey: 'acme', set: { seats: 3 } });
    capture.captureException(new Error('no'), { distinctId: 'a' });
    expect(recorder.events.map(({ event }) => event)).toEqual(['one', '$identify', '$groupidentify', '$exception']);
    expect(recorder).toHaveCaptured('$identify', { distinctId: 'a', properties: { $set: { name: 'Ann' } } });
  });

  it('does not change if the caller changes the properties later', async () => {
    const { capture, recorder } = await record();
    const properties = { price: 1, item: { sku: 'a' } };
    capture.capture({ event: 'one', distinctId: 'a', properties });
    properties.item.sku = 'b';
    expect(recorder.find('one')?.properties.item).toEqual({ sku: 'a' });
  });

  it('has passed through the context and beforeSend', async () => {
    const { capture, recorder } = await record({
      beforeSend: (event) => (event.event === 'secret' ? null : { ...event, distinct_id: `hash_${event.distinct_id}` }),
    });
    capture.withContext({ distinctId: 'a', groups: { company: 'acme' } }, () => {
      capture.capture({ event: 'seen' });
      capture.capture({ event: 'secret' });
    });
    expect(recorder.events).toHaveLength(1);
    expect(recorder).toHaveCaptured('seen', { distinctId: 'hash_a', groups: { company: 'acme' } });
    expect(recorder.dropped).toMatchObject([{ reason: 'before_send', event: 'secret' }]);
  });
});

describe('finding events', () => {
  it('filters by name and expected fields', async () => {
    const { capture, recorder } = await record();
    expect(recorder.last).toBeUndefined();
    expect(recorder.find('a')).toBeUndefined();
    for (const [event, n] of [
      ['a', 1],
      ['b', 2],
      ['a', 3],
    ] as const)
      capture.capture({ event, distinctId: 'p', properties: { n } });
    expect(recorder.find('a')?.properties.n).toBe(1);
    expect(recorder.find('a', { properties: { n: 3 } })?.properties.n).toBe(3);
    expect(recorder.filter('a').map(({ properties }) => properties.n)).toEqual([1, 3]);
    expect(recorder.filter('a', { distinctId: 'q' })).toEqual([]);
    expect(recorder.last?.properties.n).toBe(3);
    expect(() => recorder.find('a', { n: 1 } as object)).toThrow('no field "n"');
  });

  it('finds none after clear(), which leaves returned arrays unchanged', async () => {
    const { capture, recorder } = await record();
    capture.capture({ event: 'a', distinctId: 'p' });
    capture.capture({ event: '' });
    const { events, dropped } = recorder;
    recorder.clear();
    expect([recorder.events, recorder.dropped]).toEqual([[], []]);
    expect([events.length, dropped.length]).toEqual([1, 1]);
  });
});

describe('waitFor', () => {
  it('resolves with earlier and later events', async () => {
    const { capture, recorder } = await record();
    capture.capture({ event: 'a', distinctId: 'p', properties: { n: 1 } });
    expect((await recorder.waitFor('a')).properties.n).toBe(1);
    const second = recorder.waitFor('a', { count: 2 });
    const third = recorder.waitFor('a', { matching: { properties: { n: 3 } } });
    for (const n of [2, 3]) capture.capture({ event: 'a', distinctId: 'p', properties: { n } });
    expect((await second).properties.n).toBe(2);
    expect((await third).properties.n).toBe(3);
  });

  it('rejects on timeout with a summary', async () => {
    const { capture, recorder } = await record();
    capture.capture({ event: 'a', distinctId: 'p' });
    capture.capture({ event: 'b', distinctId: '' });
    await expect(recorder.waitFor('b', { timeoutMs: 5 })).rejects.toThrow(
      [
        'Timed out after 5 ms waiting for 1 event "b".',
        '',
        'Captured: a (1)',
        'Dropped:',
        '  "b" (invalid): distinctId must be a non-blank string or a finite number, at most 200 bytes long, but it is blank',
      ].join('\n'),
    );
    const matching = { distinctId: 'q' };
    await expect(recorder.waitFor('a', { count: 2, matching, timeoutMs: 5 })).rejects.toThrow(
      'Timed out after 5 ms waiting for 2 matching events "a".',
    );
    await expect(recorder.waitFor('a', { matching: { n: 1 } as object })).rejects.toThrow('no field "n"');
  });

  it('leaves no timer behind', async () => {
    const { capture, recorder } = await record();
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const wait = recorder.waitFor('a', { timeoutMs: 60_000 });
    expect(timers()).toBe(before + 1);
    capture.capture({ event: 'a', distinctId: 'p' });
    await wait;
    expect(timers()).toBe(before);
  });
});

describe('delivery', () => {
  it('completes at the end of the turn, and the counts always add up', async () => {
    const deliveries: number[] = [];
    const { capture } = await record({ onDelivery: ({ uuids }) => deliveries.push(uuids.length) });
    const check = (pending: number, delivered: number): void => {
      expectBalanced(capture);
      expect(capture.stats()).toMatchObject({ pending, delivered });
      expect(capture.stats().pendingBytes > 0).toBe(pending > 0);
    };
    check(0, 0);
    capture.capture({ event: 'a', distinctId: 'p' });
    capture.capture({ event: 'b', distinctId: 'p' });
    capture.capture({ event: '' });
    check(2, 0);
    expect(deliveries).toEqual([]);
    await Promise.resolve();
    check(0, 2);
    expect(deliveries).toEqual([2]);
    expect(capture.stats()).toMatchObject({ captured: 3, dropped: 1, droppedByReason: { invalid: 1 } });
  });

  it('succeeds immediately for flush, ready and captureNow', async () => {
    const { capture, recorder } = await record();
    capture.capture({ event: 'a', distinctId: 'p' });
    expect(await capture.flush()).toEqual({ delivered: 1, pending: 0, dropped: {}, error: null });
    expect(await capture.flush()).toEqual({ delivered: 0, pending: 0, dropped: {}, error: null });
    await capture.ready();
    const result = await capture.captureNow({ event: 'b', distinctId: 'p' });
    expect(JSON.stringify(result)).toBe('{"success":true,"event":"b","distinct_id":"p","error":null}');
    expect(recorder.last?.uuid).toBe(result.uuid);
    expect(await capture.captureNow({ event: '', distinctId: 'p' })).toMatchObject({ success: false });
    const given = { signal: AbortSignal.abort() };
    expect(await capture.captureNow({ event: 'c', distinctId: 'p' }, given)).toMatchObject({
      success: false,
      error: 'PostHog request aborted',
    });
    expect(recorder).not.toHaveCaptured('c');
    expect(recorder.dropped.map(({ reason }) => reason)).toEqual(['invalid', 'undelivered']);
    expectBalanced(capture);
  });

  it('works with fake timers', async () => {
    const { capture, recorder, module } = await record();
    jest.useFakeTimers();
    capture.capture({ event: 'a', distinctId: 'p' });
    expect(await capture.flush()).toMatchObject({ delivered: 1 });
    expect(await capture.captureNow({ event: 'b', distinctId: 'p' })).toMatchObject({ success: true });
    expect(jest.getTimerCount()).toBe(0);
    expect(recorder.events).toHaveLength(2);
    await module.close();
  });

  it('accepts events of late shutdown hooks until shutdownTimeoutMs', async () => {
    const { capture, recorder, module } = await record({ shutdownTimeoutMs: 0 });
    capture.capture({ event: 'a', distinctId: 'p' });
    await module.close();
    expect(capture.capture({ event: 'b', distinctId: 'p' })).toBeNull();
    expect(await capture.captureNow({ event: 'c', distinctId: 'p' })).toMatchObject({
      success: false,
      error: 'Event dropped: shutdown',
    });
    expect(recorder.dropped).toMatchObject([
      { reason: 'shutdown', event: 'b', detail: 'captured after shutdown' },
      { reason: 'shutdown', event: 'c' },
    ]);
    expectBalanced(capture);

    const late = await record();
    await late.module.close();
    late.capture.capture({ event: 'from a late hook', distinctId: 'p' });
    expect(late.recorder.events).toHaveLength(1);
    expectBalanced(late.capture);
  });

  it('calls onDrop, even if it throws', async () => {
    const drops: EventDrop[] = [];
    const { capture, recorder } = await record({
      onDrop: (drop) => {
        drops.push({ ...drop });
        drop.detail = 'changed';
        throw new Error('no');
      },
    });
    capture.capture({ event: '' });
    expect(recorder.dropped).toEqual(drops);
  });

  it('opens no handles', async () => {
    const before = process.getActiveResourcesInfo().sort();
    const { capture } = await record();
    capture.capture({ event: 'a', distinctId: 'p' });
    await capture.captureNow({ event: 'b', distinctId: 'p' });
    expect(process.getActiveResourcesInfo().sort()).toEqual(before);
  });
});

describe('PostHogCaptureTestingModule', () => {
  it('validates options like PostHogCaptureModule, but needs no API key', async () => {
    await expect(record({ flushAt: 0, host: 'nowhere', ...{ flushAtt: 1 } })).rejects.toThrow(
      /flushAtt: there is no such option; did you mean flushAt\?[^]*host[^]*flushAt \(/,
    );
    await expect(record({ apiKey: 'phx_personal' })).rejects.toThrow('not a personal API key');
    await expect(record({ apiKey: '' })).resolves.toBeDefined();
  });

  it('respects options and the environment, except POSTHOG_ENABLED', async () => {
    Object.assign(process.env, { POSTHOG_ENABLED: 'false', POSTHOG_MAX_EVENT_BYTES: '400' });
    try {
      const { capture, recorder } = await record();
      capture.capture({ event: 'small', distinctId: 'p' });
      capture.capture({ event: 'large', distinctId: 'p', properties: { text: 'x'.repeat(400) } });
      expect(recorder).toHaveCaptured('small');
      expect(recorder.dropped).toMatchObject([{ event: 'large', reason: 'too_large' }]);
      const disabled = await record({ enabled: false });
      expect(disabled.capture.capture({ event: 'small', distinctId: 'p' })).toBeNull();
      expect(disabled.recorder.isRecording).toBe(false);
      expect(disabled.recorder.isConnected).toBe(true);
      expect(disabled.recorder.events).toEqual([]);
    } finally {
      for (const name of ['POSTHOG_ENABLED', 'POSTHOG_MAX_EVENT_BYTES']) Reflect.deleteProperty(process.env, name);
    }
  });

  it('records each error of a type, unless the test or the application sets a limit', async () => {
    const counts = [{}, { exceptions: { observe: false } }, { exceptions: { limit: { burst: 3 } } }].map(
      async (options) => {
        const { capture, recorder } = await record(options);
        for (let index = 0; index < 15; index += 1) capture.captureException(new TypeError(`number ${index}`));
        return [recorder.filter('$exception').length, recorder.dropped.length];
      },
    );
    expect(await Promise.all(counts)).toEqual([
      [15, 0],
      [15, 0],
      [3, 12],
    ]);
  });

  it('provides a recorder per instance', async () => {
    const module = await Test.createTestingModule({
      imports: [
        PostHogCaptureTestingModule.forRoot({ logger: silent }),
        PostHogCaptureTestingModule.forRoot({ name: 'billing', logger: silent }),
        PostHogCaptureTestingModule.forRootAsync({ name: 'async', useFactory: () => ({ superProperties: { a: 1 } }) }),
      ],
    }).compile();
    onClose(() => module.close());
    module.get(CaptureService).capture({ event: 'default', distinctId: 'p' });
    module.get<CaptureService>(getCaptureToken('billing')).capture({ event: 'billed', distinctId: 'p' });
    module.get<CaptureService>(getCaptureToken('async')).capture({ event: 'later', distinctId: 'p' });
    expect(recorderOf(module).events.map(({ event }) => event)).toEqual(['default']);
    expect(recorderOf(module, 'billing').events.map(({ event }) => event)).toEqual(['billed']);
    expect(recorderOf(module, 'async')).toHaveCaptured('later', { properties: { a: 1 } });
    expect(() => PostHogCaptureTestingModule.forRootAsync({})).toThrow('expected useFactory, useClass or useExisting');
  });

  it('provides a recorder per application that imports the same dynamic module', async () => {
    const imports = [PostHogCaptureTestingModule.forRoot({ logger: silent })];
    const [one, two] = await Promise.all([0, 1].map(() => Test.createTestingModule({ imports }).compile()));
    onClose(() => Promise.all([one!.close(), two!.close()]));
    one!.get(CaptureService).capture({ event: 'one', distinctId: 'p' });
    expect(recorderOf(one!).events).toHaveLength(1);
    expect(recorderOf(two!).events).toHaveLength(0);
  });
});

describe('CaptureRecorder', () => {
  it('has the name it is exported under', () => {
    expect(CaptureRecorder.name).toBe('CaptureRecorder');
  });

  it("is what Nest's message names if PostHogCaptureTestingModule was not imported", async () => {
    const module = Test.createTestingModule({
      providers: [{ provide: 'probe', inject: [CaptureRecorder], useFactory: () => null }],
    });
    await expect(module.compile()).rejects.toThrow(/CaptureRecorder at index \[0\] is available/);
  });
});
