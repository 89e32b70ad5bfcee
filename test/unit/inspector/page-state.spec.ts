import { describe, expect, it } from '@jest/globals';
import { type CaptureStats } from 'nestjs-posthog-capture';
import { type AnsweredRequest } from '../../../lib/delivery/delivery.js';
import { assessHealth } from '../../../lib/health/assess-health.js';
import { pageState } from '../../../lib/inspector/page-state.js';
import { POD, QUIET, RELAY } from '../../support/quiet-stats.js';

const ACCEPTED: AnsweredRequest = { events: 1, status: 200, failure: null, durationMs: 5, attempt: 1 };
const SENT: CaptureStats = { ...QUIET, requests: { ...QUIET.requests, total: 1, byStatus: { '200': 1 } } };
const COOLING: CaptureStats = { ...SENT, pending: 3, coolDownUntil: 1_700_000_000_000 };
const REFUSED = {
  severity: 'down',
  message: 'The Redis user lacks a permission (NOPERM)',
  remedy: 'grant it',
} as const;

describe('the status lines of the inspector', () => {
  it.each<[string, CaptureStats]>([
    ['a store that fails', { ...SENT, storeFailing: true }],
    ['a size limit', { ...SENT, batchLimit: { bytes: 8192, message: 'Larger requests fail', remedy: 'raise it' } }],
    ['a queue that is nearly full', { ...SENT, pending: 90 }],
    ['an event that waits for long', { ...SENT, pending: 1, oldestPendingMs: 400_000 }],
    ['a pod whose queue is down', { ...SENT, queue: { ...POD, state: 'down', events: null } }],
    ['a relay whose queue refuses it', { ...SENT, queue: { ...RELAY, state: 'down', problems: [REFUSED] } }],
    [
      'a queue with two problems',
      {
        ...SENT,
        queue: { ...POD, problems: [REFUSED, { ...REFUSED, severity: 'degraded', message: 'It is full' }] },
      },
    ],
    ['a relay that cannot remove events', { ...SENT, storeFailing: true, queue: RELAY }],
    ['a relay that is behind', { ...SENT, queue: { ...RELAY, oldestMs: 400_000 } }],
  ])('have the problems of the health check: %s', (_, stats) => {
    const { health, problems } = assessHealth(stats);
    const { tone, detail } = pageState(stats, ACCEPTED, false);
    expect(problems.length).toBeGreaterThan(0);
    for (const { message, remedy } of problems) {
      expect(detail).toContain(message);
      expect(detail).toContain(remedy);
    }
    expect(tone).toBe(health === 'down' ? 'bad' : 'warn');
  });

  it('give the reason for their colour while capturing is disabled', () => {
    const lastFailure = { message: 'PostHog API error: HTTP 401', remedy: 'check the key', refusesAll: true };
    const { tone, text, detail } = pageState({ ...SENT, lastFailure }, ACCEPTED, true);
    expect([tone, text]).toEqual(['bad', 'Capturing is disabled; nothing waiting']);
    expect(detail).toContain('PostHog API error: HTTP 401: check the key');
  });

  it('repeat no problem', () => {
    const lastFailure = { message: REFUSED.message, remedy: REFUSED.remedy, refusesAll: true };
    const stats: CaptureStats = { ...COOLING, lastFailure, queue: { ...POD, state: 'down', problems: [REFUSED] } };
    const { detail } = pageState(stats, null, false);
    expect(detail?.split(REFUSED.message)).toHaveLength(2);
  });

  it('have no detail while all is well, and none of feature flags', () => {
    expect(pageState(SENT, ACCEPTED, false)).toMatchObject({ tone: 'good', text: 'PostHog responds; nothing waiting' });
    expect(pageState(SENT, ACCEPTED, false).detail).toBeUndefined();
  });

  it('do not call a login page with HTTP 200 a response of PostHog', () => {
    const message = 'PostHog API error: HTTP 200, but the response is not from PostHog';
    const stats: CaptureStats = {
      ...COOLING,
      lastFailure: { message, remedy: 'check POSTHOG_HOST', refusesAll: true },
    };
    const text = `${message}: cooling down, next attempt in {next}; 3 events waiting`;
    expect(pageState(stats, ACCEPTED, false)).toMatchObject({ tone: 'bad', text, remedy: 'check POSTHOG_HOST' });
  });

  it('state why a shared queue that can be reached does not take events', () => {
    const lastFailure = { message: 'Redis is full (OOM)', remedy: 'raise its maxmemory' };
    const stats: CaptureStats = { ...COOLING, lastFailure, queue: { ...POD, state: 'full' } };
    const { text } = pageState(stats, { ...ACCEPTED, status: null, failure: 'OOM' }, false);
    expect(text).toBe('Redis is full (OOM): cooling down, next attempt in {next}; 3 events waiting');
  });
});
