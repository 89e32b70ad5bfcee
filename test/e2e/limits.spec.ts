import { afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type CaptureEvent, type CaptureService, defineEvent, type EventStats } from 'nestjs-posthog-capture';
import { type FakePostHog } from 'nestjs-posthog-capture/testing';
import { z } from 'zod';
import { type CompiledLib, compileLib } from '../support/compiled-lib.js';
import { Children } from '../support/children.js';
import { boot, closeAll, expectBalanced, onClose, start } from '../support/harness.js';

let passed = 0;

afterEach(async () => {
  jest.restoreAllMocks();
  await closeAll();
});

/** Time passes only when the test says so. */
function stopTime(): void {
  passed = 1000;
  jest.spyOn(performance, 'now').mockImplementation(() => passed);
}

const countsOf = (capture: CaptureService, event: string): EventStats | undefined =>
  capture.stats().byEvent.find((one) => one.event === event);

const sentBy = ({ events }: FakePostHog) =>
  events as unknown as { event: string; distinct_id: string; uuid: string; properties: Record<string, unknown> }[];

const personsOf = (posthog: FakePostHog, event: string): string[] =>
  [...new Set(sentBy(posthog).flatMap((sent) => (sent.event === event ? [sent.distinct_id] : [])))].sort();

describe('300,000 events of three names', () => {
  it('are kept within 1 % of their rates, for the same persons in two instances, and all accounted for', async () => {
    stopTime();
    // Each person views one page; within 1 % needs this many.
    const PERSONS = 100_000;
    const OPENINGS = 25_000;
    // Fewer than the persons that are remembered for `once`.
    const OPENERS = 20_000;
    const CAPTURES = PERSONS + 2 * OPENINGS;
    const limits = {
      page_viewed: { sampleRate: 0.1 },
      'tick_*': { perMinute: 2000 },
      app_opened: { once: 'person' },
    } as const;
    const instances = await Promise.all([start({ limits, flushAt: 500 }), start({ limits, flushAt: 500 })]);
    for (let index = 0; index < PERSONS; index += 1) {
      for (const { capture } of instances) {
        capture.capture({ event: 'page_viewed', distinctId: `user_${index}` });
        if (index >= OPENINGS) continue;
        const opener = `user_${index % OPENERS}`;
        capture.capture({ event: 'app_opened', distinctId: opener });
        capture.capture({ event: 'tick_started', distinctId: opener });
      }
      if (index === OPENERS) passed += 60_000;
      if (index % 5000 === 0) await Promise.all(instances.map(({ capture }) => capture.ready()));
    }
    await Promise.all(instances.map(({ capture }) => capture.flush({ timeoutMs: 110_000 })));
    for (const { capture, posthog } of instances) {
      expectBalanced(capture);
      const stats = capture.stats();
      expect(stats).toMatchObject({ captured: CAPTURES, pending: 0 });
      const viewed = countsOf(capture, 'page_viewed')!;
      const rate = 1 - viewed.dropped / viewed.captured;
      expect(Math.abs(rate / 0.1 - 1)).toBeLessThan(0.01);
      expect(viewed.droppedByReason).toEqual({ sampled: viewed.dropped });
      expect(countsOf(capture, 'tick_started')?.droppedByReason).toEqual({ over_limit: OPENINGS - 4000 });
      expect(countsOf(capture, 'app_opened')?.droppedByReason).toEqual({ over_limit: OPENINGS - OPENERS });
      expect(posthog.violations).toEqual([]);
      expect(posthog.events).toHaveLength(stats.delivered);
      expect(stats.dropped + stats.delivered).toBe(CAPTURES);
    }
    const [first, second] = instances.map(({ posthog }) =>
      sentBy(posthog).filter(({ event }) => event === 'page_viewed'),
    );
    expect(new Set(first!.map(({ properties }) => properties.$sample_rate))).toEqual(new Set([0.1]));
    const persons = (sent: typeof first): string[] => [...new Set(sent!.map((one) => one.distinct_id))].sort();
    expect(persons(first).length).toBeGreaterThan(9900);
    expect(persons(first)).toEqual(persons(second));
  });
});

describe('another process', () => {
  let lib: CompiledLib;
  beforeAll(async () => {
    lib = await compileLib();
  });

  it('keeps the same persons', async () => {
    onClose(() => lib.remove());
    const limits = { step: { sampleRate: 0.5 } };
    const { capture, posthog } = await start({ limits });
    const children = new Children();
    onClose(async () => {
      children.killAll();
      await Promise.resolve();
    });
    const { posthog: theirs } = await start({});
    await children.start({ lib, task: 'flood', options: { host: theirs.url, limits, flood: 110 } }).ended;
    for (let person = 0; person < 11; person += 1) capture.capture({ event: 'step', distinctId: `person_${person}` });
    await capture.flush();
    const kept = personsOf(posthog, 'step');
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(11);
    expect(personsOf(theirs, 'step')).toEqual(kept);
    expect(theirs.events).toHaveLength(10 * kept.length);
  });
});

describe('an event over its limit', () => {
  it('is dropped with its reason, and one line that says what to do', async () => {
    const { capture, drops, lines, posthog } = await start({ limits: { a: { perMinute: 1 }, b: { sampleRate: 0 } } });
    expect(capture.capture({ event: 'a', distinctId: 'ann' })).not.toBeNull();
    expect(capture.capture({ event: 'a', distinctId: 'ann' })).toBeNull();
    expect(await capture.captureNow({ event: 'a', distinctId: 'ann' })).toMatchObject({
      success: false,
      error: 'Event dropped: over_limit',
      uuid: null,
    });
    expect(capture.capture({ event: 'b', distinctId: 'ann' })).toBeNull();
    expect(drops.map(({ reason, detail }) => [reason, detail])).toEqual([
      ['over_limit', 'more than 1 per minute (perMinute)'],
      ['over_limit', 'more than 1 per minute (perMinute)'],
      ['sampled', 'its person is not among those that sampleRate 0 keeps'],
    ]);
    expect(lines).toEqual([
      'Event "a" dropped (over_limit): more than 1 per minute (perMinute). Remedy: raise its limit in option limits or in its definition if such events are wanted.',
    ]);
    await capture.flush();
    expect(posthog.events).toHaveLength(1);
    expect(capture.stats()).toMatchObject({ captured: 4, dropped: 3, droppedByReason: { over_limit: 2, sampled: 1 } });
    expectBalanced(capture);
  });

  it('is not logged if it is the second of its person, as it was asked for', async () => {
    const { capture, lines } = await start({ limits: { a: { once: 'person' } } });
    for (let index = 0; index < 3; index += 1) capture.capture({ event: 'a', distinctId: 'ann' });
    expect(capture.stats().droppedByReason).toEqual({ over_limit: 2 });
    expect(lines).toEqual([]);
  });

  it('does not count if it is dropped for another reason', async () => {
    let isWanted = false;
    const { capture } = await start({
      limits: { a: { once: 'person', perMinute: 1 } },
      beforeSend: (event) => (isWanted ? event : null),
      events: { catalog: [defineEvent('a', z.object({ n: z.number().optional() }))] },
    });
    const of = (properties?: object): string | null =>
      capture.capture({ event: 'a', distinctId: 'ann', properties: properties as Record<string, unknown> });
    of();
    isWanted = true;
    of({ n: 'x' });
    of({ $set: 5n });
    expect(capture.stats().droppedByReason).toMatchObject({ before_send: 1, schema: 1 });
    expect(of()).toBeNull();
  });

  it('counts again if the first was lost', async () => {
    const { capture, posthog } = await start({ limits: { a: { once: 'person' } }, maxRetries: 0 });
    posthog.fail({ status: 400 });
    expect(await capture.captureNow({ event: 'a', distinctId: 'ann' })).toMatchObject({ success: false });
    expect(await capture.captureNow({ event: 'a', distinctId: 'ann' })).toMatchObject({ success: true });
    expect(await capture.captureNow({ event: 'a', distinctId: 'ann' })).toMatchObject({
      error: 'Event dropped: over_limit',
    });
    expectBalanced(capture);
  });

  it('counts again if the first was lost, also if beforeSend changed what it was', async () => {
    const { capture, posthog } = await start({
      limits: { a: { once: 'person' }, b: { once: 'person' } },
      maxRetries: 0,
      beforeSend: (event) =>
        event.event === 'a' || event.event === 'free'
          ? { ...event, event: 'b', distinct_id: 'bob', uuid: '00000000-0000-4000-8000-000000000000' }
          : event,
    });
    const a: CaptureEvent = {
      event: 'a',
      distinctId: 'ann',
      timestamp: '2026-01-31T12:00:00.000Z',
      dedupeKey: 'evt_1',
    };
    const b = { event: 'b', distinctId: 'bob' };
    expect(await capture.captureNow(b)).toMatchObject({ success: true });
    for (const event of [a, { event: 'free', distinctId: 'bob' }]) {
      posthog.fail({ status: 400 });
      expect(await capture.captureNow(event)).toMatchObject({ success: false });
    }
    expect(await capture.captureNow(b)).toMatchObject({ error: 'Event dropped: over_limit' });
    expect(await capture.captureNow(a)).toMatchObject({ success: true });
    expect(await capture.captureNow(a)).toMatchObject({ error: 'Event dropped: duplicate' });
    expect(await capture.captureNow({ event: 'a', distinctId: 'ann' })).toMatchObject({
      error: 'Event dropped: over_limit',
    });
    expectBalanced(capture);
  });

  it('may be an error or an identity only if its name is given', async () => {
    const { capture } = await start({ limits: { '*': { sampleRate: 0 }, $identify: { perMinute: 1 } } });
    expect(capture.captureException(new Error('x'), { distinctId: 'ann' })).not.toBeNull();
    expect(capture.setPersonProperties({ distinctId: 'ann', set: { a: 1 } })).not.toBeNull();
    expect(capture.alias({ distinctId: 'ann', alias: 'b' })).not.toBeNull();
    expect(capture.groupIdentify({ groupType: 'company', groupKey: 'x' })).not.toBeNull();
    expect(capture.capture({ event: '$feature_flag_called', distinctId: 'ann' })).not.toBeNull();
    expect(capture.identify({ distinctId: 'ann' })).not.toBeNull();
    expect(capture.identify({ distinctId: 'ann' })).toBeNull();
    expect(capture.capture({ event: '$pageview', distinctId: 'ann' })).toBeNull();
  });

  it('belongs to the person of the context; without a person all events of a context are kept, or none', async () => {
    const { capture, posthog } = await start({ limits: { a: { once: 'person' }, b: { sampleRate: 0.5 } } });
    capture.withContext({ distinctId: 'ann' }, () => {
      expect(capture.capture({ event: 'a' })).not.toBeNull();
      expect(capture.capture({ event: 'a' })).toBeNull();
    });
    const kept = Array.from({ length: 64 }, () =>
      capture.withContext(
        {},
        () => [capture.capture({ event: 'b' }), capture.capture({ event: 'b' })].filter((uuid) => uuid !== null).length,
      ),
    );
    expect(new Set(kept)).toEqual(new Set([0, 2]));
    await capture.flush();
    const ids = personsOf(posthog, 'b');
    expect(ids).toHaveLength(kept.filter((count) => count === 2).length);
  });
});

describe('the limits of a definition', () => {
  const Viewed = defineEvent('viewed', z.object({}), { sampleRate: 0, limit: { perMinute: 2 } });

  it('apply with and without a catalog, and option limits takes precedence', async () => {
    const reasons = async (options: Parameters<typeof start>[0]): Promise<unknown> => {
      const { capture } = await start(options);
      for (let index = 0; index < 3; index += 1) capture.capture(Viewed({}, { distinctId: 'ann' }));
      capture.capture({ event: 'viewed', distinctId: 'ann' });
      return capture.stats().droppedByReason;
    };
    expect(await reasons({})).toEqual({ sampled: 4 });
    expect(await reasons({ events: { catalog: [Viewed] } })).toEqual({ sampled: 4 });
    expect(await reasons({ limits: { 'v*': { sampleRate: 1 } } })).toEqual({ over_limit: 2 });
    expect(await reasons({ limits: { 'v*': { sampleRate: 1, perMinute: 1 } } })).toEqual({ over_limit: 3 });
  });

  it.each([
    [{ sampleRate: 2 }, 'sampleRate must be a number from 0 to 1'],
    [
      { limit: { perMinute: 0 } },
      'limit must be an object with perMinute (a whole number, 1 or more), perPersonPerHour',
    ],
    [{ limit: { perMinut: 1 } }, 'expected perMinute in place of perMinut'],
    [{ limit: { sampleRate: 0.1 } }, 'limit must be an object with perMinute'],
    [{ limit: 5 }, 'limit must be an object with'],
  ])('%j is refused', (info, problem) => {
    expect(() => defineEvent('viewed', z.object({}), info as never)).toThrow(problem);
  });
});

describe('dedupeKey', () => {
  const AT = '2026-01-31T12:00:00.000Z';
  const PAID: CaptureEvent = { event: 'paid', distinctId: 'ann', timestamp: AT, dedupeKey: 'evt_1' };

  it('gives an event the same uuid in every process, and drops the second one of a process', async () => {
    const { capture, posthog, drops, lines } = await start();
    const uuid = capture.capture(PAID);
    expect(uuid).toMatch(/^[\da-f]{8}-[\da-f]{4}-5/);
    expect(capture.capture({ ...PAID, dedupeKey: ' evt_1 ' })).toBeNull();
    expect(await capture.captureNow(PAID)).toMatchObject({ success: false, error: 'Event dropped: duplicate', uuid });
    expect(drops).toEqual([
      {
        reason: 'duplicate',
        event: 'paid',
        uuid: null,
        detail: 'an event with the same dedupeKey was captured before',
      },
      expect.objectContaining({ reason: 'duplicate', uuid: null }),
    ]);
    expect(capture.capture({ ...PAID, dedupeKey: 'evt_2' })).not.toBe(uuid);
    expect(capture.capture({ ...PAID, distinctId: 'bob' })).not.toBe(uuid);
    expect(capture.stats()).toMatchObject({ captured: 5, droppedByReason: { duplicate: 2 } });
    const other = await start();
    expect(await other.capture.captureNow(PAID)).toMatchObject({ success: true, uuid });
    await capture.flush();
    expect(posthog.violations).toEqual([]);
    expect(sentBy(posthog).map((sent) => sent.uuid)).toContain(uuid);
    expect(JSON.stringify(posthog.events)).not.toContain('evt_1');
    expect(lines).toEqual([]);
    expectBalanced(capture);
  });

  it('of another project gives another uuid', async () => {
    const { capture } = await start();
    const other = await start({ apiKey: 'phc_another_project' });
    expect(other.capture.capture(PAID)).not.toBe(capture.capture(PAID));
  });

  it('without a person gives the event the same id each time', async () => {
    const { capture, posthog } = await start();
    const other = await boot({ host: posthog.url });
    for (const service of [capture, other.capture]) service.capture({ ...PAID, distinctId: undefined });
    await Promise.all([capture.flush(), other.capture.flush()]);
    const [first, second] = sentBy(posthog);
    expect(first).toMatchObject({ uuid: second!.uuid, distinct_id: second!.distinct_id });
    expect(first!.properties.$process_person_profile).toBe(false);
  });

  it('may be used again if the first event did not arrive', async () => {
    const { capture, posthog } = await start({
      maxRetries: 0,
      beforeSend: (event) => (posthog.requests.length === 0 ? null : event),
    });
    expect(await capture.captureNow(PAID)).toMatchObject({ error: 'Event dropped: before_send' });
    await capture.captureNow({ event: 'other', distinctId: 'ann' });
    await fetch(posthog.url, { method: 'POST' }).catch(() => undefined);
    posthog.fail({ status: 400 });
    expect(await capture.captureNow(PAID)).toMatchObject({ success: false });
    expect(await capture.captureNow(PAID)).toMatchObject({ success: true });
    expect(await capture.captureNow(PAID)).toMatchObject({ error: 'Event dropped: duplicate' });
    expectBalanced(capture);
  });

  it('needs a timestamp', async () => {
    const { capture, lines } = await start();
    expect(await capture.captureNow({ ...PAID, timestamp: undefined })).toMatchObject({
      error: expect.stringContaining('Invalid event: dedupeKey needs a timestamp that is the same each time'),
    });
    expect(lines).toEqual([expect.stringContaining('set timestamp')]);
  });

  it('goes with the events of definitions', async () => {
    const Paid = defineEvent('paid', z.object({ total: z.number() }));
    const { capture } = await start();
    const uuid = capture.capture(PAID);
    const { capture: other } = await start();
    expect(other.capture(Paid({ total: 3 }, { distinctId: 'ann', timestamp: AT, dedupeKey: 'evt_1' }))).toBe(uuid);
  });
});
