import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { runCli } from '../../lib/cli/cli.js';
import { ProjectApi } from '../../lib/cli/events/project-api.js';
import { type FakePostHog, type RecordedRequest } from '../../lib/testing/index.js';
import { EventModules } from '../support/event-modules.js';
import { startPatientPostHog } from '../support/patient-posthog.js';
import { ScriptedTerminal } from '../support/scripted-terminal.js';
import { watch } from '../support/secrets.js';

const KEY = 'phx_0123456789_personal_key';
const environment = { ...process.env };
let posthog: FakePostHog;
let modules: EventModules;
beforeAll(() => {
  modules = new EventModules();
});
beforeEach(async () => {
  posthog = await startPatientPostHog();
  posthog.project.personalApiKey = KEY;
  Object.assign(process.env, {
    POSTHOG_CLI_API_KEY: KEY,
    POSTHOG_CLI_PROJECT_ID: '1',
    POSTHOG_CLI_HOST: posthog.url,
  });
});
afterEach(async () => {
  process.env = { ...environment };
  await posthog.close();
});
afterAll(() => modules.remove());

const EVENTS = `
export const OrderPlaced = defineEvent(
  'order_placed',
  z.object({
    total: z.number().describe(' In cents '),
    currency: z.enum(['EUR', 'USD']).default('EUR'),
    email: z.email(),
    at: z.date(),
    items: z.array(z.object({ sku: z.string() })),
    note: z.string().nullable(),
    gift: z.boolean().optional(),
  }),
  { description: 'An order was paid', owner: 'Checkout', pii: ['email'] },
);
`;

const PROPERTIES = [
  { name: 'total', property_type: 'Numeric', is_required: true, description: 'In cents' },
  { name: 'currency', property_type: 'String', is_required: false, description: '' },
  { name: 'email', property_type: 'String', is_required: false, description: '' },
  { name: 'at', property_type: 'DateTime', is_required: true, description: '' },
  { name: 'items', property_type: 'Object', is_required: true, description: '' },
  { name: 'note', property_type: 'String', is_required: false, description: '' },
  { name: 'gift', property_type: 'Boolean', is_required: false, description: '' },
] as const;

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function events(args: readonly string[], terminal = new ScriptedTerminal()): Promise<Result> {
  const code = await runCli(['events', ...args], terminal);
  const { stdout, stderr } = terminal;
  watch('output of events', stdout + stderr, [KEY]);
  return { code, stdout, stderr };
}

const pull = (code: string, ...flags: string[]): Promise<Result> =>
  events(['pull', '--from', modules.esm(code), ...flags]);
const push = (code: string, ...flags: string[]): Promise<Result> =>
  events(['push', '--from', modules.esm(code), ...flags]);

const writes = (): RecordedRequest[] => posthog.project.requests.filter(({ method }) => method !== 'GET');

function withoutId<T extends { readonly id: string }>(one: T): Omit<T, 'id'> {
  return Object.fromEntries(Object.entries(one).filter(([name]) => name !== 'id')) as Omit<T, 'id'>;
}

/** What a project has, without ids. */
function stored() {
  const { eventDefinitions, propertyGroups, eventSchemas } = posthog.project;
  const nameOf = (list: readonly { id: string; name: string }[], id: string) => list.find((one) => one.id === id)?.name;
  return {
    events: eventDefinitions.map(withoutId),
    groups: propertyGroups.map(withoutId),
    links: eventSchemas.map(({ event_definition: event, property_group: group }) => [
      nameOf(eventDefinitions, event),
      nameOf(propertyGroups, group),
    ]),
  };
}

describe('events push', () => {
  it('writes the event, its group and their link, and changes nothing the second time', async () => {
    expect(await push(EVENTS)).toEqual({
      code: 0,
      stdout: `create order_placed
create group "code: order_placed"
add group "code: order_placed" to order_placed
3 changes made.
`,
      stderr: '',
    });
    expect(stored()).toEqual({
      events: [
        {
          name: 'order_placed',
          description: 'An order was paid',
          tags: ['code-owner:checkout'],
          enforcement_mode: 'allow',
        },
      ],
      groups: [
        {
          name: 'code: order_placed',
          description: 'Written by posthog-capture events push. Change the definition in the code.',
          properties: PROPERTIES,
        },
      ],
      links: [['order_placed', 'code: order_placed']],
    });
    posthog.clear();
    expect(await push(EVENTS)).toEqual({ code: 0, stdout: 'Nothing to change.\n', stderr: '' });
    expect(writes()).toEqual([]);
    expect((await pull(EVENTS, '--check')).stdout).toBe(
      'The code and the project have the same definitions: 1 event.\n',
    );
    expect(posthog.violations).toEqual([]);
  });

  it('changes what has changed in the code, with one request each', async () => {
    await push(EVENTS);
    posthog.clear();
    const changed = EVENTS.replace('was paid', 'was placed')
      .replace("'Checkout'", "'payments', deprecated: 'use order_paid'")
      .replace('gift: z.boolean()', 'gift: z.int()');
    expect((await push(changed)).stdout).toBe(`update order_placed: description, tags
update group "code: order_placed"
2 changes made.
`);
    expect(writes()).toHaveLength(2);
    const {
      events: [event],
      groups: [group],
    } = stored();
    expect(event).toMatchObject({
      description: 'An order was placed',
      tags: ['code-deprecated', 'code-owner:payments'],
    });
    expect(group?.properties.at(-1)).toMatchObject({ name: 'gift', property_type: 'Numeric' });
    expect((await push(changed)).stdout).toBe('Nothing to change.\n');
  });

  it('leaves everything else of the project alone', async () => {
    posthog.project.addEvent({
      name: 'order_placed',
      description: 'Old',
      tags: ['finance'],
      enforcement_mode: 'reject',
    });
    posthog.project.addEvent({ name: 'other', description: 'Not in the code' });
    posthog.project.addGroup({
      name: 'by hand',
      properties: [{ name: 'total', property_type: 'String' }],
      events: ['order_placed', 'other'],
    });
    posthog.project.addGroup({ name: 'code: other', description: 'Of another program', events: ['other'] });
    const before = stored();
    expect((await push(EVENTS)).code).toBe(0);
    const after = stored();
    expect(after.events).toEqual([
      {
        name: 'order_placed',
        description: 'An order was paid',
        tags: ['finance', 'code-owner:checkout'],
        enforcement_mode: 'reject',
      },
      before.events[1],
    ]);
    expect(after.groups.slice(0, 2)).toEqual(before.groups);
    expect(after.links).toEqual([...before.links, ['order_placed', 'code: order_placed']]);
    expect(writes().filter(({ json }) => 'enforcement_mode' in (json as object))).toEqual([]);
  });

  it('does not change a group that other events have as well', async () => {
    posthog.project.addEvent({ name: 'other' });
    posthog.project.addGroup({
      name: 'code: order_placed',
      properties: [{ name: 'total', property_type: 'String' }],
      events: ['other'],
    });
    const { groups, links } = stored();
    for (const flags of [['--dry-run'], ['--enforce']]) {
      const { code, stderr } = await push(EVENTS, ...flags);
      expect(code).toBe(1);
      expect(stderr).toBe(
        'posthog-capture events push: the group "code: order_placed" was not changed, because it is also a schema of other: remove it there in PostHog.\n',
      );
    }
    expect(stored()).toMatchObject({ groups, links });
    expect(stored().events[1]).not.toMatchObject({ enforcement_mode: 'reject' });
  });

  it('with --dry-run prints the changes and makes none', async () => {
    posthog.project.scopes = ['event_definition:read'];
    expect(await push(EVENTS, '--dry-run', '--enforce')).toEqual({
      code: 0,
      stdout: `would create order_placed
would create group "code: order_placed"
would add group "code: order_placed" to order_placed
would enforce order_placed
Dry run: 4 changes to make.
`,
      stderr: '',
    });
    expect(writes()).toEqual([]);
  });

  it('with --enforce enforces after everything else, and once', async () => {
    expect((await push(EVENTS, '--enforce')).stdout).toContain('enforce order_placed\n4 changes made.\n');
    expect(writes().at(-1)?.json).toEqual({ enforcement_mode: 'reject' });
    expect(stored().events[0]?.enforcement_mode).toBe('reject');
    expect((await push(EVENTS, '--enforce')).stdout).toBe('Nothing to change.\n');
    expect((await push(EVENTS)).stdout).toBe('Nothing to change.\n');
  });

  it('writes what the schema sends, and leaves out what PostHog has no type for', async () => {
    const code = `export const E = defineEvent('e', z.object({
      length: z.string().transform((text) => text.length),
      parsed: z.string().transform(Number).pipe(z.number()),
      mixed: z.union([z.string(), z.number()]),
      texts: z.union([z.string(), z.iso.datetime()]),
      literals: z.literal(['a', 'b']).nullable(),
      secret: z.number(),
      anything: z.unknown(),
      ['x'.repeat(201)]: z.string(),
      ' blank ': z.string(),
    }), { pii: ['secret'] });`;
    const { code: exit, stderr } = await push(code);
    expect(exit).toBe(0);
    expect(stored().groups[0]?.properties.map(({ name, property_type }) => `${name} ${property_type}`)).toEqual([
      'parsed Numeric',
      'texts String',
      'literals String',
    ]);
    expect(stderr).toMatch(
      /^posthog-capture events push: warning: e: left out, as PostHog has no type for them: length, mixed, secret, anything, x+, {2}blank \.\n$/,
    );
    expect((await pull(code, '--check')).code).toBe(0);
    expect((await push(code)).stdout).toBe('Nothing to change.\n');
  });

  it('writes an event whose properties are unknown without a group, and does not enforce it', async () => {
    const code = `
      const schema = { '~standard': { version: 1, vendor: 'own', validate: (value) => ({ value }) } };
      export const E = defineEvent('e', schema, { description: 'It happened' });`;
    const { stdout, stderr } = await push(code, '--enforce');
    expect(stdout).toBe('create e\n1 change made.\n');
    expect(stderr).toContain('warning: e: its properties are unknown');
    expect(stored()).toMatchObject({ events: [{ enforcement_mode: 'allow' }], groups: [] });
    expect((await pull(code, '--check')).code).toBe(0);
  });

  it('works without descriptions, where the deployment has none', async () => {
    posthog.project.hasDescriptions = false;
    expect((await push(EVENTS)).code).toBe(0);
    expect((await push(EVENTS)).stdout).toBe('Nothing to change.\n');
  });

  it('says what to do by hand where PostHog refuses a link, and does not enforce', async () => {
    posthog.project.hasPrivateSchemas = true;
    for (const first of [true, false]) {
      const { code, stdout, stderr } = await push(EVENTS, '--enforce');
      expect(stdout.startsWith('create order_placed\n')).toBe(first);
      expect(stderr).toBe(
        'posthog-capture events push: add the group "code: order_placed" to the event order_placed in PostHog: it does not let a personal API key do that.\n',
      );
      expect(code).toBe(1);
    }
    expect(stored().events[0]?.enforcement_mode).toBe('allow');
    const [[event], [group]] = [posthog.project.eventDefinitions, posthog.project.propertyGroups];
    posthog.project.link(event?.id ?? '', group?.id ?? '');
    expect((await push(EVENTS)).code).toBe(0);
  });

  it('takes names of any characters', async () => {
    const code = String.raw`export const E = defineEvent('a/b ?#%\n\u001b[31m"', z.object({ 'p/q\n': z.string(), ok: z.string() }));`;
    const { code: exit, stdout } = await push(code);
    expect(exit).toBe(0);
    expect(stdout).not.toContain('\u001b');
    expect(stdout).toContain('create a/b ?#%\\u000a\\u001b[31m"\n');
    expect(stored().events[0]?.name).toBe('a/b ?#%\n\u001b[31m"');
    expect((await push(code)).stdout).toBe('Nothing to change.\n');
  });
});

describe('events pull', () => {
  it('prints what is missing on either side, and which properties differ', async () => {
    posthog.project.addGroup({
      name: 'a group',
      properties: [
        { name: 'total', property_type: 'String', is_required: true },
        { name: 'currency', property_type: 'String', is_required: true },
        { name: 'coupon', property_type: 'String' },
      ],
      events: ['order_placed', 'legacy\u001b[31m'],
    });
    posthog.project.addEvent({ name: '$pageview' });
    const code = `
      export const A = defineEvent('order_placed', z.object({ total: z.number(), currency: z.string().optional(), at: z.date() }));
      export const B = defineEvent('cart_opened', z.object({}));`;
    const expected = `Missing in the project:
  cart_opened
Missing in the code:
  legacy\\u001b[31m
Different:
  order_placed
    total: Numeric in the code, String in the project
    currency: optional in the code, required in the project
    at: missing in the project (DateTime, required in the code)
    coupon: missing in the code
6 differences.
`;
    expect(await pull(code)).toEqual({ code: 0, stdout: expected, stderr: '' });
    expect(await pull(code, '--check')).toEqual({ code: 1, stdout: expected, stderr: '' });
    expect(writes()).toEqual([]);
    expect(posthog.violations).toEqual([]);
  });

  it('reads 3000 events in pages of any size', async () => {
    const count = 3000;
    for (let at = 0; at < count; at++) {
      const { id } = posthog.project.addEvent({ name: `event_${at}` });
      const group = posthog.project.addGroup({
        name: `code: event_${at}`,
        properties: [{ name: 'at', property_type: 'Numeric', is_required: true }],
      });
      posthog.project.link(id, group.id);
    }
    const code = `export const all = Array.from({ length: ${count} }, (_, at) => defineEvent('event_' + at, z.object({ at: z.int() })));`;
    const { stdout } = await pull(code, '--check');
    expect(stdout).toBe(`The code and the project have the same definitions: ${count} events.\n`);
    expect(posthog.project.requests.length).toBeGreaterThan(30);
  });

  it('reads the links from the groups where PostHog refuses their list', async () => {
    await push(EVENTS);
    posthog.project.hasPrivateSchemas = true;
    expect((await pull(EVENTS, '--check')).code).toBe(0);
  });
});

describe('a failure is one line with its remedy, and exits with 1', () => {
  it.each<[string, () => void, string]>([
    [
      'another key',
      () => (process.env.POSTHOG_CLI_API_KEY = `phx_other_${KEY.slice(4)}`),
      'PostHog API error: HTTP 401 (Personal API key found in request Authorization header is invalid). Remedy: check that POSTHOG_CLI_API_KEY is a personal API key (phx_…) of http://127.0.0.1:',
    ],
    [
      'a missing scope',
      () => (posthog.project.scopes = ['insight:read']),
      "HTTP 403 (API key missing required scope 'event_definition:read'). Remedy: give the personal API key the scope event_definition:read, and access to project 1.",
    ],
    [
      'a scope that only reads',
      () => (posthog.project.scopes = ['event_definition:read']),
      "HTTP 403 (API key missing required scope 'event_definition:write'). Remedy: give the personal API key the scope event_definition:write",
    ],
    [
      'another project',
      () => (process.env.POSTHOG_CLI_PROJECT_ID = '7'),
      'HTTP 404 (Project not found). Remedy: check that project 7 exists at http://127.0.0.1:',
    ],
    [
      'a redirect',
      () => posthog.project.failAlways({ redirect: 'http://127.0.0.1:1/' }),
      'HTTP 307. Remedy: check that project 1 exists at',
    ],
    [
      'a rate limit',
      () => posthog.project.failAlways({ status: 429 }),
      'HTTP 429 (scripted 429). Remedy: the project is over its rate limit: try again in a minute.',
    ],
    [
      'a failing server',
      () => posthog.project.failAlways({ status: 503, body: '<html>' }),
      'HTTP 503. Remedy: try again later.',
    ],
    ['a reset', () => posthog.project.failAlways({ reset: 'before' }), 'PostHog connection error: '],
    ['half a response', () => posthog.project.failAlways({ halfAnswer: true }), 'PostHog connection error: '],
    [
      'no JSON',
      () => posthog.project.failAlways({ invalidJson: true }),
      "PostHog's response is not that of its REST API. Remedy: check that http://127.0.0.1:",
    ],
    [
      'other JSON',
      () => posthog.project.failAlways({ status: 200, body: { status: 'Ok' } }),
      "PostHog's response is not that of its REST API.",
    ],
    [
      'an error that quotes the key',
      () => posthog.project.failAlways({ status: 400, body: { detail: `bad ${KEY}\n!` } }),
      'HTTP 400 (bad ***\\n!). Remedy: ',
    ],
    [
      'a refused connection',
      () => (process.env.POSTHOG_CLI_HOST = 'http://127.0.0.1:1'),
      'Remedy: check that this machine can reach http://127.0.0.1:1 (POSTHOG_CLI_HOST or --host).',
    ],
  ])('%s', async (_what, prepare, problem) => {
    prepare();
    const { code, stdout, stderr } = await push(EVENTS);
    watch('output of events', stderr, [process.env.POSTHOG_CLI_API_KEY ?? '']);
    expect(stderr).toMatch(/^posthog-capture events push: [^\n]*\n$/);
    expect(stderr).toContain(problem);
    expect(stdout).toBe('');
    expect(code).toBe(1);
  });

  it('a rate limit with a time is waited for', async () => {
    posthog.project.fail([
      { status: 429, retryAfter: 0 },
      { status: 429, retryAfter: 0 },
    ]);
    expect((await push(EVENTS)).code).toBe(0);
  });

  it('in the middle: the changes so far stay, and the next push makes the others', async () => {
    posthog.project.failWhen(({ path, method }) =>
      method === 'POST' && path.endsWith('/event_schemas/') ? { status: 500 } : null,
    );
    const { code, stderr } = await push(EVENTS);
    expect(code).toBe(1);
    expect(stderr).toContain('HTTP 500');
    expect(stderr).toContain('posthog-capture events push: 2 changes made before. Run push again for the others.\n');
    posthog.project.failWhen(null);
    expect((await push(EVENTS)).stdout).toBe('add group "code: order_placed" to order_placed\n1 change made.\n');
    expect(stored().groups).toHaveLength(1);
  });

  it('a response that never comes ends with the time-out', async () => {
    posthog.project.failAlways({ hang: true });
    const settings = { key: KEY, project: '1', host: posthog.url };
    const api = new ProjectApi(settings, new AbortController().signal, 200);
    await expect(api.list('event_definitions')).rejects.toThrow(
      `PostHog request timed out after 200 ms. Remedy: try again, and check that this machine can reach ${posthog.url}`,
    );
  });

  it('an interruption exits with 130, also while waiting', async () => {
    for (const fault of [{ hang: true } as const, { status: 429, retryAfter: 100 }]) {
      posthog.clear();
      posthog.project.failAlways(fault);
      const terminal = new ScriptedTerminal();
      const ended = events(['pull', '--from', modules.esm(EVENTS)], terminal);
      await posthog.waitForRequests(1);
      terminal.interrupt();
      expect(await ended).toEqual({ code: 130, stdout: '', stderr: '' });
    }
  });
});

describe('wrong settings', () => {
  it.each<[string, Record<string, string>, string[], string]>([
    [
      'no key',
      { POSTHOG_CLI_API_KEY: ' ' },
      [],
      'POSTHOG_CLI_API_KEY is not set: create a personal API key (phx_…) with the scope',
    ],
    [
      'a project key',
      { POSTHOG_CLI_API_KEY: 'phc_abc' },
      [],
      'POSTHOG_CLI_API_KEY is a project API key (phc_…): use a personal API key',
    ],
    [
      'a broken key',
      { POSTHOG_CLI_API_KEY: 'phx_a\nb' },
      [],
      'POSTHOG_CLI_API_KEY has characters that a key cannot have',
    ],
    [
      'no project',
      { POSTHOG_CLI_PROJECT_ID: '' },
      [],
      'the project is missing: set POSTHOG_CLI_PROJECT_ID, or add --project',
    ],
    ['another project', {}, ['--project', '../2'], 'the project "../2" is not a number'],
    ['no URL', { POSTHOG_CLI_HOST: 'us.posthog.com' }, [], 'the host is not a URL such as https://us.posthog.com'],
    ['a password in the URL', {}, ['--host', 'https://me:secret@us.posthog.com'], 'the host is not a URL'],
    ['an unknown flag', {}, ['--dry-ran'], 'unknown flag --dry-ran; did you mean --dry-run?'],
  ])('%s: it explains the mistake, sends nothing and exits with 2', async (_what, variables, flags, problem) => {
    Object.assign(process.env, variables);
    const { code, stderr } = await push(EVENTS, ...flags);
    expect(stderr).toMatch(/^posthog-capture events push: [^\n]*\n$/);
    expect(stderr).toContain(problem);
    expect(stderr).not.toContain('secret');
    expect(code).toBe(2);
    expect(posthog.requests).toEqual([]);
  });

  it('flags take precedence over the variables, and the host may have a path', async () => {
    Object.assign(process.env, { POSTHOG_CLI_PROJECT_ID: '9', POSTHOG_CLI_HOST: 'http://127.0.0.1:1' });
    posthog.project.id = '42';
    expect((await pull(EVENTS, '--project', '42', '--host', `${posthog.url}/proxy/`)).code).toBe(0);
    expect(posthog.requests[0]?.path).toBe('/proxy/api/projects/42/event_definitions/');
  });
});
