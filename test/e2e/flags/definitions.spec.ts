import { type FlagDefinitionCache } from 'nestjs-posthog-capture/flags';
import { type FakeFlag } from 'nestjs-posthog-capture/testing';
import { closeAll } from '../../support/harness.js';
import { type FlagsApp, SECRET_KEY, startFlags } from '../../support/flags.js';

afterEach(closeAll);

const local = { secretKey: SECRET_KEY };
const FLAGS: Record<string, FakeFlag> = { blue: { variant: 'blue', payload: { hex: '#00f' } }, off: false };

const read = ({ capture, flags }: FlagsApp, key = 'blue') =>
  capture.withContext({ distinctId: 'ann' }, () => flags.evaluate([key]));

const sourceOf = ({ flags }: FlagsApp): string => flags.state.source;

/** Reads until the definitions are loaded. */
async function loaded(app: FlagsApp): Promise<void> {
  await read(app);
  while (app.flags.state.source !== 'local') await new Promise(setImmediate);
  app.posthog.clear();
}

it('loads definitions on first use, with the secret key, and then evaluates without a request', async () => {
  const app = await startFlags(local);
  app.posthog.flags.set(FLAGS);
  expect(app.posthog.requests).toEqual([]);
  expect((await read(app)).value('blue')).toBe('blue');
  while (app.flags.state.source !== 'local') await new Promise(setImmediate);
  const [definitions] = app.posthog.flags.definitions.requests;
  expect(definitions?.headers.authorization).toBe(`Bearer ${SECRET_KEY}`);
  app.posthog.clear();
  const evaluated = await read(app);
  expect([evaluated.value('blue'), evaluated.payload('blue')]).toEqual(['blue', { hex: '#00f' }]);
  expect((await read(app, 'off')).value('off')).toBe(false);
  expect(app.posthog.flags.requests).toEqual([]);
  expect(app.flags.state).toMatchObject({ source: 'local', definitionsEveryMs: 300_000, lastError: null });
  expect(app.flags.state.definitionsAgeMs).toBeGreaterThanOrEqual(0);
  const exposures = await app.events('$feature_flag_called');
  expect(exposures.at(-1)?.properties).toMatchObject({ $feature_flag_response: false, locally_evaluated: true });
});

it('asks PostHog until definitions are loaded, without waiting for them', async () => {
  const app = await startFlags(local);
  app.posthog.flags.set(FLAGS);
  app.posthog.flags.definitions.failAlways({ hang: true });
  expect((await read(app)).value('blue')).toBe('blue');
  expect(app.flags.state.source).toBe('remote');
});

it('asks PostHog for the flags that cannot be evaluated here, with one request', async () => {
  const app = await startFlags({ ...local, keys: ['off'] });
  app.posthog.flags.set({ ...FLAGS, server: () => 'x' });
  await loaded(app);
  await app.capture.withContext({ distinctId: 'ann' }, async () => {
    const evaluated = await app.flags.evaluate(['blue', 'server']);
    expect([evaluated.value('blue'), evaluated.value('server')]).toEqual(['blue', 'x']);
    await app.flags.value('off');
  });
  expect(app.asked().map((body) => body.flag_keys_to_evaluate)).toEqual([['blue', 'server', 'off']]);
});

it('evaluates here during a cool-down', async () => {
  const app = await startFlags({ ...local, coolDownMs: 600_000 });
  app.posthog.flags.set({ ...FLAGS, server: () => 'x' });
  await loaded(app);
  app.posthog.flags.failAlways({ status: 500 });
  expect((await read(app, 'server')).degraded).toBe('failed');
  expect((await read(app)).value('blue')).toBe('blue');
  expect(app.flags.state.source).toBe('local');
});

it('never asks with localOnly, or onlyEvaluateLocally', async () => {
  const app = await startFlags({ ...local, localOnly: true });
  app.posthog.flags.set({ ...FLAGS, server: () => 'x' });
  expect((await read(app)).degraded).toBe('local_only');
  await loaded(app);
  const evaluated = await app.capture.withContext({ distinctId: 'ann' }, () => app.flags.evaluate(['blue', 'server']));
  expect([evaluated.value('blue'), evaluated.value('server'), evaluated.degraded]).toEqual([
    'blue',
    undefined,
    'local_only',
  ]);
  expect(await app.flags.value('server', { distinctId: 'ann', onlyEvaluateLocally: true })).toBeUndefined();
  expect(app.posthog.flags.requests).toEqual([]);
});

it('uses properties from the options for conditions', async () => {
  const app = await startFlags({
    ...local,
    localOnly: true,
    person: ({ distinctId, context }) => ({ plan: `${distinctId} ${String(context.properties?.plan)}` }),
    group: ({ type, key }) => ({ name: `${type} ${key}` }),
  });
  const condition = (key: string, property: object, more = {}) => ({
    id: 1,
    key,
    active: true,
    filters: { groups: [{ properties: [property], rollout_percentage: 100 }], ...more },
  });
  app.posthog.flags.definitions.set({
    flags: [
      condition('by-plan', { key: 'plan', type: 'person', operator: 'exact', value: ['ann pro'] }),
      condition(
        'by-name',
        { key: 'name', type: 'group', group_type_index: 0, operator: 'exact', value: ['company acme'] },
        { aggregation_group_type_index: 0 },
      ),
    ],
    group_type_mapping: { '0': 'company' },
    cohorts: {},
  });
  await loaded(app);
  const context = { distinctId: 'ann', properties: { plan: 'pro' }, groups: { company: 'acme' } };
  await app.capture.withContext(context, async () => {
    expect(await Promise.all(['by-plan', 'by-name'].map((key) => app.flags.value(key)))).toEqual([true, true]);
    expect(await app.flags.value('by-plan', { personProperties: { plan: 'free' } })).toBe(false);
  });
});

it('has the flags without the properties of an option that fails', async () => {
  const app = await startFlags({
    person: () => {
      throw new Error('secret');
    },
    group: () => Promise.resolve({}) as never,
  });
  app.posthog.flags.set(FLAGS);
  expect(
    await app.capture.withContext({ distinctId: 'ann', groups: { company: 'acme' } }, () => app.flags.value('blue')),
  ).toBe('blue');
  expect(app.lines).toEqual([
    expect.stringMatching(/option group returned a promise/),
    expect.stringMatching(/option person threw/),
  ]);
});

it('loads definitions again at the interval, only if they have changed', async () => {
  const app = await startFlags({ ...local, definitions: { everyMs: 5 } });
  app.posthog.flags.set(FLAGS);
  await loaded(app);
  while (!app.posthog.flags.definitions.requests.some(({ status }) => status === 304)) await new Promise(setImmediate);
  app.posthog.flags.set({ blue: 'green' });
  while ((await read(app)).value('blue') !== 'green') await new Promise(setImmediate);
  expect(app.posthog.flags.requests).toEqual([]);
  await app.module.close();
  app.posthog.clear();
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(app.posthog.flags.definitions.requests).toEqual([]);
});

it.each([
  [401, /HTTP 401.*Remedy: check secretKey \(POSTHOG_SECRET_KEY\)/],
  [403, /HTTP 403.*Remedy: check secretKey/],
  [500, /HTTP 500.*Flags cannot be evaluated locally/],
])('asks PostHog when definitions are refused: HTTP %i', async (status, line) => {
  const app = await startFlags(local);
  app.posthog.flags.set(FLAGS);
  app.posthog.flags.definitions.failAlways({ status });
  expect((await read(app)).value('blue')).toBe('blue');
  while (app.flags.state.lastError === null) await new Promise(setImmediate);
  expect(app.lines).toEqual([expect.stringMatching(line)]);
  expect(app.flags.state).toMatchObject({
    source: 'remote',
    definitionsAgeMs: null,
    lastError: { needsAction: status !== 500 },
  });
  expect(app.lines.join('')).not.toContain(SECRET_KEY);
});

it('evaluates nothing here any more when the quota is used up', async () => {
  const app = await startFlags({ ...local, definitions: { everyMs: 5 } });
  app.posthog.flags.set(FLAGS);
  await loaded(app);
  app.posthog.flags.quotaLimited = true;
  while (sourceOf(app) === 'local') await new Promise(setImmediate);
  expect((await read(app)).degraded).toBe('quota');
  // The definitions are the same as before.
  app.posthog.flags.quotaLimited = false;
  while (sourceOf(app) !== 'local') await new Promise(setImmediate);
  expect((await read(app)).value('blue')).toBe('blue');
});

it('says that a cache has no definitions any more, whose age grows', async () => {
  let kept: unknown = { flags: [], group_type_mapping: {}, cohorts: {} };
  const cache: FlagDefinitionCache = {
    getFlagDefinitions: () => kept,
    shouldFetchFlagDefinitions: () => false,
    onFlagDefinitionsReceived: () => undefined,
    shutdown: () => undefined,
  };
  const app = await startFlags({ definitions: { cache, everyMs: 5 }, localOnly: true });
  await read(app);
  while (app.flags.state.definitionsAgeMs === null) await new Promise(setImmediate);
  kept = undefined;
  while (app.flags.state.lastError === null) await new Promise(setImmediate);
  expect(app.flags.state.lastError.message).toBe('definitions.cache has none');
  expect(app.lines).toEqual([expect.stringMatching(/has none\. The definitions that were loaded before stay in use/)]);
});

it('shares definitions with other processes through a cache', async () => {
  let kept: unknown;
  let closed = 0;
  const cache: FlagDefinitionCache = {
    getFlagDefinitions: () => Promise.resolve(kept),
    shouldFetchFlagDefinitions: () => kept === undefined,
    onFlagDefinitionsReceived: (data: never) => {
      kept = JSON.parse(JSON.stringify(data));
    },
    shutdown: () => void (closed += 1),
  };
  const writer = await startFlags({ ...local, definitions: { cache } });
  writer.posthog.flags.set(FLAGS);
  await loaded(writer);
  while (kept === undefined) await new Promise(setImmediate);
  for (const options of [
    { ...local, definitions: { cache } },
    { definitions: { cache }, localOnly: true },
  ]) {
    const reader = await startFlags(options);
    await loaded(reader);
    expect((await read(reader)).value('blue')).toBe('blue');
    expect(reader.posthog.flags.definitions.requests).toEqual([]);
    await reader.module.close();
  }
  expect(closed).toBe(2);
});

it('loads nothing while the instance is disabled', async () => {
  const app = await startFlags(local, { enabled: false });
  expect((await read(app)).degraded).toBe('disabled');
  expect(app.posthog.requests).toEqual([]);
});
