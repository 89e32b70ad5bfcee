import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { boot, captureMany, closeAll, expectBalanced, start, startPostHog } from '../support/harness.js';

afterEach(() => {
  jest.restoreAllMocks();
  return closeAll();
});

const EVENT = { event: 'page_view', distinctId: 'user_123' };

describe('control characters of foreign text', () => {
  it('are not in the log, in results and in statistics: an OpenSSL error, which ends with a line break', async () => {
    const posthog = await startPostHog();
    const host = `https://127.0.0.1:${posthog.port}`;
    const { capture, lines } = await boot({ host, maxRetries: 0, coolDownMs: 60_000, shutdownTimeoutMs: 0 });
    capture.capture(EVENT);
    const { error } = await capture.flush();
    const now = await capture.captureNow(EVENT);
    const said = [...lines, error, now.error, capture.stats().lastFailure?.message];
    expect(said.join('')).toContain('wrong version number');
    for (const text of said) expect(text).not.toMatch(/\p{Cc}|\\n/u);
  });

  it('are escaped in the log and in onDrop: the reason of a refusal', async () => {
    const { capture, posthog, lines, drops } = await start({ captureMode: 'v1' });
    posthog.fail({ results: () => ({ result: 'drop', details: 'a\r\nb\u001b[31m\u009b\u2028\u202ec' }) });
    capture.capture({ event: 'page\nview', distinctId: 'user_123' });
    await capture.flush();
    expect(drops[0]?.detail).toBe('PostHog API error: event refused: a\\r\\nb\\u001b[31m\\u009b\\u2028\\u202ec');
    expect(lines.filter((line) => /[\p{Cc}\u2028\u202e]/u.test(line))).toEqual([]);
    expect(lines.join()).toContain('Event "page\\nview" dropped (rejected)');
  });
});

it.each([1_767_225_600_000.25, 0.5, -1, NaN, Infinity, 2 ** 48])(
  'a clock that returns %d makes valid uuids and timestamps',
  async (now) => {
    const { capture, posthog } = await start();
    jest.spyOn(Date, 'now').mockReturnValue(now);
    capture.capture(EVENT);
    capture.capture({ ...EVENT, uuid: undefined });
    const result = await capture.captureNow(EVENT);
    jest.restoreAllMocks();
    expect(result).toMatchObject({ success: true });
    expect(await capture.flush()).toMatchObject({ pending: 0 });
    expect(posthog.events).toHaveLength(3);
    expect(posthog.violations).toEqual([]);
  },
);

it('captureNow adds one listener to a signal, however many calls share it, and removes it', async () => {
  const { capture, posthog } = await start({ maxRetries: 0 });
  const { signal } = new AbortController();
  const calls = Array.from({ length: 30 }, () => capture.captureNow(EVENT, { signal }));
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  expect((await Promise.all(calls)).every(({ success }) => success)).toBe(true);
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);

  const abort = new AbortController();
  posthog.failAlways({ hang: true });
  const aborted = Array.from({ length: 30 }, () => capture.captureNow(EVENT, { signal: abort.signal }));
  await posthog.waitForRequests(2);
  abort.abort();
  expect((await Promise.all(aborted)).map(({ error }) => error)).toEqual(aborted.map(() => 'PostHog request aborted'));
  expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
  expect(await capture.captureNow(EVENT, { signal: abort.signal })).toMatchObject({ success: false });
  expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
  expectBalanced(capture);
});

it.each([1, 2, 10])('a queue of %i events that are in flight makes room for the newest', async (maxQueueEvents) => {
  const { capture, posthog } = await start({ maxQueueEvents, flushAt: maxQueueEvents, requestTimeoutMs: 300 });
  let newest: string | null | undefined;
  let stats = capture.stats();
  posthog.failWhen(({ index }) => {
    if (index > 0) return null;
    newest = captureMany(capture, 20).at(-1);
    stats = capture.stats();
    return { hang: true };
  });
  const before = captureMany(capture, maxQueueEvents);
  await posthog.waitForRequests(1);
  expect(newest).toEqual(expect.any(String));
  expect(stats.pending).toBeLessThanOrEqual(Math.max(2, maxQueueEvents));
  expect(stats.inFlight).toBeGreaterThan(0);
  await capture.flush();
  await posthog.waitForEvents(maxQueueEvents);
  expect(await capture.flush()).toMatchObject({ pending: 0 });
  expect(posthog.events.map(({ uuid }) => uuid)).toContain(newest);
  expect(before).not.toContain(null);
  expectBalanced(capture);
});
