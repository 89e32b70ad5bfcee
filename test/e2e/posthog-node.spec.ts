import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { type CaptureService, type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { bridgePostHog } from 'nestjs-posthog-capture/posthog-node';
import { type PostHog, type PostHogOptions } from 'posthog-node';
import { captureForeign } from '../../lib/capture/capture-foreign.js';
import { boot, closeAll, expectBalanced, type Harness, onClose, start, startPostHog } from '../support/harness.js';
import { MemoryEventStore, SharedMemory } from '../support/memory-event-store.js';
import { record } from '../support/recording.js';

afterEach(closeAll);

const UUID = '0190b5c7-6a2e-7cc3-9f5e-4d2a1b3c5d6e';
const ADA = { distinctId: 'ada', sessionId: 's1', groups: { team: 'red' }, properties: { plan: 'pro' } };

interface Bridged extends Harness {
  readonly client: PostHog;
}

async function bridge(options: PostHogOptions = {}, ours: PostHogCaptureModuleOptions = {}): Promise<Bridged> {
  const harness = await start(ours);
  const client = bridgePostHog(harness.capture, options);
  onClose(() => client.shutdown());
  return { ...harness, client };
}

/** Every kind of call by which posthog-node captures an event, and the event. */
const CALLS: Record<string, readonly [(client: PostHog) => unknown, object]> = {
  capture: [(client) => client.capture({ event: 'c', distinctId: 'd', properties: { n: 1 } }), { event: 'c' }],
  captureImmediate: [(client) => client.captureImmediate({ event: 'ci', distinctId: 'd' }), { event: 'ci' }],
  captureAi: [(client) => client.captureAi({ event: '$ai_span', distinctId: 'd' }), { event: '$ai_span' }],
  captureAiImmediate: [
    (client) => client.captureAiImmediate({ event: '$ai_trace', distinctId: 'd' }),
    { event: '$ai_trace' },
  ],
  identify: [
    (client) => client.identify({ distinctId: 'd', properties: { plan: 'pro', $anon_distinct_id: 'anon' } }),
    { event: '$identify', properties: { $set: { plan: 'pro' } } },
  ],
  identifyImmediate: [
    (client) => client.identifyImmediate({ distinctId: 'd', properties: { $set_once: { a: 1 } } }),
    { event: '$identify', properties: { $set_once: { a: 1 } } },
  ],
  alias: [
    (client) => client.alias({ distinctId: 'd', alias: 'e' }),
    { event: '$create_alias', properties: { distinct_id: 'd', alias: 'e' } },
  ],
  aliasImmediate: [
    (client) => client.aliasImmediate({ distinctId: 'd', alias: 'f', disableGeoip: false }),
    { event: '$create_alias', properties: { alias: 'f' } },
  ],
  groupIdentify: [
    (client) => client.groupIdentify({ groupType: 'team', groupKey: 'red', distinctId: 'd', properties: { a: 1 } }),
    { event: '$groupidentify', properties: { $group_type: 'team', $group_key: 'red', $group_set: { a: 1 } } },
  ],
  groupIdentifyImmediate: [
    (client) => client.groupIdentifyImmediate({ groupType: 'team', groupKey: 'blue', distinctId: 'd' }),
    { event: '$groupidentify', properties: { $group_key: 'blue' } },
  ],
  setPersonProperties: [
    (client) => client.setPersonProperties({ distinctId: 'd', properties: { a: 1 }, propertiesOnce: { b: 2 } }),
    { event: '$set', properties: { $set: { a: 1 }, $set_once: { b: 2 } } },
  ],
  unsetPersonProperties: [
    (client) => client.unsetPersonProperties({ distinctId: 'd', properties: ['a'] }),
    { event: '$set', properties: { $unset: ['a'] } },
  ],
  captureException: [
    (client) => client.captureException(new TypeError('no'), 'd', { job: 7 }, UUID),
    { event: '$exception', uuid: UUID, properties: { job: 7, $exception_list: [{ type: 'TypeError', value: 'no' }] } },
  ],
  captureExceptionImmediate: [
    (client) => client.captureExceptionImmediate(new RangeError('no'), 'd'),
    { event: '$exception', properties: { $exception_list: [{ type: 'RangeError' }] } },
  ],
};

describe('a bridged client of posthog-node', () => {
  it.each(Object.entries(CALLS))('%s is captured by the instance', async (name, [call, expected]) => {
    const { capture, client, posthog } = await bridge();
    await call(client);
    // PostHog has responded to a call that waits.
    if (name.endsWith('Immediate')) expect(posthog.events).toHaveLength(1);
    await client.flush();
    expect(posthog.events).toMatchObject([
      { distinct_id: 'd', ...expected, properties: { $lib: 'nestjs-posthog-capture', $is_server: true } },
    ]);
    expect(posthog.events[0]).toMatchObject(expected);
    expect(posthog.violations).toEqual([]);
    expect(capture.stats()).toMatchObject({ captured: 1, delivered: 1, dropped: 0 });
    expectBalanced(capture);
  });

  it('has the context, in order with the events of the application', async () => {
    const { capture, client, posthog } = await bridge({}, { superProperties: { region: 'eu' } });
    capture.withContext(ADA, () => {
      capture.capture({ event: 'one' });
      client.capture({ event: 'two', groups: { company: 'acme' }, properties: { plan: 'own' } });
      capture.capture({ event: 'three' });
    });
    await client.flush();
    expect(posthog.events.map(({ event }) => event)).toEqual(['one', 'two', 'three']);
    expect(posthog.events[1]).toMatchObject({
      distinct_id: 'ada',
      properties: { plan: 'own', region: 'eu', $session_id: 's1', $groups: { team: 'red', company: 'acme' } },
    });
    expect(posthog.requests).toHaveLength(1);
  });

  it('keeps the time, the uuid and the switch for geoip of a call', async () => {
    const { client, posthog } = await bridge();
    client.capture({ event: 'a', distinctId: 'd', timestamp: new Date(0), uuid: UUID, disableGeoip: false });
    client.capture({ event: 'b', distinctId: 'd' });
    await client.flush();
    expect(posthog.events[0]).toMatchObject({ uuid: UUID, timestamp: '1970-01-01T00:00:00.000Z' });
    expect(posthog.events[0]?.properties).not.toHaveProperty('$geoip_disable');
    expect(posthog.events[1]?.properties).toHaveProperty('$geoip_disable', true);
  });

  it('takes option disableGeoip of the client as a default', async () => {
    const { client, posthog } = await bridge({ disableGeoip: false });
    client.capture({ event: 'a', distinctId: 'd' });
    await client.flush();
    expect(posthog.events[0]?.properties).not.toHaveProperty('$geoip_disable');
  });

  it('returns the uuid of an AI event', async () => {
    const { client, posthog } = await bridge();
    const uuid = client.captureAi({ event: '$ai_span', distinctId: 'd' });
    await client.flush();
    expect(posthog.events).toMatchObject([{ uuid }]);
  });

  it('sends nothing itself', async () => {
    const { capture, client, posthog } = await bridge();
    for (let n = 0; n < 1000; n += 1) client.capture({ event: `e${n}`, distinctId: `p${n % 50}` });
    await client.flush();
    await client.shutdown();
    expect(posthog.events).toHaveLength(1000);
    expect(new Set(posthog.requests.map(({ path }) => path))).toEqual(new Set(['/batch/']));
    expect(capture.stats()).toMatchObject({ captured: 1000, delivered: 1000 });
    // The instance is not closed.
    expect(capture.capture({ event: 'later', distinctId: 'd' })).not.toBeNull();
    expectBalanced(capture);
  });

  it('is an instance of PostHog with the common methods', async () => {
    const { client } = await bridge();
    expect(client.isDisabled).toBe(false);
    expect(client.getContext()).toBeUndefined();
  });
});

describe('identity', () => {
  const NO_PERSON = { $process_person_profile: false };

  it.each(['capture', 'captureImmediate', 'captureAi', 'captureAiImmediate'] as const)(
    '%s without an id is of the person of the context',
    async (method) => {
      const { capture, client, posthog } = await bridge();
      await capture.withContext(ADA, async () => {
        await client[method]({ event: '$ai_span' });
      });
      await client.flush();
      expect(posthog.events[0]?.distinct_id).toBe('ada');
      expect(posthog.events[0]?.properties).not.toHaveProperty('$process_person_profile');
    },
  );

  it.each(['captureException', 'captureExceptionImmediate'] as const)(
    '%s without an id is of the person of the context',
    async (method) => {
      const { capture, client, posthog } = await bridge();
      await capture.withContext(ADA, async () => {
        await Promise.resolve(client[method](new Error('x')));
      });
      await client.flush();
      expect(posthog.events[0]?.distinct_id).toBe('ada');
      expect(posthog.events[0]?.properties).not.toHaveProperty('$process_person_profile');
    },
  );

  it('shares the random id of the context with the events of the application, if nobody is known', async () => {
    const { capture, client, posthog } = await bridge();
    capture.withContext({}, () => {
      capture.capture({ event: 'one' });
      client.capture({ event: 'two' });
    });
    await client.flush();
    const [one, two] = posthog.events;
    expect(one?.distinct_id).toBe(two?.distinct_id);
    expect(two?.properties).toMatchObject(NO_PERSON);
  });

  it('keeps an anonymous id that looks like one of posthog-node', async () => {
    const { capture, client, posthog } = await bridge();
    capture.withContext(ADA, () => client.capture({ event: 'e', distinctId: UUID, properties: NO_PERSON }));
    await client.flush();
    expect(posthog.events).toMatchObject([{ distinct_id: UUID, properties: NO_PERSON }]);
  });

  it('keeps the switch for profiles that the caller gave', async () => {
    const { capture, client, posthog } = await bridge();
    capture.withContext(ADA, () => client.capture({ event: 'e', properties: NO_PERSON }));
    await client.flush();
    expect(posthog.events).toMatchObject([{ distinct_id: 'ada', properties: NO_PERSON }]);
  });

  it("gives precedence to posthog-node's own context", async () => {
    const { capture, client, posthog } = await bridge();
    capture.withContext(ADA, () =>
      client.withContext({ distinctId: 'theirs', properties: { from: 'them' } }, () => client.capture({ event: 'e' })),
    );
    await client.flush();
    expect(posthog.events).toMatchObject([{ distinct_id: 'theirs', properties: { from: 'them', plan: 'pro' } }]);
  });

  it("gives a generation of @posthog/ai, whose id is that of its trace, to the context's person, if there is one", async () => {
    const { capture, client, posthog } = await bridge();
    const generation = {
      event: '$ai_generation',
      distinctId: 'trace_1',
      properties: { $ai_trace_id: 'trace_1', ...NO_PERSON },
    };
    capture.withContext(ADA, () => client.capture(generation));
    client.capture(generation);
    await client.flush();
    const [ofPerson, ofNobody] = posthog.events;
    expect(ofPerson?.distinct_id).toBe('ada');
    expect(ofPerson?.properties).not.toHaveProperty('$process_person_profile');
    expect(ofNobody).toMatchObject({ distinct_id: 'trace_1', properties: NO_PERSON });
  });
});

describe('before_send', () => {
  it('is called first, with the person of the context', async () => {
    const seen: unknown[] = [];
    const { capture, client, posthog } = await bridge({
      before_send: [
        (event) => (seen.push(event.distinctId), { ...event, properties: { ...event.properties, first: true } }),
        (event) => ({ ...event, event: `${event.event}!` }),
      ],
    });
    capture.withContext(ADA, () => client.capture({ event: 'e' }));
    client.capture({ event: 'f' });
    await client.flush();
    expect(seen).toEqual(['ada', expect.any(String)]);
    expect(posthog.events).toMatchObject([
      { event: 'e!', distinct_id: 'ada', properties: { first: true } },
      { event: 'f!', properties: { first: true, $process_person_profile: false } },
    ]);
  });

  it.each<[string, () => unknown, string]>([
    ['null', () => null, "posthog-node's before_send returned nothing"],
    ['a promise', () => Promise.reject(new Error('secret')), "posthog-node's before_send must be synchronous"],
    ['a string', () => 'x', "posthog-node's before_send must return an event or null"],
    [
      'an error',
      () => {
        throw new Error('secret');
      },
      "posthog-node's before_send threw",
    ],
  ])('that gives %s drops the event, which is counted', async (_, filter, detail) => {
    const { capture, client, posthog, drops } = await bridge({ before_send: filter as () => null });
    client.capture({ event: 'e', distinctId: 'd' });
    await client.captureImmediate({ event: 'f', distinctId: 'd' });
    await client.flush();
    expect(posthog.events).toEqual([]);
    expect(capture.stats().droppedByReason).toEqual({ before_send: 2 });
    expect(drops[0]).toMatchObject({ event: 'e', detail: expect.stringContaining(detail) });
    expectBalanced(capture);
  });
});

describe('errors', () => {
  it('an Error object is one event, whoever captures it first', async () => {
    const { capture, client, posthog } = await bridge();
    const ours = new Error('ours');
    const theirs = new Error('theirs');
    const uuid = capture.captureException(ours, { distinctId: 'd' });
    client.captureException(ours, 'd');
    await client.captureExceptionImmediate(ours, 'd');
    client.captureException(theirs, 'd');
    // While posthog-node still describes it.
    expect(capture.captureException(theirs)).toBeNull();
    client.captureException(theirs, 'd');
    await client.flush();
    expect(posthog.events).toMatchObject([
      { uuid, properties: { $exception_message: 'ours' } },
      { properties: { $exception_list: [{ value: 'theirs' }] } },
    ]);
    expect(capture.captureException(theirs)).toBe(posthog.events[1]?.uuid);
    expectBalanced(capture);
  });

  it('has the steps of the context', async () => {
    const { capture, client, posthog } = await bridge();
    await capture.withContext(ADA, async () => {
      capture.step('loaded the cart');
      await client.captureExceptionImmediate(new Error('x'));
    });
    expect(posthog.events[0]?.properties).toMatchObject({ $exception_steps: [{ $message: 'loaded the cart' }] });
  });

  it('counts for the limit, together with the errors of the application', async () => {
    const { capture, client, posthog } = await bridge({}, { exceptions: { limit: { burst: 2, everyMs: 60_000 } } });
    capture.captureException(new Error('1'), { distinctId: 'd' });
    for (let n = 2; n < 6; n += 1) client.captureException(new Error(String(n)), 'd');
    await client.flush();
    expect(posthog.events).toHaveLength(2);
    expect(capture.stats()).toMatchObject({ captured: 5, droppedByReason: { rate_limited: 3 } });
    expectBalanced(capture);
  });
});

describe('flags', () => {
  const FLAGS = { checkout: 'blue', beta: true, old: false };
  const local = { onlyEvaluateLocally: true };

  it('captures $feature_flag_called without properties of the context and of the module', async () => {
    const { capture, client, posthog } = await bridge({}, { superProperties: { region: 'eu' } });
    client.overrideFeatureFlags(FLAGS);
    const flags = await client.evaluateFlags('ada', local);
    await capture.withContext({ ...ADA, distinctId: 'other' }, async () => {
      expect(flags.isEnabled('beta')).toBe(true);
      await turn();
      flags.isEnabled('beta');
    });
    await client.flush();
    expect(posthog.events).toMatchObject([
      {
        event: '$feature_flag_called',
        distinct_id: 'ada',
        properties: {
          $feature_flag: 'beta',
          $feature_flag_response: true,
          '$feature/beta': true,
          $session_id: 's1',
          $groups: { team: 'red' },
        },
      },
    ]);
    expect(posthog.events[0]?.properties).not.toHaveProperty('region');
    expect(posthog.events[0]?.properties).not.toHaveProperty('plan');
  });

  it('adds a snapshot to an event without an exposure', async () => {
    const { client, posthog } = await bridge();
    client.overrideFeatureFlags(FLAGS);
    const flags = await client.evaluateFlags('ada', local);
    client.capture({ event: 'order_placed', distinctId: 'ada', flags });
    await client.flush();
    expect(posthog.events).toMatchObject([
      {
        event: 'order_placed',
        properties: {
          '$feature/checkout': 'blue',
          '$feature/beta': true,
          '$feature/old': false,
          $active_feature_flags: ['beta', 'checkout'],
        },
      },
    ]);
    expect(posthog.requests).toHaveLength(1);
  });

  it('warns once that sendFeatureFlags has no effect', async () => {
    const { client, posthog, lines } = await bridge();
    const former = { sendFeatureFlags: true };
    for (let n = 0; n < 3; n += 1) client.capture({ event: 'e', distinctId: 'd', ...former });
    await client.flush();
    expect(posthog.events).toHaveLength(3);
    expect(posthog.requests).toHaveLength(1);
    expect(lines).toEqual([
      'sendFeatureFlags has no effect on a bridged client of posthog-node: pass flags, the result of evaluateFlags().',
    ]);
  });
});

describe('life', () => {
  it('captures nothing while the instance or the client is disabled, and goes on afterwards', async () => {
    const { capture, client, posthog } = await bridge();
    capture.disable();
    client.capture({ event: 'off', distinctId: 'd' });
    await client.captureImmediate({ event: 'off', distinctId: 'd' });
    client.captureException(new Error('off'), 'd');
    capture.enable();
    await client.flush();
    await client.disable();
    client.capture({ event: 'off', distinctId: 'd' });
    await client.enable();
    client.capture({ event: 'on', distinctId: 'd' });
    await client.flush();
    expect(posthog.events.map(({ event }) => event)).toEqual(['on']);
    expect(capture.stats()).toMatchObject({ captured: 1, dropped: 0 });
  });

  it('works with a disabled instance without a key, silently', async () => {
    const { capture, lines } = await start({ enabled: false, apiKey: undefined });
    const client = bridgePostHog(capture);
    client.capture({ event: 'e', distinctId: 'd' });
    client.captureException(new Error('x'));
    await client.captureImmediate({ event: 'e', distinctId: 'd' });
    expect((await client.evaluateFlags('d')).keys).toEqual([]);
    await client.flush();
    await client.shutdown();
    expect(lines).toEqual([]);
  });

  it('waits in flush() for errors that are still being described', async () => {
    const { client, posthog } = await bridge();
    client.captureException(new Error('x'), 'd');
    await client.flush();
    expect(posthog.events).toHaveLength(1);
  });

  it('keeps the events of a call that cannot be delivered, but drops those of a call that waits', async () => {
    const { capture, client, posthog } = await bridge({}, { maxRetries: 0 });
    posthog.failAlways({ status: 503 });
    await client.captureImmediate({ event: 'now', distinctId: 'd' });
    client.capture({ event: 'later', distinctId: 'd' });
    await client.flush();
    expect(capture.stats()).toMatchObject({ pending: 1, droppedByReason: { undelivered: 1 } });
    posthog.failAlways(null);
    await client.flush();
    expect(posthog.events.map(({ event }) => event)).toEqual(['later']);
    expectBalanced(capture);
  });

  it('keeps events in the store of the instance, for the next process', async () => {
    const memory = new SharedMemory();
    const posthog = await startPostHog();
    posthog.failAlways({ status: 503 });
    const first = await boot({ host: posthog.url, store: new MemoryEventStore(memory), shutdownTimeoutMs: 0 });
    const client = bridgePostHog(first.capture);
    first.capture.withContext(ADA, () => client.capture({ event: 'kept' }));
    await first.app.close();
    posthog.failAlways(null);
    const second = await boot({ host: posthog.url, store: new MemoryEventStore(memory) });
    await second.capture.flush();
    // A request of the first process may arrive after it was closed.
    expect(posthog.rows).toMatchObject([{ event: 'kept', distinct_id: 'ada', properties: { plan: 'pro' } }]);
    expect(second.capture.stats()).toMatchObject({ recovered: 1, delivered: 1 });
  });

  it('warns of options that have no effect', async () => {
    const { lines } = await bridge(
      { flushAt: 1, maxQueueSize: 5, enableExceptionAutocapture: true },
      { exceptions: true },
    );
    expect(lines).toEqual([
      'Options of posthog-node without effect on a bridged client: flushAt, maxQueueSize. Its events are sent by nestjs-posthog-capture: set its options.',
      'enableExceptionAutocapture of posthog-node is ignored, because option exceptions already captures uncaught errors.',
    ]);
  });

  it('captures an invalid event as the instance would', async () => {
    const { capture, client } = await bridge();
    client.capture({ event: ' ', distinctId: 'd' });
    expect(capture.stats().droppedByReason).toEqual({ invalid: 1 });
  });
});

describe('tests', () => {
  it('a recorder hears the events, and flags are not requested', async () => {
    const { capture, recorder } = await record();
    const client = bridgePostHog(capture);
    client.capture({ event: 'e', distinctId: 'd' });
    expect((await client.evaluateFlags('d')).keys).toEqual([]);
    client.overrideFeatureFlags({ beta: true });
    expect((await client.evaluateFlags('d')).isEnabled('beta')).toBe(true);
    expect(recorder.events.map(({ event }) => event)).toEqual(['e', '$feature_flag_called']);
  });

  it("captures with a test's stand-in for the service", () => {
    const events: string[] = [];
    const standIn = { capture: ({ event }: { event: string }) => (events.push(event), 'uuid') };
    const client = bridgePostHog(standIn as unknown as CaptureService);
    client.capture({ event: 'e' });
    expect(captureForeign(standIn, { event: 'f' })).toBe('uuid');
    expect(events).toEqual(['e', 'f']);
  });
});
