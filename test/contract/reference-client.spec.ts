import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { PostHog } from 'posthog-node';
import { FakePostHog } from '../../lib/testing/index.js';

/** FakePostHog must accept everything that posthog-node, the reference client, sends. */
let posthog: FakePostHog;
const clients: PostHog[] = [];
beforeAll(async () => {
  posthog = await FakePostHog.start();
  // posthog-node reports what these tests provoke.
  jest.spyOn(console, 'warn').mockImplementation(() => undefined);
  jest.spyOn(console, 'error').mockImplementation(() => undefined);
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.shutdown()));
  posthog.clear();
  posthog.flags.clear();
});
afterAll(async () => {
  jest.restoreAllMocks();
  await posthog.close();
});

function start(options: ConstructorParameters<typeof PostHog>[1] = {}): PostHog {
  const client = new PostHog('phc_test', { host: posthog.url, flushAt: 100, flushInterval: 3_600_000, ...options });
  clients.push(client);
  return client;
}

/** A client with definitions, which are only polled when the test says so. */
const startLocal = (): PostHog => start({ personalApiKey: 'phs_test', featureFlagsPollingInterval: 3_600_000 });

const person = {
  groups: { company: 'acme' },
  groupProperties: { company: { size: '9' } },
  personProperties: { plan: 'pro', $device_id: 'd1' },
};

describe('flags of posthog-node', () => {
  it('are evaluated remotely', async () => {
    posthog.flags.set({
      on: true,
      off: false,
      colour: { variant: 'blue', payload: { hex: '#00f' }, hasExperiment: true },
      computed: ({ groupProperties }) => (groupProperties.company === undefined ? false : 'company'),
    });
    const client = start({ evaluationContexts: ['main'] });
    const flags = await client.evaluateFlags('user_1', { ...person, flagKeys: ['on', 'off', 'colour', 'computed'] });
    expect(flags.keys.map((key) => [key, flags.getFlag(key)])).toEqual([
      ['on', true],
      ['off', false],
      ['colour', 'blue'],
      ['computed', 'company'],
    ]);
    expect(flags.getFlagPayload('colour')).toEqual({ hex: '#00f' });
    await client.flush();
    expect(posthog.events.map(({ event, properties }) => [event, properties.$feature_flag])).toEqual(
      flags.keys.map((key) => ['$feature_flag_called', key]),
    );
    expect(posthog.events[2]?.properties).toMatchObject({
      $feature_flag_response: 'blue',
      $feature_flag_id: 3,
      $feature_flag_version: 1,
      $feature_flag_reason: 'Matched condition set 1',
      $feature_flag_has_experiment: true,
      locally_evaluated: false,
    });
    expect(posthog.flags.requests).toHaveLength(1);
    expect(posthog.violations).toEqual([]);
  });

  it('are evaluated locally with the same values, and remotely where only the server can', async () => {
    posthog.flags.set({
      on: { payload: 'yes' },
      off: false,
      colour: { variant: 'blue', payload: { hex: '#00f' }, hasExperiment: false },
      beta: false,
    });
    posthog.flags.setFor('user_2', { on: false, colour: 'green', beta: true });
    const client = startLocal();
    const remote = start();
    for (const distinctId of ['user_1', 'user_2']) {
      const local = await client.evaluateFlags(distinctId, { onlyEvaluateLocally: true });
      const reference = await remote.evaluateFlags(distinctId);
      const valuesOf = (flags: typeof local): unknown =>
        flags.keys.map((key) => [key, flags.getFlag(key), flags.getFlagPayload(key)]).sort();
      expect(valuesOf(local)).toEqual(valuesOf(reference));
      expect(local.keys).toHaveLength(4);
    }
    expect(posthog.flags.requests).toHaveLength(2);

    posthog.flags.set({ computed: ({ distinctId }) => distinctId });
    await client.reloadFeatureFlags();
    const flags = await client.evaluateFlags('user_1', { flagKeys: ['colour', 'computed'] });
    expect([flags.getFlag('colour'), flags.getFlag('computed')]).toEqual(['blue', 'user_1']);
    expect(posthog.flags.requests).toHaveLength(3);
    expect(posthog.violations).toEqual([]);
  });

  it('are polled with the ETag of the last response', async () => {
    posthog.flags.set({ on: true });
    const client = startLocal();
    await client.reloadFeatureFlags(); // joins the first poll
    await client.reloadFeatureFlags();
    posthog.flags.set({ on: false });
    await client.reloadFeatureFlags();
    expect(posthog.flags.definitions.requests.map(({ status }) => status)).toEqual([200, 304, 200]);
    const flags = await client.evaluateFlags('user_1', { onlyEvaluateLocally: true });
    expect(flags.getFlag('on')).toBe(false);
    expect(posthog.violations).toEqual([]);
  });

  it('are unset by 402, and kept after 401, 403, 429 and 500', async () => {
    posthog.flags.set({ on: true });
    const client = startLocal();
    client.on('error', () => undefined);
    await client.reloadFeatureFlags(); // joins the first poll
    for (const status of [401, 403, 429, 500]) {
      posthog.flags.definitions.fail({ status });
      await client.reloadFeatureFlags();
      expect((await client.evaluateFlags('user_1', { onlyEvaluateLocally: true })).keys).toEqual(['on']);
    }
    posthog.flags.quotaLimited = true;
    await client.reloadFeatureFlags();
    expect((await client.evaluateFlags('user_1', { onlyEvaluateLocally: true })).keys).toEqual([]);
    expect(posthog.flags.definitions.requests.map(({ status }) => status)).toEqual([200, 401, 403, 429, 500, 402]);
    expect(posthog.flags.requests).toEqual([]);
  });

  it('are called with minimal events where PostHog requests them', async () => {
    posthog.flags.set({ plain: { hasExperiment: false }, tested: { hasExperiment: true } });
    posthog.flags.minimalFlagCalledEvents = true;
    for (const client of [start(), startLocal()]) {
      await client.register({ region: 'eu' });
      const flags = await client.evaluateFlags('user_1');
      flags.isEnabled('plain');
      flags.isEnabled('tested');
      await client.flush();
    }
    expect(posthog.events.map(({ properties }) => 'region' in properties)).toEqual([false, true, false, true]);
  });

  it('report errors and the quota', async () => {
    posthog.flags.set({ on: true });
    const client = start();
    posthog.flags.errorsWhileComputingFlags = true;
    (await client.evaluateFlags('user_1')).isEnabled('on');
    posthog.flags.quotaLimited = true;
    (await client.evaluateFlags('user_2')).isEnabled('on');
    await client.flush();
    expect(posthog.events.map(({ properties }) => properties.$feature_flag_error)).toEqual([
      'errors_while_computing_flags',
      'quota_limited,flag_missing',
    ]);
  });
});

describe('AI events of posthog-node', () => {
  it('reach their endpoint, compressed and not', async () => {
    for (const disableCompression of [false, true]) {
      const client = start({ disableCompression });
      client.captureAi({ distinctId: 'user_1', event: '$ai_generation', properties: { $ai_model: 'm' } });
      client.captureAi({ distinctId: 'user_1', event: '$ai_span', timestamp: new Date('2025-01-02T03:04:05Z') });
      client.capture({ distinctId: 'user_1', event: 'order_placed' });
      await client.flush();
    }
    const names = posthog.events.map(({ event, endpoint }) => `${endpoint} ${event}`).sort();
    expect(names).toEqual(
      ['ai $ai_generation', 'ai $ai_span', 'analytics order_placed'].flatMap((name) => [name, name]),
    );
    expect(posthog.violations).toEqual([]);
  });

  it('are split into batches of 5 MiB, and after 413', async () => {
    const client = start();
    const input = 'x'.repeat(2 * 1024 * 1024);
    for (let count = 0; count < 3; count++) {
      client.captureAi({ distinctId: 'user_1', event: '$ai_generation', properties: { $ai_input: input } });
    }
    posthog.failWhen(({ events }) => (events > 1 ? { status: 413 } : null));
    await client.flush();
    expect(posthog.requests.map(({ events, status }) => [events, status])).toEqual([
      [2, 413],
      [1, 200],
      [1, 200],
      [1, 200],
    ]);
    expect(posthog.violations).toEqual([]);
  });
});
