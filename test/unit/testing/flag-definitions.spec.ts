import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { FakePostHog } from '../../../lib/testing/index.js';
import { type RawResponse, send, violatedRules } from './wire-client.js';

let posthog: FakePostHog;
beforeEach(async () => {
  posthog = await FakePostHog.start();
});
afterEach(() => posthog.close());

const poll = (
  headers: Record<string, string | undefined> = {},
  query = 'token=phc_test&send_cohorts',
  server = posthog,
): Promise<RawResponse> =>
  send(server, {
    method: 'GET',
    path: `/flags/definitions?${query}`,
    headers: { 'user-agent': 'test/1.0.0', authorization: 'Bearer phs_test', ...headers },
  });

it('returns definitions of all flags, with an ETag', async () => {
  posthog.flags.set({ on: true, off: false, colour: { variant: 'blue', payload: [1], hasExperiment: true } });
  posthog.flags.setFor('user_1', { colour: 'green', off: true });
  posthog.flags.minimalFlagCalledEvents = true;
  const { status, headers, json } = await poll();
  expect([status, headers.etag]).toEqual([200, expect.stringMatching(/^"[0-9a-f]{32}"$/)]);
  expect(json).toMatchObject({ group_type_mapping: {}, cohorts: {}, minimal_flag_called_events: true });
  const isUser1 = { key: 'distinct_id', type: 'person', operator: 'exact', value: ['user_1'] };
  expect((json as { flags: unknown[] }).flags).toMatchObject([
    { id: 1, key: 'on', filters: { groups: [{ properties: [], rollout_percentage: 100, variant: null }] } },
    { id: 2, key: 'off', filters: { groups: [{ properties: [isUser1] }] } },
    {
      id: 3,
      key: 'colour',
      has_experiment: true,
      filters: {
        groups: [
          { properties: [isUser1], variant: 'green' },
          { properties: [{ ...isUser1, operator: 'is_not' }], variant: 'blue' },
        ],
        payloads: { blue: '[1]' },
        multivariate: { variants: [{ key: 'blue' }, { key: 'green' }] },
      },
    },
  ]);
  expect(posthog.violations).toEqual([]);
});

it('marks flags that only the server can evaluate', async () => {
  posthog.flags.set({ computed: () => true, payloads: { payload: 1 }, plain: true });
  posthog.flags.setFor('user_1', { payloads: { payload: 2 } });
  const { json } = await poll();
  expect((json as { flags: unknown[] }).flags).toMatchObject([
    { key: 'computed', ensure_experience_continuity: true },
    { key: 'payloads', ensure_experience_continuity: true },
    { key: 'plain', ensure_experience_continuity: false },
  ]);
});

it('responds with 304 until the definitions change', async () => {
  posthog.flags.set({ one: true });
  const { headers } = await poll();
  const etag = String(headers.etag);
  const unchanged = await poll({ 'if-none-match': etag });
  expect(unchanged).toMatchObject({ status: 304, text: '', headers: { etag } });
  posthog.flags.set({ one: false });
  expect((await poll({ 'if-none-match': etag })).status).toBe(200);
  expect(posthog.flags.definitions.requests.map(({ status }) => status)).toEqual([200, 304, 200]);
  expect(posthog.flags.requests).toEqual([]);
});

it('returns raw definitions', async () => {
  const raw = { flags: [{ key: 'beta' }], group_type_mapping: { '0': 'company' }, cohorts: {} };
  posthog.flags.definitions.set(raw);
  expect((await poll()).json).toEqual(raw);
  posthog.flags.definitions.set(null);
  expect((await poll()).json).toMatchObject({ flags: [] });
});

const VALID_QUERY = 'token=phc_test&send_cohorts';
it.each<[rule: string, status: number, headers: Record<string, string | undefined>, query: string]>([
  ['secret_key_missing', 401, { authorization: undefined }, VALID_QUERY],
  ['secret_key_missing', 401, { authorization: 'phs_test' }, VALID_QUERY],
  ['secret_key_invalid', 401, { authorization: 'Bearer phc_test' }, VALID_QUERY],
  ['api_key_missing', 401, {}, 'send_cohorts'],
  ['api_key_personal', 401, {}, 'token=phx_test&send_cohorts'],
  ['send_cohorts', 200, {}, 'token=phc_test'],
  ['user_agent_missing', 200, { 'user-agent': undefined }, VALID_QUERY],
])('%s → %i', async (rule, status, headers, query) => {
  expect((await poll(headers, query)).status).toBe(status);
  expect(violatedRules(posthog)).toEqual([rule]);
  expect(JSON.stringify(posthog.violations)).not.toMatch(/ph[csx]_test/);
});

it('accepts a personal key, and with options only these keys', async () => {
  expect((await poll({ authorization: 'Bearer phx_test' })).status).toBe(200);
  const strict = await FakePostHog.start({ apiKey: 'phc_mine', secretKey: 'phs_mine' });
  const mine = { authorization: 'Bearer phs_mine' };
  expect((await poll({}, 'token=phc_mine&send_cohorts', strict)).status).toBe(401);
  expect((await poll(mine, 'token=phc_other&send_cohorts', strict)).status).toBe(401);
  expect((await poll(mine, 'token=phc_mine&send_cohorts', strict)).status).toBe(200);
  expect(violatedRules(strict)).toEqual(['secret_key_unknown', 'api_key_unknown']);
  await strict.close();
});

it('responds with 402 over the quota, and with scripted failures', async () => {
  posthog.flags.quotaLimited = true;
  expect((await poll()).status).toBe(402);
  posthog.flags.quotaLimited = false;
  posthog.flags.fail({ status: 500 });
  posthog.flags.definitions.fail([{ status: 401 }, { status: 403 }, { status: 429, retryAfter: 60 }]);
  expect([await poll(), await poll(), await poll(), await poll()].map(({ status }) => status)).toEqual([
    401, 403, 429, 200,
  ]);
  posthog.flags.definitions.fail({ hang: true });
  const hanging = poll().catch((error: unknown) => error);
  await posthog.waitFor(({ flags }) => flags.definitions.requests.length === 6);
  await posthog.close();
  expect(await hanging).toMatchObject({ code: 'ECONNRESET' });
});
