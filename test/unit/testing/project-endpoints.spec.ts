import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakePostHog } from '../../../lib/testing/index.js';
import { type RawResponse, send, violatedRules } from './wire-client.js';

let posthog: FakePostHog;
beforeEach(async () => {
  posthog = await FakePostHog.start();
});
afterEach(() => posthog.close());

const KEY = 'Bearer phx_test';

function call(
  method: string,
  path: string,
  body?: object,
  headers: Record<string, string | undefined> = {},
): Promise<RawResponse> {
  return send(posthog, {
    method,
    path: `/api/projects/1/${path}`,
    headers: { authorization: KEY, 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

const DEFINITION = { name: 'order_placed', description: 'It happened', tags: ['a'] };
const PROPERTY = { name: 'total', property_type: 'Numeric', is_required: true, description: '' };
const GROUP = { name: 'order', description: '', properties: [PROPERTY] };
/** Of no object. */
const UUID = '00000000-0000-4000-8000-000000000000';

it('stores definitions, groups and their links, and lists them', async () => {
  const definition = await call('POST', 'event_definitions/', DEFINITION);
  expect(definition).toMatchObject({ status: 201, json: { ...DEFINITION, enforcement_mode: 'allow' } });
  const group = await call('POST', 'schema_property_groups/', GROUP);
  expect(group).toMatchObject({ status: 201, json: { ...GROUP, events: [] } });
  const [definitionId, groupId] = [definition, group].map(({ json }) => (json as { id: string }).id);
  const link = { event_definition: definitionId, property_group_id: groupId };
  expect(await call('POST', 'event_schemas/', link)).toMatchObject({ status: 201 });

  expect((await call('GET', 'event_schemas/')).json).toMatchObject({
    count: 1,
    next: null,
    results: [{ event_definition: definitionId, property_group: { name: 'order', properties: [PROPERTY] } }],
  });
  expect((await call('GET', `schema_property_groups/${groupId}/`)).json).toMatchObject({
    events: [{ id: definitionId, name: 'order_placed' }],
  });
  const change = { tags: [], enforcement_mode: 'reject' };
  expect(await call('PATCH', `event_definitions/${definitionId}/`, change)).toMatchObject({
    status: 200,
    json: { ...DEFINITION, ...change },
  });
  expect((await call('PATCH', `schema_property_groups/${groupId}/`, { properties: [] })).json).toMatchObject({
    name: 'order',
    properties: [],
  });
  expect(posthog.project.eventDefinitions).toMatchObject([{ name: 'order_placed', tags: [] }]);
  expect(posthog.violations).toEqual([]);
  expect(posthog.project.requests).toHaveLength(7);
});

it('lists in pages, in the order of names, also without events of PostHog', async () => {
  for (const name of ['c', 'a', '$pageview', 'b']) posthog.project.addEvent({ name });
  const page = async (query: string): Promise<{ names: string[]; next: unknown }> => {
    const { results, next } = (await call('GET', `event_definitions/?${query}`)).json as {
      results: { name: string }[];
      next: unknown;
    };
    return { names: results.map(({ name }) => name), next };
  };
  expect(await page('limit=3')).toEqual({
    names: ['$pageview', 'a', 'b'],
    next: expect.stringContaining('limit=3&offset=3') as unknown,
  });
  expect(await page('limit=3&offset=3')).toEqual({ names: ['c'], next: null });
  expect(await page('event_type=event_custom')).toEqual({ names: ['a', 'b', 'c'], next: null });
  posthog.project.pageSize = 2;
  expect((await page('')).names).toEqual(['$pageview', 'a']);
});

describe('a request is refused', () => {
  it.each<[string, () => Promise<RawResponse>, number, string]>([
    ['without a key', () => call('GET', 'event_definitions/', undefined, { authorization: undefined }), 401, 'invalid'],
    [
      'with a project key',
      () => call('GET', 'event_definitions/', undefined, { authorization: 'Bearer phc_x' }),
      401,
      'invalid',
    ],
    ['for an object that does not exist', () => call('GET', `event_definitions/${UUID}/`), 404, 'Not found'],
    [
      'for a change of an object that does not exist',
      () => call('PATCH', `event_definitions/${UUID}/`, {}),
      404,
      'Not found',
    ],
    ['for a change of a list', () => call('PATCH', 'event_definitions/', {}), 405, 'not allowed'],
    ['for a change of a link', () => call('PATCH', `event_schemas/${UUID}/`, {}), 405, 'not allowed'],
    [
      'that is no JSON',
      () => call('POST', 'event_definitions/', DEFINITION, { 'content-type': 'text/plain' }),
      415,
      'media type',
    ],
    ['without a name', () => call('POST', 'event_definitions/', {}), 400, 'name: This field is required'],
    ['with a blank name', () => call('POST', 'event_definitions/', { name: ' ' }), 400, 'name: must be'],
    ['with a long name', () => call('POST', 'event_definitions/', { name: 'x'.repeat(401) }), 400, 'name: must be'],
    [
      'with an unknown field',
      () => call('POST', 'event_definitions/', { ...DEFINITION, verified: true }),
      400,
      'verified: This field is unknown',
    ],
    ['with wrong tags', () => call('POST', 'event_definitions/', { name: 'a', tags: 'a' }), 400, 'tags: must be'],
    [
      'with another mode',
      () => call('POST', 'event_definitions/', { name: 'a', enforcement_mode: 'on' }),
      400,
      'not a valid choice',
    ],
    [
      'with another type',
      () => call('POST', 'schema_property_groups/', { ...GROUP, properties: [{ name: 'a', property_type: 'Text' }] }),
      400,
      'properties: [0] property_type "Text" is not a valid choice',
    ],
    [
      'without a type',
      () => call('POST', 'schema_property_groups/', { ...GROUP, properties: [{ name: 'a' }] }),
      400,
      '[0] property_type This field is required',
    ],
    [
      'with an unknown field of a property',
      () => call('POST', 'schema_property_groups/', { ...GROUP, properties: [{ ...PROPERTY, enum: [] }] }),
      400,
      'enum',
    ],
    [
      'with a long name of a property',
      () => call('POST', 'schema_property_groups/', { ...GROUP, properties: [{ ...PROPERTY, name: 'x'.repeat(201) }] }),
      400,
      'name must be',
    ],
    [
      'with a property twice',
      () => call('POST', 'schema_property_groups/', { ...GROUP, properties: [PROPERTY, PROPERTY] }),
      400,
      'already exists in this group',
    ],
    [
      'for a link to nothing',
      () => call('POST', 'event_schemas/', { event_definition: UUID, property_group_id: UUID }),
      400,
      'does not exist',
    ],
  ])('%s', async (_what, request, status, detail) => {
    const { status: given, json } = await request();
    expect([given, (json as { detail: string }).detail]).toEqual([status, expect.stringContaining(detail)]);
    expect(posthog.project.eventDefinitions).toEqual([]);
    expect(posthog.project.propertyGroups).toEqual([]);
  });

  it('for a name that exists', async () => {
    posthog.project.addGroup({ name: 'order', events: ['order_placed'] });
    for (const [path, body] of [
      ['event_definitions/', DEFINITION],
      ['schema_property_groups/', GROUP],
    ] as const) {
      expect((await call('POST', path, body)).status).toBe(400);
    }
    const [link] = posthog.project.eventSchemas;
    const same = { event_definition: link?.event_definition, property_group_id: link?.property_group };
    expect((await call('POST', 'event_schemas/', same)).status).toBe(400);
    expect(violatedRules(posthog)).toEqual(['rest_unique']);
    expect(posthog.violations).toHaveLength(3);
  });

  it('for a change of a name', async () => {
    const { id } = posthog.project.addEvent({ name: 'a' });
    expect((await call('PATCH', `event_definitions/${id}/`, { name: 'b' })).status).toBe(400);
  });

  it('without the scope, for another project, or of a deployment that has less', async () => {
    posthog.project.scopes = ['event_definition:read'];
    expect((await call('GET', 'event_definitions/')).status).toBe(200);
    expect((await call('POST', 'event_definitions/', DEFINITION)).json).toMatchObject({
      detail: "API key missing required scope 'event_definition:write'",
    });
    posthog.project.scopes = ['event_definition:write'];
    expect((await call('GET', 'event_definitions/')).status).toBe(200);
    posthog.project.hasDescriptions = false;
    expect((await call('POST', 'event_definitions/', DEFINITION)).status).toBe(400);
    expect((await call('POST', 'event_definitions/', { name: 'a' })).json).not.toHaveProperty('description');
    posthog.project.hasPrivateSchemas = true;
    expect((await call('GET', 'event_schemas/')).status).toBe(403);
    posthog.project.personalApiKey = 'phx_other';
    expect((await call('GET', 'event_definitions/')).status).toBe(401);
    posthog.project.personalApiKey = null;
    posthog.project.id = '2';
    expect((await call('GET', 'event_definitions/')).status).toBe(404);
  });
});

describe('faults', () => {
  it('have an effect on these requests only, and store nothing unless they say so', async () => {
    posthog.project.fail([{ status: 503 }, { status: 500, store: true }, { reset: 'before' }, { reset: 'after' }]);
    expect((await call('POST', 'event_definitions/', { name: 'a' })).json).toMatchObject({ detail: 'scripted 503' });
    expect((await call('POST', 'event_definitions/', { name: 'b' })).status).toBe(500);
    await expect(call('POST', 'event_definitions/', { name: 'c' })).rejects.toThrow();
    await expect(call('POST', 'event_definitions/', { name: 'd' })).rejects.toThrow();
    expect(posthog.project.eventDefinitions.map(({ name }) => name)).toEqual(['b', 'd']);
    posthog.project.failAlways({ status: 503 });
    posthog.clear();
    expect((await call('GET', 'event_definitions/')).status).toBe(200);
  });
});
