import { afterEach, describe, expect, it } from '@jest/globals';
import { type CaptureMode } from 'nestjs-posthog-capture';
import { closeAll, type Harness, KEY, start } from '../support/harness.js';

/** PostHog's compliance tests of AI events for SDKs, both forms. FakePostHog checks each request as well. */
afterEach(closeAll);

const USER = { distinctId: 'test_user' };
const GENERATION = { event: '$ai_generation', ...USER };
const UUID = '0198c0de-0000-7000-8000-000000000abc';
const PATHS = {
  v0: { ai: '/i/v0/ai/batch/', usual: '/batch/' },
  v1: { ai: '/i/v1/ai/events', usual: '/i/v1/analytics/events' },
} as const satisfies Record<CaptureMode, object>;

/** Bodies of the requests. */
const bodiesOf = ({ posthog }: Harness): { batch: Record<string, unknown>[]; created_at?: unknown }[] =>
  posthog.requests.map(({ json }) => json as { batch: Record<string, unknown>[] });
const pathsOf = ({ posthog }: Harness): string[] => posthog.requests.map(({ path }) => path);

describe.each(['v0', 'v1'] as const)('AI events (%s)', (captureMode) => {
  it('go to their endpoint with captureAi', async () => {
    const app = await start({ captureMode });
    app.capture.captureAi(GENERATION);
    await app.capture.flush();
    expect(pathsOf(app)).toEqual([PATHS[captureMode].ai]);
    expect(app.posthog.events).toMatchObject([{ event: '$ai_generation', distinct_id: 'test_user', endpoint: 'ai' }]);
    expect(app.posthog.violations).toEqual([]);
  });

  it('go where all events go with capture', async () => {
    const app = await start({ captureMode });
    app.capture.capture(GENERATION);
    await app.capture.flush();
    expect(pathsOf(app)).toEqual([PATHS[captureMode].usual]);
    expect(app.posthog.violations).toEqual([]);
  });

  it('have the uuid that the call returns', async () => {
    const app = await start({ captureMode });
    const uuid = app.capture.captureAi(GENERATION);
    await app.capture.flush();
    expect(uuid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(app.posthog.events).toMatchObject([{ uuid }]);
  });

  it('keep the uuid of the caller', async () => {
    const app = await start({ captureMode });
    expect(app.capture.captureAi({ ...GENERATION, uuid: UUID })).toBe(UUID);
    await app.capture.flush();
    expect(app.posthog.events).toMatchObject([{ uuid: UUID }]);
  });

  it('have their timestamps in UTC, while properties keep theirs', async () => {
    const app = await start({ captureMode });
    const timestamp = '2025-01-02T08:34:05+05:30';
    app.capture.captureAi({ ...GENERATION, timestamp, properties: { timestamp_like: timestamp } });
    await app.capture.flush();
    expect(app.posthog.events).toMatchObject([
      { timestamp: '2025-01-02T03:04:05.000Z', properties: { timestamp_like: timestamp } },
    ]);
  });
});

describe('AI events (v1)', () => {
  it('have the headers and the body of v1', async () => {
    const app = await start({ captureMode: 'v1' });
    app.capture.captureAi(GENERATION);
    await app.capture.flush();
    const headers = app.posthog.requests[0]?.headers;
    expect(headers).toMatchObject({
      authorization: `Bearer ${KEY}`,
      'posthog-sdk-info': expect.stringMatching(/^.+\/.+$/),
      'posthog-attempt': '1',
      'posthog-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      'posthog-request-timestamp': expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    });
    expect(Object.keys(bodiesOf(app)[0] ?? {}).sort()).toEqual(['batch', 'created_at']);
  });

  it('are not repeated after the result drop', async () => {
    const app = await start({ captureMode: 'v1' });
    app.posthog.fail({ results: () => ({ result: 'drop', details: 'not wanted' }) });
    app.capture.captureAi(GENERATION);
    const report = await app.capture.flush();
    expect(report).toMatchObject({ delivered: 0, pending: 0, dropped: { rejected: 1 } });
    expect(app.posthog.requests).toHaveLength(1);
  });

  it('are repeated alone after the result retry', async () => {
    const app = await start({ captureMode: 'v1', flushAt: 10, flushIntervalMs: 60_000 });
    const results = ({ event }: { event: string }) => ({ result: event === '$ai_span' ? 'retry' : 'ok' });
    app.posthog.fail({ results, retryAfter: null });
    app.capture.captureAi(GENERATION);
    app.capture.captureAi({ event: '$ai_span', ...USER });
    await app.capture.flush();
    const names = bodiesOf(app).map(({ batch }) => batch.map(({ event }) => event));
    expect(names).toEqual([['$ai_generation', '$ai_span'], ['$ai_span']]);
    expect(app.posthog.events.map(({ event }) => event)).toEqual(['$ai_generation', '$ai_span']);
    expect(app.posthog.violations).toEqual([]);
  });

  it('have options that are set, and no others', async () => {
    const app = await start({ captureMode: 'v1', flushAt: 10, flushIntervalMs: 60_000 });
    const options = {
      cookielessMode: true,
      disableSkewCorrection: true,
      processPersonProfile: false,
      productTourId: 'tour_123',
    };
    app.capture.captureAi({ ...GENERATION, options });
    app.capture.captureAi({ event: '$ai_span', ...USER });
    app.capture.captureAi({ event: '$ai_trace', ...USER, properties: { $cookieless_mode: true } });
    await app.capture.flush();
    const [generation, span, trace] = app.posthog.events;
    expect(generation?.options).toEqual({
      cookieless_mode: true,
      disable_skew_correction: true,
      process_person_profile: false,
      product_tour_id: 'tour_123',
    });
    expect(span?.options ?? {}).toEqual({});
    expect(trace?.options).toEqual({ cookieless_mode: true });
    expect(trace?.properties).not.toHaveProperty('$cookieless_mode');
  });
});
