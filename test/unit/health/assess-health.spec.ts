import { describe, expect, it } from '@jest/globals';
import { type CaptureStats, type FlagStats } from 'nestjs-posthog-capture';
import { type CaptureHealthThresholds, assessHealth } from '../../../lib/health/assess-health.js';
import { QUIET_FLAGS } from '../../support/flag-stats.js';
import { POD, QUIET, RELAY } from '../../support/quiet-stats.js';
import { terminus10 } from '../../../lib/health/health-indicator.js';

const problem = (severity: 'down' | 'degraded' | 'note', message = severity as string) => ({
  severity,
  message,
  remedy: 'fix it',
});
const FLAGS = QUIET_FLAGS;
const LATE = { message: 'PostHog does not respond within 500 ms', remedy: 'wait', needsAction: false };
const REFUSED = { message: 'the secret key is refused', remedy: 'check POSTHOG_SECRET_KEY', needsAction: true };
const LIMITS = QUIET.limits as NonNullable<CaptureStats['limits']>;
const FAILURE = { message: 'HTTP 503', remedy: 'wait' };

it.each<[string, Partial<CaptureStats>, CaptureHealthThresholds, string, number]>([
  ['an idle instance', {}, {}, 'up', 0],
  ['a failure that will be retried', { lastFailure: FAILURE }, {}, 'up', 0],
  ['a cool-down', { coolDownUntil: 1, lastFailure: FAILURE }, {}, 'degraded', 1],
  ['a cool-down without a known failure', { coolDownUntil: 1 }, {}, 'degraded', 1],
  [
    'a failure that refuses everything',
    { coolDownUntil: 1, lastFailure: { ...FAILURE, refusesAll: true } },
    {},
    'down',
    1,
  ],
  ['a failing store', { storeFailing: true }, {}, 'down', 1],
  [
    'a failing store and a failure that refuses everything',
    { storeFailing: true, lastFailure: { ...FAILURE, refusesAll: true } },
    {},
    'down',
    2,
  ],
  ['a queue that is half full', { pending: 50 }, {}, 'up', 0],
  ['a queue that is more than half full', { pending: 51 }, {}, 'degraded', 1],
  ['two queues that are half full', { pending: 100, ai: { pending: 50, pendingBytes: 0 } }, {}, 'up', 0],
  [
    'a queue of AI events that is more than half full',
    { pending: 51, ai: { pending: 51, pendingBytes: 0 } },
    {},
    'degraded',
    1,
  ],
  [
    'a queue beside one of AI events that is too full',
    { pending: 52, ai: { pending: 1, pendingBytes: 0 } },
    {},
    'degraded',
    1,
  ],
  ['a queue that is more than half full by bytes', { pending: 1, pendingBytes: 501 }, {}, 'degraded', 1],
  ['a queue above a lower maxQueueShare', { pending: 11 }, { maxQueueShare: 0.1 }, 'degraded', 1],
  ['a queue below a higher maxQueueShare', { pending: 99 }, { maxQueueShare: 1 }, 'up', 0],
  ['an event that has waited for five minutes', { oldestPendingMs: 300_000 }, {}, 'up', 0],
  ['an event that has waited for more than five minutes', { oldestPendingMs: 300_001 }, {}, 'degraded', 1],
  [
    'an event younger than twice a long flush interval',
    { oldestPendingMs: 599_999, limits: { ...LIMITS, flushIntervalMs: 300_000 } },
    {},
    'up',
    0,
  ],
  [
    'an event older than twice a long flush interval',
    { oldestPendingMs: 600_001, limits: { ...LIMITS, flushIntervalMs: 300_000 } },
    {},
    'degraded',
    1,
  ],
  [
    'an event older than half of maxEventAgeMs',
    { oldestPendingMs: 501, limits: { ...LIMITS, maxEventAgeMs: 1000 } },
    {},
    'degraded',
    1,
  ],
  ['an event younger than maxPendingAgeMs', { oldestPendingMs: 3_600_000 }, { maxPendingAgeMs: 7_200_000 }, 'up', 0],
  ['an instance without limits', { limits: null, pending: 1_000_000 }, {}, 'up', 0],
  ['a pod whose queue works', { queue: POD }, {}, 'up', 0],
  ['a pod whose queue is down', { queue: { ...POD, state: 'down' } }, {}, 'degraded', 1],
  ['a pod whose queue is full', { queue: { ...POD, state: 'full' } }, {}, 'degraded', 1],
  [
    'a state that a problem explains',
    { queue: { ...POD, state: 'down', problems: [problem('degraded')] } },
    {},
    'degraded',
    1,
  ],
  [
    'a queue that refuses or loses events',
    { queue: { ...POD, state: 'down', problems: [problem('down')] } },
    {},
    'down',
    1,
  ],
  ['a note about the queue', { queue: { ...POD, problems: [problem('note')] } }, {}, 'up', 0],
  [
    'a failure that the queue reports too',
    {
      queue: { ...POD, problems: [problem('down', 'NOPERM')] },
      lastFailure: { message: 'NOPERM', remedy: '', refusesAll: true },
    },
    {},
    'down',
    1,
  ],
  ['a pod while old events wait in the queue', { queue: { ...POD, oldestMs: 400_000 } }, {}, 'up', 0],
  ['a relay while old events wait in the queue', { queue: { ...RELAY, oldestMs: 300_001 } }, {}, 'degraded', 1],
  [
    'a relay below a higher maxPendingAgeMs',
    { queue: { ...RELAY, oldestMs: 300_001 } },
    { maxPendingAgeMs: 300_001 },
    'up',
    0,
  ],
  ['a pod whose store fails', { queue: POD, storeFailing: true }, {}, 'down', 1],
  ['a relay that cannot remove events from the queue', { queue: RELAY, storeFailing: true }, {}, 'degraded', 1],
  ['a relay whose queue is down', { queue: { ...RELAY, state: 'down' }, storeFailing: true }, {}, 'degraded', 1],
  ['flags that work', { flags: FLAGS }, {}, 'up', 0],
  ['one late request for flags', { flags: { ...FLAGS, lastError: LATE } }, {}, 'up', 0],
  ['flags that are cooling down', { flags: { ...FLAGS, lastError: LATE, coolDownUntil: 1 } }, {}, 'degraded', 1],
  ['flags whose key is refused', { flags: { ...FLAGS, source: 'none', lastError: REFUSED } }, {}, 'degraded', 1],
  ['definitions that missed three loads', { flags: { ...FLAGS, definitionsAgeMs: 900_001 } }, {}, 'degraded', 1],
  ['definitions of which nothing is known', { flags: { ...FLAGS, definitionsAgeMs: null } }, {}, 'up', 0],
  ['every degraded problem at once', { coolDownUntil: 1, pending: 90, oldestPendingMs: 400_000 }, {}, 'degraded', 3],
])('assesses %s', (_what, stats, thresholds, health, problems) => {
  const report = assessHealth({ ...QUIET, ...stats }, thresholds);
  expect([report.health, report.problems.length]).toEqual([health, problems]);
});

it('reports the number of events dropped by a full queue', () => {
  const stats = { ...QUIET, pending: 100, droppedByReason: { queue_full: 490 } };
  const { health, problems } = assessHealth(stats, { maxQueueShare: 1 });
  expect(health).toBe('degraded');
  expect(problems).toMatchObject([
    { message: 'The queue is 100 % full; 490 events were dropped since the process started because it was full' },
  ]);
});

it('names the error and the remedy of feature flags', () => {
  const problemsOf = (flags: Partial<FlagStats>) => assessHealth({ ...QUIET, flags: { ...FLAGS, ...flags } }).problems;
  expect([
    ...problemsOf({ lastError: REFUSED }),
    ...problemsOf({ coolDownUntil: 1 }),
    ...problemsOf({ definitionsAgeMs: 3_600_000, lastError: LATE }),
    ...problemsOf({ definitionsAgeMs: 3_600_000 }),
  ]).toEqual([
    { message: 'Feature flags: the secret key is refused', remedy: 'check POSTHOG_SECRET_KEY' },
    { message: 'Feature flags: PostHog does not respond', remedy: 'nothing to do unless it lasts' },
    {
      message: 'Feature flags: the definitions are 60 min old: PostHog does not respond within 500 ms',
      remedy: 'wait',
    },
    {
      message: 'Feature flags: the definitions are 60 min old',
      remedy: 'changes of flags have no effect until PostHog can be reached',
    },
  ]);
});

describe('Terminus 10 and 11', () => {
  class HealthCheckError extends Error {
    constructor(
      message: string,
      readonly causes: unknown,
    ) {
      super(message);
    }
  }
  const terminus = terminus10(HealthCheckError);

  it('get up for degraded; the details keep degraded', () => {
    const details = { health: 'degraded' };
    expect(terminus.result('posthog', 'degraded', details)).toEqual({ posthog: { status: 'up', health: 'degraded' } });
    expect(terminus.result('posthog', 'up', {})).toEqual({ posthog: { status: 'up' } });
  });

  it('get a HealthCheckError for down', () => {
    const causes = { posthog: { status: 'down', health: 'down' } };
    expect(() => terminus.result('posthog', 'down', { health: 'down' })).toThrow(
      expect.objectContaining({ message: 'posthog is down', causes }),
    );
  });
});
