import { afterEach, expect, it } from '@jest/globals';
import { assessHealth } from '../../../lib/health/assess-health.js';
import { flagTable } from '../../../lib/inspector/flag-table.js';
import { closeAll } from '../../support/harness.js';
import { startFlags } from '../../support/flags.js';

afterEach(closeAll);

it('stats() has the reads of each flag by value, and the requests', async () => {
  const { capture, flags, posthog } = await startFlags();
  posthog.flags.set({ checkout: 'blue', banner: false });
  await capture.withContext({ distinctId: 'ann' }, async () => {
    await flags.value('checkout');
    await flags.isEnabled('checkout');
    await flags.isEnabled('banner');
    await flags.isEnabled('unknown');
  });
  const stats = capture.stats().flags;
  expect(stats).toEqual(flags.state);
  expect(stats).toMatchObject({
    source: 'remote',
    lastError: null,
    timeouts: 0,
    requests: posthog.flags.requests.length,
  });
  expect(stats?.reads).toEqual([
    { key: 'checkout', value: 'blue', count: 2 },
    { key: 'banner', value: false, count: 1 },
    { key: 'unknown', value: null, count: 1 },
  ]);
});

it('health is degraded from a failure until a request succeeds, and the inspector shows it', async () => {
  const { capture, flags, posthog } = await startFlags({ coolDownMs: 0 });
  const read = () => capture.withContext({ distinctId: 'ann' }, () => flags.isEnabled('on'));
  posthog.flags.set({ on: true });
  posthog.flags.fail({ status: 503 });
  expect(await read()).toBe(false);
  const { health, problems } = assessHealth(capture.stats());
  expect([health, problems]).toEqual([
    'degraded',
    [{ message: 'Feature flags: PostHog API error: HTTP 503', remedy: expect.stringMatching(/\w/) }],
  ]);
  expect(flagTable(flags.state, Date.now())).toMatchObject({
    tone: 'bad',
    remedy: expect.stringContaining('PostHog API error: HTTP 503: '),
  });
  expect(await read()).toBe(true);
  expect(assessHealth(capture.stats()).health).toBe('up');
  expect(flagTable(flags.state, Date.now()).tone).toBe('good');
});
