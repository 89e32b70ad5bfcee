/** Not in the specs of the inspector and of health, which also run on Nest 10 and 11 with the packed package only. */
import * as terminus from '@nestjs/terminus';
import { afterEach, expect, it } from '@jest/globals';
import { PostHogCaptureHealthIndicator, PostHogCaptureHealthModule } from 'nestjs-posthog-capture/health';
import { PostHogCaptureInspectorModule } from 'nestjs-posthog-capture/inspector';
import { reportFlags } from '../../lib/capture/flag-stats.js';
import { QUIET_FLAGS } from '../support/flag-stats.js';
import { closeAll } from '../support/harness.js';
import { openStream, snapshotOf } from '../support/live-stream.js';
import { ADAPTERS, serve } from '../support/serve.js';

afterEach(closeAll);

it.each(ADAPTERS)('the inspector shows the feature flags of an instance, and their changes, on %s', async (adapter) => {
  const { url, capture } = await serve({ adapter, imports: [PostHogCaptureInspectorModule.forRoot()] });
  expect((await snapshotOf(`${url}/_posthog/stream`)).table).toBeNull();
  let count = 1;
  reportFlags(capture, () => ({ ...QUIET_FLAGS, reads: [{ key: 'checkout', value: 'blue', count }] }));
  const stream = await openStream(`${url}/_posthog/stream`);
  const { data } = await stream.until(({ kind }) => kind === 'snapshot');
  expect(data.table).toMatchObject({ title: 'Feature flags', rows: [{ cells: ['checkout', 'blue', 1] }] });
  count = 2;
  await stream.until(({ kind, data: { table } }) => kind !== 'snapshot' && table?.rows[0]?.cells[2] === 2);
});

it('health is degraded while feature flags cool down; the details have no reads', async () => {
  const { app, capture } = await serve({
    imports: [PostHogCaptureHealthModule, terminus.TerminusModule.forRoot({ logger: false })],
  });
  const coolDownUntil = Date.parse('2030-01-01T00:00:00.000Z');
  const lastError = { message: 'PostHog does not respond within 500 ms', remedy: 'wait', needsAction: false };
  const reads = [{ key: 'checkout', value: true, count: 3 }];
  reportFlags(capture, () => ({ ...QUIET_FLAGS, coolDownUntil, lastError, requests: 3, timeouts: 1, reads }));
  const { posthog } = app.get(PostHogCaptureHealthIndicator).check() as Record<string, object>;
  expect(posthog).toMatchObject({
    health: 'degraded',
    problems: [{ message: `Feature flags: ${lastError.message}`, remedy: 'wait' }],
    flags: { source: 'local', definitionsAgeMs: 60_000, coolDownUntil: '2030-01-01T00:00:00.000Z' },
  });
  expect(posthog).toHaveProperty('flags', expect.not.objectContaining({ reads: expect.anything() }));
});
