import { closeAll } from '../support/harness.js';
import { type FlagsApp, startFlags } from '../support/flags.js';

afterEach(closeAll);

const read = ({ capture, flags }: FlagsApp, key = 'on') =>
  capture.withContext({ distinctId: 'ann' }, async () => {
    const evaluated = await flags.evaluate([key]);
    return [evaluated.value(key), evaluated.degraded];
  });

/** Long enough that a test ends within it. */
const LONG = { coolDownMs: 600_000 };
/** posthog-node would wait for 3 s, and ask again. */
const WITHOUT_RETRY = { timeoutMs: 3000, ...LONG };

it.each<[string, (app: FlagsApp) => void, string, RegExp]>([
  ['HTTP 503', ({ posthog }) => posthog.flags.fail({ status: 503 }), 'failed', /PostHog API error: HTTP 503/],
  [
    'HTTP 401',
    ({ posthog }) => posthog.flags.fail({ status: 401 }),
    'failed',
    /HTTP 401.*check options apiKey and host/,
  ],
  [
    'a connection that breaks',
    ({ posthog }) => posthog.flags.fail({ reset: 'before' }),
    'failed',
    /connection error: [A-Z_]+/,
  ],
  ['no JSON', ({ posthog }) => posthog.flags.fail({ invalidJson: true }), 'failed', /invalid response/],
  ['the quota', ({ posthog }) => void (posthog.flags.quotaLimited = true), 'quota', /over its quota/],
])('after %s, nothing is asked for a while, and one line is logged', async (_what, fail, degraded, line) => {
  const app = await startFlags(WITHOUT_RETRY);
  app.posthog.flags.set({ on: true });
  fail(app);
  expect(await read(app)).toEqual([undefined, degraded]);
  app.posthog.flags.quotaLimited = false;
  expect(await read(app)).toEqual([undefined, 'cool_down']);
  expect(
    await app.capture.withContext({ distinctId: 'bob' }, () => app.flags.isEnabled('on', { defaultValue: true })),
  ).toBe(true);
  expect(app.asked()).toHaveLength(1);
  expect(app.lines).toEqual([expect.stringMatching(line)]);
  expect(app.flags.state).toMatchObject({ source: 'none', requests: 1, timeouts: 0 });
  expect(app.flags.state.coolDownUntil).toBeGreaterThan(Date.now());
  expect(app.flags.state.lastError?.message).toMatch(/\w/);
  expect(await app.events()).toEqual([]);
});

it.each([400, 413])('HTTP %i concerns one request: others are asked', async (status) => {
  const app = await startFlags(WITHOUT_RETRY);
  app.posthog.flags.set({ on: true });
  app.posthog.flags.fail({ status });
  expect(await read(app)).toEqual([undefined, 'failed']);
  expect(app.lines).toEqual([
    `Feature flags: PostHog API error: HTTP ${status}. Code gets its default values for this read. Remedy: check the distinct id, the groups and the properties that the flags were read with.`,
  ]);
  expect(app.flags.state).toMatchObject({ coolDownUntil: null, lastError: { needsAction: true } });
  expect(await read(app)).toEqual([true, undefined]);
  expect(app.flags.state.lastError).toBeNull();
});

it('a response that takes too long is not waited for, and nothing is asked for a while', async () => {
  const app = await startFlags({ timeoutMs: 100, ...LONG });
  app.posthog.flags.failAlways({ hang: true });
  expect(await Promise.all([read(app), read(app)])).toEqual([
    [undefined, 'timeout'],
    [undefined, 'timeout'],
  ]);
  for (let n = 0; n < 100; n++) expect(await read(app)).toEqual([undefined, 'cool_down']);
  expect(app.posthog.flags.requests).toHaveLength(2);
  expect(app.lines).toEqual([
    'Feature flags: PostHog did not respond within 100 ms. Code gets its default values, and PostHog is asked again in 600 s. Remedy: nothing to do unless it lasts.',
  ]);
  expect(app.flags.state).toMatchObject({ source: 'none', timeouts: 2 });
});

it('the time that a client takes before it waits counts', async () => {
  const snapshot = { keys: ['on'], getFlag: () => true, getFlagPayload: () => null };
  const client = {
    isLocalEvaluationReady: () => false,
    on: () => () => undefined,
    evaluateFlags: async () => {
      for (const end = performance.now() + 50; performance.now() < end;);
      for (let turns = 0; turns < 20; turns += 1) await new Promise(setImmediate);
      return snapshot;
    },
  };
  expect(await read(await startFlags({ timeoutMs: 10, client }))).toEqual([undefined, 'timeout']);
});

it('keeps the default within the call and its jobs', async () => {
  const app = await startFlags({ coolDownMs: 0 });
  app.posthog.flags.set({ on: true });
  app.posthog.flags.fail({ status: 500 });
  const { capture, flags } = app;
  const context = await capture.withContext({ distinctId: 'ann' }, async () => {
    expect(await flags.isEnabled('on')).toBe(false);
    expect(await flags.isEnabled('on')).toBe(false);
    return capture.context.export();
  });
  expect(await capture.withContext(context, () => flags.isEnabled('on'))).toBe(false);
  expect(await capture.withContext({ distinctId: 'ann' }, () => flags.isEnabled('on'))).toBe(true);
});

it('asks once when the cool-down is over, and again for each call after a success', async () => {
  const app = await startFlags({ coolDownMs: 0 });
  app.posthog.flags.set({ on: true });
  app.posthog.flags.fail([{ status: 500 }, { status: 500, delayMs: 20 }]);
  expect(await read(app)).toEqual([undefined, 'failed']);
  const together = await Promise.all([read(app), read(app), read(app)]);
  expect(together.map(([, degraded]) => degraded)).toEqual(['failed', 'cool_down', 'cool_down']);
  expect(app.asked()).toHaveLength(2);
  expect(await read(app)).toEqual([true, undefined]);
  expect(await Promise.all([read(app), read(app)])).toEqual([
    [true, undefined],
    [true, undefined],
  ]);
  expect(app.asked()).toHaveLength(5);
  expect(app.flags.state).toMatchObject({ source: 'remote', coolDownUntil: null, lastError: null });
  expect(app.lines).toHaveLength(1);
});

it('a disabled instance has defaults, asks nothing and logs nothing', async () => {
  const app = await startFlags({}, { enabled: false });
  expect(await read(app)).toEqual([undefined, 'disabled']);
  expect(await app.flags.isEnabled('on', { defaultValue: true })).toBe(true);
  expect([app.posthog.requests, app.lines]).toEqual([[], []]);
  expect(app.flags.state.source).toBe('none');
});
