import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakePostHog } from '../../../lib/testing/index.js';
import { capture, type Json, validEvent, violatedRules } from './wire-client.js';

let posthog: FakePostHog;
beforeEach(async () => {
  posthog = await FakePostHog.start();
});
afterEach(() => posthog.close());

const MEBIBYTE = 1024 * 1024;
const generation = (fields: Json = {}): Json => validEvent({ event: '$ai_generation', ...fields });
const sized = (bytes: number): Json => {
  const empty = generation({ properties: { $ai_input: '' } });
  return { ...empty, properties: { $ai_input: 'x'.repeat(bytes - JSON.stringify(empty).length) } };
};

describe.each(['v0', 'v1'] as const)('%s', (format) => {
  it('stores AI events with their endpoint', async () => {
    await capture(posthog, format, [generation()], { ai: true, gzip: true });
    await capture(posthog, format, [generation(), validEvent()]);
    expect(posthog.events.map(({ event, endpoint }) => [event, endpoint])).toEqual([
      ['$ai_generation', 'ai'],
      ['$ai_generation', 'analytics'],
      ['order_placed', 'analytics'],
    ]);
    expect(posthog.requests.map(({ endpoint }) => endpoint)).toEqual(['ai', 'analytics']);
    expect(posthog.violations).toEqual([]);
  });

  it('refuses a batch with another event', async () => {
    const { status } = await capture(posthog, format, [generation(), validEvent()], { ai: true });
    expect(status).toBe(400);
    expect(violatedRules(posthog)).toEqual(['event_not_ai']);
    expect(posthog.events).toEqual([]);
  });

  it('accepts an event of 8 MiB, and refuses a larger one', async () => {
    expect((await capture(posthog, format, [sized(8 * MEBIBYTE)], { ai: true, gzip: true })).status).toBe(200);
    expect(posthog.violations).toEqual([]);
    expect((await capture(posthog, format, [sized(8 * MEBIBYTE + 1)], { ai: true, gzip: true })).status).toBe(413);
    expect(violatedRules(posthog)).toEqual(['event_too_large']);
  });

  it('accepts several events of 5 MiB together, and refuses more', async () => {
    const half = 2.5 * MEBIBYTE;
    const fits = [sized(half), sized(half)];
    expect((await capture(posthog, format, fits, { ai: true, gzip: true })).status).toBe(200);
    expect(posthog.violations).toEqual([]);
    const tooLarge = [sized(half), sized(half + 1)];
    expect((await capture(posthog, format, tooLarge, { ai: true, gzip: true })).status).toBe(413);
    expect(violatedRules(posthog)).toEqual(['batch_too_large']);
  });

  it('takes the faults for events, also for this endpoint only', async () => {
    posthog.failWhen(({ endpoint }) => (endpoint === 'ai' ? { status: 503 } : null));
    expect((await capture(posthog, format, [generation()], { ai: true })).status).toBe(503);
    expect((await capture(posthog, format, [validEvent()])).status).toBe(200);
  });

  it('has the rules of the other endpoint', async () => {
    expect((await capture(posthog, format, [generation({ distinct_id: 7 })], { ai: true })).status).toBe(400);
    expect(violatedRules(posthog)).toEqual(['distinct_id_missing']);
  });
});
