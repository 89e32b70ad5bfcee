import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { FakePostHog } from '../../../lib/testing/index.js';
import { capture, type Json, validEvent } from './wire-client.js';

const BATCH = [validEvent(), validEvent(), validEvent()];
const [FIRST, SECOND] = BATCH;
const AT = '2024-05-01T10:00:00.000Z';
const LATER = '2024-05-01T10:00:01.000Z';

interface V1Attempt {
  readonly id?: string;
  readonly attempt?: number;
  readonly at?: string;
  readonly createdAt?: string;
  readonly batch?: Json[];
}

describe('retry rules', () => {
  let posthog: FakePostHog;
  beforeAll(async () => {
    posthog = await FakePostHog.start();
  });
  beforeEach(() => posthog.clear());
  afterAll(() => posthog.close());

  const id = randomUUID();
  const sendV1 = async (attempt: V1Attempt): Promise<void> => {
    await capture(posthog, 'v1', attempt.batch ?? BATCH, {
      root: { created_at: attempt.createdAt ?? AT },
      headers: {
        'posthog-request-id': attempt.id ?? id,
        'posthog-attempt': String(attempt.attempt ?? 1),
        'posthog-request-timestamp': attempt.at ?? AT,
      },
    });
  };

  it.each<[name: string, rule: string | null, second: V1Attempt]>([
    ['the next attempt', null, { attempt: 2, at: LATER }],
    ['an attempt after a lost one', null, { attempt: 4, at: LATER }],
    ['a partial retry', null, { attempt: 2, at: LATER, batch: [BATCH[1] ?? {}] }],
    ['the same events with a new request id', null, { id: randomUUID(), at: LATER, createdAt: LATER }],
    ['the same attempt again', 'attempt_not_counted', { attempt: 1, at: LATER }],
    ['the timestamp of the first attempt', 'request_timestamp_reused', { attempt: 2 }],
    ['an earlier timestamp', 'request_timestamp_reused', { attempt: 2, at: '2024-05-01T09:59:59.000Z' }],
    ['another created_at', 'created_at_changed', { attempt: 2, at: LATER, createdAt: LATER }],
    ['an additional event', 'request_id_reused', { attempt: 2, at: LATER, batch: [...BATCH, validEvent()] }],
    ['another timestamp', 'event_changed', { attempt: 2, at: LATER, batch: [{ ...FIRST, timestamp: AT }] }],
    ['other properties', 'event_changed', { attempt: 2, at: LATER, batch: [{ ...FIRST, properties: { total: 43 } }] }],
    ['an additional field', 'event_changed', { attempt: 2, at: LATER, batch: [{ ...FIRST, session_id: 's1' }] }],
  ])('v1: %s', async (_name, rule, second) => {
    await sendV1({});
    await sendV1(second);
    expect(posthog.violations.map((violation) => violation.rule)).toEqual(rule === null ? [] : [rule]);
    expect(posthog.violations.every(({ requestIndex }) => requestIndex === 1)).toBe(true);
  });

  it('v1: a partial retry is compared with all events of the first attempt', async () => {
    await sendV1({});
    await sendV1({ attempt: 2, at: LATER, batch: [FIRST ?? {}] });
    await sendV1({ attempt: 3, at: '2024-05-01T10:00:02.000Z', batch: [SECOND ?? {}] });
    expect(posthog.violations).toEqual([]);
  });

  it.each<[name: string, rule: string | null, sentAt: string, batch: Json[]]>([
    ['a retry with a fresh sent_at', null, LATER, BATCH],
    ['half of the batch with a fresh sent_at', null, LATER, BATCH.slice(0, 1)],
    ['a retry with the old sent_at', 'sent_at_reused', AT, BATCH],
    ['another batch with the same sent_at', null, AT, [validEvent()]],
    ['a changed event', 'event_changed', LATER, [{ ...FIRST, event: 'order_cancelled' }]],
  ])('v0: %s', async (_name, rule, sentAt, batch) => {
    await capture(posthog, 'v0', BATCH, { root: { sent_at: AT } });
    await capture(posthog, 'v0', batch, { root: { sent_at: sentAt } });
    expect(posthog.violations.map((violation) => violation.rule)).toEqual(rule === null ? [] : [rule]);
  });

  it('failed attempts are counted', async () => {
    posthog.fail([{ status: 503 }, { reset: 'before' }]);
    await sendV1({ attempt: 1 });
    await expect(sendV1({ attempt: 2, at: LATER })).rejects.toThrow();
    await sendV1({ attempt: 2, at: LATER });
    expect(posthog.violations.map(({ rule }) => rule)).toEqual(['attempt_not_counted', 'request_timestamp_reused']);
  });

  it('clear() removes earlier attempts', async () => {
    await sendV1({});
    posthog.clear();
    await sendV1({ batch: [{ ...FIRST, event: 'other' }] });
    expect(posthog.violations).toEqual([]);
  });
});
