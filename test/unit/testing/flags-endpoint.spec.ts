import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakePostHog } from '../../../lib/testing/index.js';
import { flagsRequest, type Json, type RawRequest, type RawResponse, send, violatedRules } from './wire-client.js';

let posthog: FakePostHog;
beforeEach(async () => {
  posthog = await FakePostHog.start();
});
afterEach(() => posthog.close());

const ask = (fields?: Json, request?: Partial<RawRequest>): Promise<RawResponse> =>
  send(posthog, { ...flagsRequest(fields), ...request });
const flagsOf = ({ json }: RawResponse): Record<string, Json> => (json as { flags: Record<string, Json> }).flags;

describe('evaluation', () => {
  it('returns every form of flag', async () => {
    posthog.flags.set({
      on: true,
      off: false,
      variant: 'blue',
      full: {
        variant: 'green',
        payload: { hex: '#0f0' },
        hasExperiment: false,
        reason: 'a reason',
        id: 77,
        version: 5,
      },
      disabled: { enabled: false, variant: 'lost', payload: 'lost' },
    });
    const response = await ask();
    expect(response.status).toBe(200);
    const matched = { code: 'condition_match', condition_index: 0, description: 'Matched condition set 1' };
    const unmatched = { code: 'no_condition_match', condition_index: null, description: 'No matching condition set' };
    const metadata = { version: 1, description: null };
    expect(response.json).toEqual({
      flags: {
        on: { key: 'on', enabled: true, variant: null, reason: matched, metadata: { id: 1, ...metadata } },
        off: { key: 'off', enabled: false, variant: null, reason: unmatched, metadata: { id: 2, ...metadata } },
        variant: { key: 'variant', enabled: true, variant: 'blue', reason: matched, metadata: { id: 3, ...metadata } },
        full: {
          key: 'full',
          enabled: true,
          variant: 'green',
          reason: { ...matched, description: 'a reason' },
          metadata: { id: 77, version: 5, description: null, payload: '{"hex":"#0f0"}', has_experiment: false },
        },
        disabled: {
          key: 'disabled',
          enabled: false,
          variant: null,
          reason: unmatched,
          metadata: { id: 5, ...metadata },
        },
      },
      errorsWhileComputingFlags: false,
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      evaluatedAt: expect.any(Number),
    });
    expect(posthog.violations).toEqual([]);
  });

  it('returns the requested flags only', async () => {
    posthog.flags.set({ one: true, two: true, three: true });
    const response = await ask({ flag_keys_to_evaluate: ['two', 'unknown'] });
    expect(Object.keys(flagsOf(response))).toEqual(['two']);
  });

  it('calls a flag that is a function with the person, and omits the flag if it returns undefined', async () => {
    const seen: unknown[] = [];
    posthog.flags.set({
      pro: (query) => {
        seen.push(query);
        return query.personProperties.plan === 'pro' ? 'blue' : undefined;
      },
    });
    const groups = { company: 'acme' };
    const groupProperties = { company: { $group_key: 'acme', size: 9 } };
    const personProperties = { plan: 'pro' };
    const pro = await ask({ person_properties: personProperties, groups, group_properties: groupProperties });
    expect(flagsOf(pro)).toMatchObject({ pro: { enabled: true, variant: 'blue' } });
    expect(flagsOf(await ask())).toEqual({});
    expect(seen[0]).toEqual({ distinctId: 'user_1', groups, personProperties, groupProperties });
  });

  it('responds with 500 if a flag throws', async () => {
    posthog.flags.set({
      broken: () => {
        throw new Error('not today');
      },
    });
    expect((await ask()).status).toBe(500);
    expect(posthog.violations).toMatchObject([
      { rule: 'callback_threw', detail: expect.stringContaining('not today') },
    ]);
  });

  it('overrides flags for a person', async () => {
    posthog.flags.set({ colour: 'blue' });
    posthog.flags.setFor('user_2', { colour: 'green', beta: true });
    expect(flagsOf(await ask())).toMatchObject({ colour: { variant: 'blue' }, beta: { enabled: false } });
    const other = await ask({ distinct_id: 'user_2' });
    expect(flagsOf(other)).toMatchObject({ colour: { variant: 'green' }, beta: { enabled: true } });
  });

  it('counts versions, keeps ids, and forgets deleted flags', async () => {
    posthog.flags.set({ one: false, two: true });
    posthog.flags.set({ one: true });
    expect(flagsOf(await ask())).toMatchObject({ one: { enabled: true, metadata: { id: 1, version: 2 } } });
    posthog.flags.delete('one');
    expect(Object.keys(flagsOf(await ask()))).toEqual(['two']);
    posthog.flags.clear();
    expect(flagsOf(await ask())).toEqual({});
  });

  it('reports errors, the quota and minimal events', async () => {
    posthog.flags.set({ one: true });
    Object.assign(posthog.flags, { errorsWhileComputingFlags: true, minimalFlagCalledEvents: true });
    expect((await ask()).json).toMatchObject({ errorsWhileComputingFlags: true, minimalFlagCalledEvents: true });
    posthog.flags.quotaLimited = true;
    expect((await ask()).json).toMatchObject({ flags: {}, quotaLimited: ['feature_flags'] });
    posthog.flags.clear();
    const { json } = await ask();
    expect(json).toMatchObject({ errorsWhileComputingFlags: false });
    expect(json).not.toHaveProperty('quotaLimited');
    expect(json).not.toHaveProperty('minimalFlagCalledEvents');
  });

  it('is available under any path prefix, and not at /decide', async () => {
    expect((await ask({}, { path: '/proxy/flags/?v=2' })).status).toBe(200);
    expect((await ask({}, { path: '/decide/?v=4' })).status).toBe(404);
    expect((await send(posthog, { method: 'GET', path: '/flags/?v=2' })).status).toBe(405);
    expect(violatedRules(posthog)).toEqual(['path', 'method']);
  });
});

describe('rules', () => {
  const keyed = { company: { $group_key: 'acme' } };
  it.each<[rule: string, status: number, fields: Json]>([
    ['api_key_missing', 401, { token: undefined, api_key: 'phc_test' }],
    ['api_key_personal', 401, { token: 'phx_personal' }],
    ['distinct_id_missing', 400, { distinct_id: undefined }],
    ['distinct_id_missing', 400, { distinct_id: ' ' }],
    ['distinct_id_missing', 400, { distinct_id: 7 }],
    ['distinct_id_too_long', 200, { distinct_id: 'x'.repeat(201) }],
    ['distinct_id_in_properties', 200, { person_properties: { distinct_id: 'user_1' } }],
    ['groups_missing', 200, { groups: undefined }],
    ['groups_invalid', 400, { groups: [] }],
    ['person_properties_missing', 200, { person_properties: undefined }],
    ['person_properties_invalid', 400, { person_properties: 'plan' }],
    ['group_properties_missing', 200, { group_properties: undefined }],
    ['group_properties_invalid', 400, { group_properties: null }],
    ['group_invalid', 200, { groups: { company: 7 }, group_properties: { company: {} } }],
    ['group_key', 200, { groups: { company: 'acme' } }],
    ['group_key', 200, { groups: { company: 'other' }, group_properties: keyed }],
    ['group_properties_without_group', 200, { group_properties: keyed }],
    ['geoip_disable', 200, { geoip_disable: undefined }],
    ['flag_keys_to_evaluate_invalid', 400, { flag_keys_to_evaluate: 'one' }],
    ['flag_keys_to_evaluate_invalid', 400, { flag_keys_to_evaluate: [7] }],
    ['flag_keys_to_evaluate_invalid', 200, { flag_keys_to_evaluate: [] }],
    ['flag_keys_to_evaluate_invalid', 200, { flag_keys_to_evaluate: ['one', 'one'] }],
    ['evaluation_contexts_invalid', 400, { evaluation_contexts: {} }],
    ['evaluation_runtime', 200, { evaluation_runtime: undefined }],
    ['evaluation_runtime', 200, { evaluation_runtime: 'client' }],
    ['device_id', 200, { person_properties: { $device_id: 'd1' } }],
    ['root_key', 200, { disable_flags: true }],
  ])('%s → %i: %j', async (rule, status, fields) => {
    expect((await ask(fields)).status).toBe(status);
    expect(violatedRules(posthog)).toContain(rule);
  });

  it.each<[rule: string, status: number, request: Partial<RawRequest>]>([
    ['flags_version', 400, { path: '/flags/' }],
    ['flags_version', 400, { path: '/flags/?v=3' }],
    ['authorization', 200, { headers: { ...flagsRequest().headers, authorization: 'Bearer phc_test' } }],
    ['content_type', 400, { headers: { 'user-agent': 'test/1.0.0' } }],
    ['user_agent_missing', 200, { headers: { 'content-type': 'application/json' } }],
    ['content_encoding', 400, { headers: { ...flagsRequest().headers, 'content-encoding': 'gzip' } }],
    ['json_invalid', 400, { body: '[]' }],
    ['body_too_large', 413, { body: ' '.repeat(2 * 1024 * 1024 + 1) }],
  ])('%s → %i', async (rule, status, request) => {
    expect((await ask({}, request)).status).toBe(status);
    expect(violatedRules(posthog)).toEqual([rule]);
  });

  it('accepts a request with all fields', async () => {
    const response = await ask({
      groups: { company: 'acme' },
      group_properties: keyed,
      person_properties: { $device_id: 'd1' },
      $device_id: 'd1',
      flag_keys_to_evaluate: ['one'],
      evaluation_contexts: ['main'],
    });
    expect(response.status).toBe(200);
    expect(posthog.violations).toEqual([]);
  });

  it('accepts only the API key of the server', async () => {
    const strict = await FakePostHog.start({ apiKey: 'phc_mine' });
    expect((await send(strict, flagsRequest())).status).toBe(401);
    expect((await send(strict, flagsRequest({ token: 'phc_mine' }))).status).toBe(200);
    expect(violatedRules(strict)).toEqual(['api_key_unknown']);
    await strict.close();
  });
});

describe('requests and faults', () => {
  it('records requests, also among the requests of the server', async () => {
    await ask();
    expect(posthog.flags.requests).toEqual(posthog.requests);
    expect(posthog.flags.requests).toMatchObject([
      {
        endpoint: 'flags',
        format: null,
        path: '/flags/',
        query: 'v=2',
        events: 0,
        status: 200,
        json: { token: 'phc_test' },
      },
    ]);
    posthog.clear();
    expect(posthog.flags.requests).toEqual([]);
  });

  it('has faults of its own', async () => {
    posthog.flags.set({ one: true });
    posthog.fail({ status: 500 });
    posthog.failAlways({ status: 500 });
    posthog.flags.fail([{ status: 503, retryAfter: 3 }, { invalidJson: true }, { reset: 'after' }]);
    posthog.flags.failWhen(({ json }) => ((json as Json).distinct_id === 'user_2' ? { status: 504 } : null));
    posthog.flags.failAlways({ status: 200, body: { featureFlags: { one: 'old' } } });

    expect(await ask()).toMatchObject({ status: 503, headers: { 'retry-after': '3' } });
    expect(await ask()).toMatchObject({ status: 200, text: '<!doctype' });
    await expect(ask()).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect((await ask({ distinct_id: 'user_2' })).status).toBe(504);
    expect((await ask()).json).toEqual({ featureFlags: { one: 'old' } });
    posthog.clear();
    expect(flagsOf(await ask())).toMatchObject({ one: { enabled: true } });
  });

  it('hangs until the server closes', async () => {
    posthog.flags.fail({ hang: true });
    const answer = ask().catch((error: unknown) => error);
    await posthog.waitFor(({ flags }) => flags.requests.length === 1);
    await posthog.close();
    expect(await answer).toMatchObject({ code: 'ECONNRESET' });
    expect(posthog.flags.requests).toMatchObject([{ status: null }]);
  });
});
