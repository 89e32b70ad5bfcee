import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type CaptureMode, type PostHogCaptureModuleOptions } from 'nestjs-posthog-capture';
import { type FakePostHog, type RecordedRequest } from 'nestjs-posthog-capture/testing';
import { captureMany, closeAll, expectBalanced, start, startPostHog, boot } from '../support/harness.js';
import { MemoryEventStore, SharedMemory } from '../support/memory-event-store.js';
import { record } from '../support/recording.js';

afterEach(closeAll);

const MIB = 1024 * 1024;
const PATHS = {
  v0: ['/batch/', '/i/v0/ai/batch/'],
  v1: ['/i/v1/analytics/events', '/i/v1/ai/events'],
} as const satisfies Record<CaptureMode, readonly string[]>;
const MODES = Object.keys(PATHS) as CaptureMode[];

/** Nothing is sent before a flush. */
const PATIENT: PostHogCaptureModuleOptions = { flushIntervalMs: 60_000, flushAt: 500 };

const isForAi = ({ endpoint }: RecordedRequest): boolean => endpoint === 'ai';

/** Fails the requests with AI events, and no others. */
const failAi = (posthog: FakePostHog, fault: Parameters<FakePostHog['failAlways']>[0]): void =>
  posthog.failWhen((request) => (isForAi(request) ? fault : null));

const namesByPath = (posthog: FakePostHog): Record<string, string[]> => {
  const names: Record<string, string[]> = {};
  for (const { event, requestIndex } of posthog.events)
    (names[posthog.requests[requestIndex]?.path ?? ''] ??= []).push(event);
  return names;
};

const generation = (size = 10, details: object = {}) => ({
  event: '$ai_generation',
  distinctId: 'ann',
  properties: { $ai_model: 'gpt-5', $ai_input: 'x'.repeat(size) },
  ...details,
});

/** Bytes that the properties of an event add to its JSON are unknown here: the largest event that fits is found by its size. */
const sizesOf = (posthog: FakePostHog): number[][] =>
  posthog.requests
    .filter(isForAi)
    .map(({ json }) => (json as { batch: object[] }).batch.map((event) => JSON.stringify(event).length));

/** Counts, and tells when a count is reached. */
function counter() {
  let count = 0;
  let check = (): void => undefined;
  return {
    add: (more: number): void => {
      count += more;
      check();
    },
    reaches: (wanted: number): Promise<void> =>
      new Promise((resolve) => {
        check = () => {
          if (count >= wanted) resolve();
        };
        check();
      }),
  };
}

describe.each(MODES)('captureAi (%s)', (captureMode) => {
  const [usual, ai] = PATHS[captureMode];

  it("sends AI events to an endpoint of their own, in PostHog's form, and others where they always go", async () => {
    const { capture, posthog } = await start({ ...PATIENT, captureMode });
    const uuid = '0198c0de-0000-7000-8000-000000000abc';
    expect(capture.captureAi(generation(10, { uuid, timestamp: '2025-01-02T08:34:05+05:30' }))).toBe(uuid);
    const own = capture.captureAi({ event: '$ai_span', distinctId: 'ann' });
    capture.capture({ event: 'question_asked', distinctId: 'ann' });
    capture.capture({ event: '$ai_trace', distinctId: 'ann' });
    await capture.flush();
    expect(namesByPath(posthog)).toEqual({
      [usual]: ['question_asked', '$ai_trace'],
      [ai]: ['$ai_generation', '$ai_span'],
    });
    const [event, span] = posthog.events.filter(({ event: name }) => name !== '$ai_trace' && name.startsWith('$ai_'));
    expect(event).toMatchObject({ uuid, timestamp: expect.stringMatching(/^2025-01-02T03:04:05(\.000)?Z$/) });
    expect(event?.properties).toMatchObject({ $ai_model: 'gpt-5', $lib: 'nestjs-posthog-capture' });
    expect(span?.uuid).toBe(own);
    expect(posthog.violations).toEqual([]);
    expect(capture.stats()).toMatchObject({
      captured: 4,
      delivered: 4,
      pending: 0,
      ai: { pending: 0, pendingBytes: 0 },
    });
  });

  it('waits for the response with captureAiNow', async () => {
    const { capture, posthog } = await start({ ...PATIENT, captureMode, maxRetries: 0 });
    expect(await capture.captureAiNow(generation())).toMatchObject({ success: true, event: '$ai_generation' });
    failAi(posthog, { status: 401 });
    expect(await capture.captureAiNow(generation())).toMatchObject({ error: 'PostHog API error: HTTP 401' });
    expect(await capture.captureNow({ event: 'a', distinctId: 'ann' })).toMatchObject({ success: true });
    expect(capture.stats()).toMatchObject({ captured: 3, delivered: 2, droppedByReason: { undelivered: 1 } });
  });

  it('captures an event of another name as capture() does, with a warning', async () => {
    const { capture, posthog, lines } = await start({ ...PATIENT, captureMode });
    capture.captureAi({ event: 'question_asked', distinctId: 'ann' });
    await capture.flush();
    expect(namesByPath(posthog)).toEqual({ [usual]: ['question_asked'] });
    expect(lines.join()).toContain(
      '"question_asked": PostHog\'s endpoint for AI events accepts only names that start with $ai_',
    );
  });

  it('takes the name that beforeSend gives', async () => {
    const { capture, posthog } = await start({
      ...PATIENT,
      captureMode,
      beforeSend: (event) => ({ ...event, event: event.event === '$ai_span' ? 'span' : event.event }),
    });
    capture.captureAi({ event: '$ai_span', distinctId: 'ann' });
    await capture.flush();
    expect(namesByPath(posthog)).toEqual({ [usual]: ['span'] });
  });

  it('accepts up to 8 MiB for an event and 5 MiB for a request, except that a larger event goes alone', async () => {
    const { capture, posthog, drops } = await start({ ...PATIENT, captureMode, flushAt: 50 });
    for (const size of [2, 2, 2, 7.9]) capture.captureAi(generation(size * MIB));
    expect(capture.captureAi(generation(8 * MIB))).toBeNull();
    await capture.flush();
    expect(sizesOf(posthog).map((sizes) => sizes.length)).toEqual([2, 1, 1]);
    expect(posthog.events).toHaveLength(4);
    expect(drops).toEqual([expect.objectContaining({ reason: 'too_large', event: '$ai_generation' })]);
    expect(drops[0]?.detail).toContain('PostHog accepts AI events of up to 8388608 bytes');
    expectBalanced(capture);
  });

  it('sends what capture() got to that endpoint if it is larger than maxEventBytes', async () => {
    const { capture, posthog, drops } = await start({ ...PATIENT, captureMode });
    capture.capture(generation(10));
    capture.capture(generation(MIB));
    capture.capture({ ...generation(MIB), event: 'question_asked' });
    await capture.flush();
    expect(namesByPath(posthog)).toEqual({ [usual]: ['$ai_generation'], [ai]: ['$ai_generation'] });
    expect(drops).toEqual([expect.objectContaining({ reason: 'too_large', event: 'question_asked' })]);
    expectBalanced(capture);
  });

  it('halves a batch that is refused with 413, and drops only an event that is refused alone', async () => {
    const { capture, posthog, drops } = await start({ ...PATIENT, captureMode });
    posthog.failWhen((request) =>
      isForAi(request) && (request.events > 2 || request.text?.includes('"large":true')) ? { status: 413 } : null,
    );
    for (let index = 0; index < 7; index += 1)
      capture.captureAi({ event: '$ai_span', distinctId: `p${index}`, properties: { index, large: index === 3 } });
    await capture.flush();
    expect(posthog.rows.map(({ properties }) => properties.index).sort()).toEqual([0, 1, 2, 4, 5, 6]);
    expect(drops).toEqual([expect.objectContaining({ reason: 'too_large', event: '$ai_span' })]);
    expectBalanced(capture);
  });

  it('delays no other event while that endpoint hangs, and none is lost', async () => {
    const delivered = counter();
    const { app, capture, posthog, drops } = await start({
      captureMode,
      flushAt: 10,
      maxBatchEvents: 10,
      concurrency: 2,
      shutdownTimeoutMs: 100,
      onDelivery: ({ uuids }) => delivered.add(uuids.length),
    });
    failAi(posthog, { hang: true });
    for (let index = 0; index < 60; index += 1) capture.captureAi({ event: '$ai_span', distinctId: `p${index}` });
    await posthog.waitFor(({ requests }) => requests.filter(isForAi).length === 2);
    captureMany(capture, 100, 7);
    await delivered.reaches(100);
    expect(await capture.captureNow({ event: 'a', distinctId: 'ann' })).toMatchObject({ success: true });
    expect(capture.stats()).toMatchObject({ captured: 161, delivered: 101, pending: 60, ai: { pending: 60 } });
    expectBalanced(capture);
    await app.close();
    expect(capture.stats()).toMatchObject({ pending: 0, droppedByReason: { shutdown: 60 } });
    expect(drops).toHaveLength(60);
    expectBalanced(capture);
  });
});

describe('AI events', () => {
  it('have retries and a cool-down of their own', async () => {
    const { capture, posthog } = await start({ ...PATIENT, maxRetries: 1, coolDownMs: 60_000 });
    failAi(posthog, { status: 503 });
    capture.captureAi(generation());
    capture.capture({ event: 'a', distinctId: 'ann' });
    expect(await capture.flush()).toEqual({
      delivered: 1,
      pending: 1,
      dropped: {},
      error: 'PostHog API error: HTTP 503',
    });
    expect(capture.stats()).toMatchObject({
      coolDownUntil: expect.any(Number),
      lastFailure: { message: 'PostHog API error: HTTP 503' },
      requests: { total: 3, byStatus: { 200: 1, 503: 2 } },
      retries: 1,
    });
    capture.capture({ event: 'b', distinctId: 'ann' });
    posthog.failWhen(null);
    // One probe, although the cool-down is not over.
    expect(await capture.flush()).toMatchObject({ delivered: 2, pending: 0, error: null });
    expect(capture.stats().coolDownUntil).toBeNull();
  });

  it('have a queue of their own, with the same limits', async () => {
    const { capture, posthog, drops } = await start({
      ...PATIENT,
      maxQueueEvents: 10,
      maxRetries: 0,
      coolDownMs: 60_000,
    });
    failAi(posthog, { status: 503 });
    captureMany(capture, 5);
    for (let index = 0; index < 15; index += 1) capture.captureAi({ event: '$ai_span', distinctId: `p${index}` });
    expect(drops.map(({ reason, event }) => [reason, event])).toEqual(Array(5).fill(['queue_full', '$ai_span']));
    expect(capture.stats()).toMatchObject({ pending: 15, ai: { pending: 10 } });
    await capture.flush();
    expect(capture.stats()).toMatchObject({ delivered: 5, pending: 10 });
    posthog.failWhen(null);
    await capture.flush();
    await capture.ready();
    expect(capture.stats()).toMatchObject({ delivered: 15, pending: 0 });
    expectBalanced(capture);
  });

  it('cost nothing until there is one', async () => {
    const { capture } = await start(PATIENT);
    capture.capture({ event: 'a', distinctId: 'ann' });
    await capture.flush();
    expect(capture.stats().ai).toBeNull();
  });

  it('that are captured during the shutdown are sent', async () => {
    const { app, capture, posthog } = await start(PATIENT);
    capture.capture({ event: 'a', distinctId: 'ann' });
    const closing = app.close();
    await posthog.waitFor(({ requests }) => requests.length === 1);
    capture.captureAi(generation());
    await closing;
    await posthog.waitFor(({ events }) => events.length === 2);
    expectBalanced(capture);
  });

  it('are not captured by a disabled instance', async () => {
    const { capture, posthog } = await start({ enabled: false });
    expect(capture.captureAi(generation())).toBeNull();
    expect(await capture.captureAiNow(generation())).toMatchObject({ error: 'Event dropped: disabled' });
    expect([posthog.requests, capture.stats().captured]).toEqual([[], 0]);
  });

  it('are recorded in tests', async () => {
    const { capture, recorder } = await record();
    capture.captureAi(generation(2 * MIB));
    expect(recorder.find('$ai_generation', { distinctId: 'ann' })?.properties.$ai_model).toBe('gpt-5');
  });
});

describe('a server without an endpoint for AI events', () => {
  it.each(MODES)('gets them at the endpoint of others, with one warning (%s)', async (captureMode) => {
    const { capture, posthog, lines, drops } = await start({ ...PATIENT, captureMode });
    failAi(posthog, { status: 404 });
    posthog.failWhen((request) =>
      isForAi(request) ? { status: 404 } : (request.text?.length ?? 0) > MIB ? { status: 413 } : null,
    );
    for (let index = 0; index < 3; index += 1) capture.captureAi({ event: '$ai_span', distinctId: `p${index}` });
    await capture.flush();
    capture.captureAi({ event: '$ai_span', distinctId: 'ann' });
    capture.captureAi(generation(MIB));
    await capture.flush();
    expect(namesByPath(posthog)).toEqual({ [PATHS[captureMode][0]]: Array(4).fill('$ai_span') });
    // It is known to be missing for a while.
    expect(posthog.requests.filter(isForAi)).toHaveLength(1);
    expect(drops).toEqual([expect.objectContaining({ reason: 'too_large', event: '$ai_generation' })]);
    expect(lines.filter((line) => line.includes('no endpoint for AI events'))).toHaveLength(1);
    expectBalanced(capture);
  });

  it('is not assumed if the host is wrong: the events are kept', async () => {
    const { capture, posthog } = await start({ ...PATIENT, coolDownMs: 60_000 });
    posthog.failAlways({ status: 404 });
    capture.captureAi(generation());
    expect(await capture.flush()).toMatchObject({ pending: 1, error: 'PostHog API error: HTTP 404' });
    posthog.failAlways(null);
    expect(await capture.flush()).toMatchObject({ delivered: 1 });
    expect(Object.keys(namesByPath(posthog))).toEqual(['/i/v0/ai/batch/']);
  });
});

describe('with a store', () => {
  let path = '';
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'posthog-ai-'));
  });
  afterEach(() => rm(path, { recursive: true, force: true }));

  it('are kept, and sent to their endpoint after the next start, whatever captureMode was', async () => {
    const posthog = await startPostHog();
    // Its requests may arrive after it was closed.
    posthog.failWhen(({ path: endpoint }) => (endpoint.startsWith('/i/v1/') ? { status: 503 } : null));
    const first = await boot({ host: posthog.url, store: path, captureMode: 'v1', shutdownTimeoutMs: 50 });
    first.capture.captureAi(generation(2 * MIB, { options: { processPersonProfile: false } }));
    first.capture.capture({ event: 'a', distinctId: 'ann' });
    await first.app.close();
    expect(first.capture.stats()).toMatchObject({ captured: 2, dropped: 0, pending: 2 });
    const { app, capture } = await boot({ ...PATIENT, host: posthog.url, store: path });
    expect(capture.stats()).toMatchObject({ captured: 0, recovered: 2, pending: 2, ai: { pending: 1 } });
    await capture.flush();
    expect(namesByPath(posthog)).toEqual({ '/batch/': ['a'], '/i/v0/ai/batch/': ['$ai_generation'] });
    expect(posthog.events.find(({ event }) => event === '$ai_generation')?.properties).toMatchObject({
      $process_person_profile: false,
    });
    expectBalanced(capture);
    await app.close();
    expect(await readdir(path)).toEqual([]);
  });

  it('that an outage of their endpoint leaves in the store are the only ones there', async () => {
    const memory = new SharedMemory();
    const { app, capture, posthog } = await start({
      ...PATIENT,
      store: new MemoryEventStore(memory),
      coolDownMs: 60_000,
    });
    failAi(posthog, { status: 503 });
    captureMany(capture, 10);
    capture.captureAi(generation());
    await app.close();
    expect([...memory.events.keys()].map(({ name }) => name)).toEqual(['$ai_generation']);
    expect(capture.stats()).toMatchObject({ delivered: 10, dropped: 0, pending: 1 });
    expectBalanced(capture);
  });
});
