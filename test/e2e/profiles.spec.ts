import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import {
  type CaptureEvent,
  CaptureService,
  type PostHogCaptureModuleOptions,
  type SerializedContext,
} from 'nestjs-posthog-capture';
import { closeAll, expectBalanced, start } from '../support/harness.js';
import { serve, type Served } from '../support/serve.js';

type Act = (capture: CaptureService) => unknown;

let act: Act = () => undefined;

@Controller()
class PageController {
  constructor(private readonly capture: CaptureService) {}

  @Get('page')
  page(): object {
    act(this.capture);
    return {};
  }
}

afterEach(closeAll);

const HEADERS = { 'x-posthog-distinct-id': 'browser_1', 'x-posthog-session-id': 's-1' };
const KEY = '$process_person_profile';

/** Runs code in a request with tracing headers, and returns the events that it captured: name, person, and the switch. */
async function profilesOf(
  posthog: PostHogCaptureModuleOptions,
  code: Act,
): Promise<{ readonly profiles: unknown[]; readonly served: Served }> {
  const served = await serve({ controllers: [PageController], posthog });
  act = code;
  await fetch(`${served.url}/page`, { headers: HEADERS });
  const events = await served.events();
  expect(served.posthog.violations).toEqual([]);
  return { served, profiles: events.map(({ event, distinct_id: id, properties }) => [event, id, properties[KEY]]) };
}

const capturing =
  (...events: Partial<CaptureEvent>[]): Act =>
  (capture) => {
    for (const event of events) capture.capture({ event: 'a', ...event });
  };

describe('profiles: always', () => {
  it('is the default: only events without a person have no profile', async () => {
    const { profiles } = await profilesOf({}, (capture) => {
      capture.capture({ event: 'a' });
      capture.withContext({ distinctId: 'ann' }, () => capture.capture({ event: 'b' }));
      expect(capture.context.export()).not.toHaveProperty('unidentified');
    });
    expect(profiles).toEqual([
      ['a', 'browser_1', undefined],
      ['b', 'ann', undefined],
    ]);
    const { profiles: without } = await profilesOf({ tracingHeaders: false }, capturing({}));
    expect(without).toEqual([['a', expect.any(String), false]]);
  });
});

describe('profiles: identified', () => {
  it('leaves out events whose person is known from tracing headers only', async () => {
    const { profiles, served } = await profilesOf({ profiles: 'identified' }, (capture) => {
      capturing({}, { distinctId: 'ann' }, { distinctId: 'browser_1' })(capture);
      capture.withContext({ properties: { x: 1 } }, () => capture.capture({ event: 'b' }));
      capture.withContext({ distinctId: 'ann' }, () => capture.capture({ event: 'c' }));
      capture.context.set({ distinctId: 'bob' });
      capture.capture({ event: 'd' });
    });
    expect(profiles).toEqual([
      ['a', 'browser_1', false],
      ['a', 'ann', undefined],
      ['a', 'browser_1', undefined],
      ['b', 'browser_1', false],
      ['c', 'ann', undefined],
      ['d', 'bob', undefined],
    ]);
    expect(served.capture.stats().byEvent.find(({ event }) => event === 'a')).toMatchObject({ personless: 1 });
  });

  it('knows the persons of option identity', async () => {
    const identified = { profiles: 'identified', identity: () => 'ann' } as const;
    expect((await profilesOf(identified, capturing({}))).profiles).toEqual([['a', 'ann', undefined]]);
  });

  it('keeps events that change a person, and what the event says itself', async () => {
    const { profiles } = await profilesOf({ profiles: 'identified', superProperties: { [KEY]: false } }, (capture) => {
      capturing(
        { properties: { $set: { a: 1 } } },
        { $set_once: { a: 1 } },
        { properties: { [KEY]: true } },
        { options: { processPersonProfile: true } },
        { distinctId: 'ann', options: { processPersonProfile: false } },
      )(capture);
      capture.identify({ distinctId: 'ann', anonDistinctId: 'browser_1' });
    });
    expect(profiles.map((one) => (one as unknown[])[2])).toEqual([false, false, true, true, false, undefined]);
    const { profiles: plain } = await profilesOf(
      { profiles: 'identified', superProperties: {} },
      capturing({ properties: { $set: { a: 1 } } }, { $set_once: { a: 1 } }, { $unset: ['a'] }),
    );
    expect(plain.map((one) => (one as unknown[])[2])).toEqual([undefined, undefined, undefined]);
  });

  it('stays with a context that is exported to a job', async () => {
    let exported: SerializedContext = {};
    await profilesOf({ profiles: 'identified' }, (capture) => (exported = capture.context.export()));
    expect(exported).toMatchObject({ distinctId: 'browser_1', unidentified: true });
    const { capture, posthog, lines } = await start({ profiles: 'identified' });
    const carried = JSON.parse(JSON.stringify(exported)) as SerializedContext;
    capture.withContext(carried, () => {
      capture.capture({ event: 'a' });
      expect(capture.context.export()).toMatchObject({ unidentified: true });
      capture.withContext({ distinctId: 'ann' }, () => capture.capture({ event: 'b' }));
    });
    await capture.flush();
    expect(posthog.events.map(({ properties }) => properties[KEY])).toEqual([false, undefined]);
    expect(lines).toEqual([]);
  });
});

describe('profiles: never', () => {
  it('sends all events without a profile, and drops those that only change a person or group', async () => {
    const { capture, posthog, drops, lines } = await start({ profiles: 'never' });
    capture.capture({ event: 'a', distinctId: 'ann', properties: { $set: { plan: 'pro' } } });
    capture.captureException(new Error('x'), { distinctId: 'ann' });
    const calls: unknown[] = [
      capture.identify({ distinctId: 'ann' }),
      capture.alias({ distinctId: 'ann', alias: 'b' }),
      capture.setPersonProperties({ distinctId: 'ann', set: { a: 1 } }),
      capture.groupIdentify({ groupType: 'company', groupKey: 'x' }),
      capture.capture({ event: '$merge_dangerously', distinctId: 'ann', properties: { alias: 'b' } }),
    ];
    expect(calls).toEqual([null, null, null, null, null]);
    await capture.flush();
    expect(posthog.events.map(({ event, properties }) => [event, properties[KEY]])).toEqual([
      ['a', false],
      ['$exception', false],
    ]);
    expect(new Set(drops.map(({ reason, detail }) => `${reason}: ${detail}`))).toEqual(
      new Set([expect.stringMatching(/^invalid: it changes a person or a group, .* set profiles to identified$/)]),
    );
    expect(lines).toEqual([
      expect.stringContaining('PostHog ignores its $set, $set_once and $unset, because option profiles is never'),
      expect.stringContaining('dropped (invalid): it changes a person or a group'),
    ]);
    expectBalanced(capture);
  });
});
