import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { closeAll, KEY } from '../support/harness.js';
import { type FlagsApp, SECRET_KEY, startFlags } from '../support/flags.js';

/** PostHog's compliance tests of feature flags for SDKs, and its specification of them. FakePostHog checks each request as well. */
let app: FlagsApp;
beforeAll(async () => {
  app = await startFlags({}, { disableGeoip: false });
  expect(app.posthog.requests).toEqual([]);
});
afterEach(async () => {
  await app.capture.flush();
  expect(app.posthog.violations).toEqual([]);
  app.posthog.clear();
  app.posthog.flags.clear();
});
afterAll(closeAll);

const USER = { distinctId: 'user_1' };

describe('the body of a request', () => {
  it('has all fields, with a device', async () => {
    const personProperties = { $device_id: 'device_1' };
    await app.flags.value('any-flag', {
      ...USER,
      personProperties,
      groups: {},
      groupProperties: {},
      disableGeoip: true,
    });
    expect(app.asked()).toEqual([
      {
        token: KEY,
        distinct_id: 'user_1',
        $device_id: 'device_1',
        person_properties: personProperties,
        groups: {},
        group_properties: {},
        geoip_disable: true,
        flag_keys_to_evaluate: ['any-flag'],
        evaluation_runtime: 'server',
      },
    ]);
  });

  it('has empty objects for what is not given, and does not repeat the person', async () => {
    await app.flags.isEnabled('any-flag', USER);
    expect(app.asked()).toMatchObject([{ groups: {}, group_properties: {}, distinct_id: 'user_1' }]);
    expect(app.asked()[0]?.person_properties).toEqual({});
  });

  it('has groups with their properties and keys', async () => {
    const groupProperties = { company: { plan: 'enterprise' } };
    await app.flags.value('any-flag', { ...USER, groups: { company: 'acme' }, groupProperties });
    expect(app.asked()).toMatchObject([
      { groups: { company: 'acme' }, group_properties: { company: { $group_key: 'acme', plan: 'enterprise' } } },
    ]);
  });

  it.each([
    ['the option of the instance', undefined, false],
    ['the call: false', false, false],
    ['the call: true', true, true],
  ])('has geoip_disable of %s', async (_, disableGeoip, expected) => {
    await app.flags.value('any-flag', { ...USER, disableGeoip });
    expect(app.asked()).toMatchObject([{ geoip_disable: expected }]);
  });

  it('has only the keys that are read', async () => {
    await app.flags.value('my-specific-flag', USER);
    await app.flags.evaluate(['one', 'two'], USER);
    expect(app.asked().map(({ flag_keys_to_evaluate: keys }) => keys)).toEqual([['my-specific-flag'], ['one', 'two']]);
  });
});

describe('a request', () => {
  it('goes to /flags/?v=2 without an Authorization header', async () => {
    await app.flags.value('any-flag', USER);
    expect(app.posthog.requests.map(({ endpoint }) => endpoint)).not.toContain(null);
    expect(app.posthog.flags.requests).toMatchObject([
      { method: 'POST', path: '/flags/', query: 'v=2', encoding: 'none' },
    ]);
    const { authorization, 'user-agent': agent } = app.posthog.flags.requests[0]?.headers ?? {};
    expect([authorization, agent]).toEqual([
      undefined,
      expect.stringMatching(/^posthog-node\/\d|^nestjs-posthog-capture\/\d/),
    ]);
  });

  it('has no secret key either: only the request for definitions has it', async () => {
    const local = await startFlags({ secretKey: SECRET_KEY });
    await local.flags.value('any-flag', USER);
    await local.posthog.waitFor(({ flags }) => flags.definitions.requests.length === 1);
    const withKey = local.posthog.requests.filter(({ headers }) => headers.authorization === `Bearer ${SECRET_KEY}`);
    expect(withKey.map(({ endpoint }) => endpoint)).toEqual(['flag_definitions']);
    expect(local.posthog.violations).toEqual([]);
  });

  it('is made neither at boot (checked above) nor by capture', async () => {
    app.capture.capture({ event: 'regular_event', ...USER });
    expect(await app.events()).toMatchObject([{ event: 'regular_event' }]);
    expect(app.posthog.flags.requests).toEqual([]);
  });

  it('is made by each of two reads outside of a request or message', async () => {
    await app.flags.value('any-flag', USER);
    await app.flags.value('any-flag', USER);
    expect(app.asked()).toHaveLength(2);
  });

  it('is not made without a person, and nothing is captured', async () => {
    expect(await app.flags.value('any-flag')).toBeUndefined();
    expect(await app.flags.isEnabled('any-flag', { defaultValue: true })).toBe(true);
    expect(await app.events()).toEqual([]);
    expect(app.posthog.requests).toEqual([]);
  });
});

describe('a response', () => {
  it('has the value for the caller, also in the old form', async () => {
    app.posthog.flags.set({ 'signup-test': 'variant-b', off: false });
    expect(await app.flags.value('signup-test', USER)).toBe('variant-b');
    expect(await app.flags.value('off', USER)).toBe(false);
    const body = { featureFlags: { 'signup-test': 'variant-a' }, featureFlagPayloads: { 'signup-test': '{"a":1}' } };
    app.posthog.flags.failAlways({ status: 200, body });
    expect(await app.flags.value('signup-test', USER)).toBe('variant-a');
    expect(await app.flags.payload('signup-test', USER)).toEqual({ a: 1 });
    expect(await app.flags.value('unknown', USER)).toBeUndefined();
  });

  it('has payloads as JSON, or else as text', async () => {
    app.posthog.flags.set({ json: { payload: [1, 'two'] } });
    expect(await app.flags.payload('json', USER)).toEqual([1, 'two']);
    const text = { key: 'text', enabled: true, variant: null, metadata: { id: 1, version: 1, payload: 'not JSON' } };
    app.posthog.flags.failAlways({ status: 200, body: { flags: { text } } });
    expect(await app.flags.payload('text', USER)).toBe('not JSON');
  });
});

describe('a read', () => {
  it('captures one $feature_flag_called with the key and the value', async () => {
    app.posthog.flags.set({ 'my-flag': true });
    const reader = { distinctId: 'reader' };
    await app.flags.value('my-flag', reader);
    await app.flags.value('my-flag', reader);
    expect(await app.events('$feature_flag_called')).toMatchObject([
      { distinct_id: 'reader', properties: { $feature_flag: 'my-flag', $feature_flag_response: true } },
    ]);
  });
});

describe('a failed request', () => {
  it('is repeated after 502 and 504, and after no other status', async () => {
    // posthog-node waits for 3 s before it repeats a request: all cases wait together.
    const patient = await startFlags({ timeoutMs: 60_000, coolDownMs: 0 });
    const { flags } = patient.posthog;
    const statuses = [502, 504, 408, 429, 500, 503];
    const attemptsOf = (status: number): number =>
      patient.asked().filter(({ distinct_id: id }) => id === `user_${status}`).length;
    flags.set({ transient: 'blue' });
    flags.failWhen(({ json }) => {
      const status = Number((json as { distinct_id: string }).distinct_id.slice('user_'.length));
      return attemptsOf(status) === 1 ? { status } : null;
    });
    const values = await Promise.all(
      statuses.map((status) => patient.flags.value('transient', { distinctId: `user_${status}` })),
    );
    expect(values).toEqual(['blue', 'blue', undefined, undefined, undefined, undefined]);
    expect(statuses.map(attemptsOf)).toEqual([2, 2, 1, 1, 1, 1]);
  });
});

describe('a response without flags', () => {
  it.each<[name: string, prepare: (posthog: FlagsApp['posthog']) => void]>([
    ['over the quota', ({ flags }) => Object.assign(flags, { quotaLimited: true })],
    ['whose flags are no object', ({ flags }) => flags.failAlways({ status: 200, body: { flags: 'none' } })],
    ['that is no JSON', ({ flags }) => flags.failAlways({ invalidJson: true })],
    ['that ends too early', ({ flags }) => flags.failAlways({ halfAnswer: true })],
  ])('%s leaves the default', async (_, prepare) => {
    const own = await startFlags();
    own.posthog.flags.set({ on: true });
    prepare(own.posthog);
    expect(await own.flags.isEnabled('on', { ...USER, defaultValue: true })).toBe(true);
    expect(await own.flags.isEnabled('on', { ...USER, defaultValue: false })).toBe(false);
    // The second read falls into the cool-down.
    expect(own.asked()).toHaveLength(1);
    expect(own.flags.state.coolDownUntil).not.toBeNull();
  });
});
