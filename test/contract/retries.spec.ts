import { afterEach, describe, expect, it } from '@jest/globals';
import { captureMany, closeAll, expectBalanced, start } from '../support/harness.js';

afterEach(closeAll);

describe.each(['v0', 'v1'] as const)('%s', (captureMode) => {
  it.each([408, 429, 500, 502, 503, 504, 599])('retries after %i with the same events', async (status) => {
    const { capture, posthog } = await start({ captureMode });
    posthog.fail({ status });
    const uuid = capture.capture({ event: 'page_view', distinctId: 'user_123' });
    expect(await capture.flush()).toEqual({ delivered: 1, pending: 0, dropped: {}, error: null });
    expect(posthog.requests.map((request) => request.status)).toEqual([status, 200]);
    expect(posthog.events.map((event) => event.uuid)).toEqual([uuid]);
    expect(posthog.violations).toEqual([]);
    expect(capture.stats().retries).toBe(1);
  });

  it.each([301, 401, 403, 404, 405, 410, 418])('stops sending after %i and keeps the events', async (status) => {
    const { capture, posthog, lines } = await start({ captureMode, coolDownMs: 60_000 });
    posthog.failAlways({ status });
    captureMany(capture, 3);
    const error = `PostHog API error: HTTP ${status}`;
    expect(await capture.flush()).toEqual({ delivered: 0, pending: 3, dropped: {}, error });
    expect(posthog.requests).toHaveLength(1);
    expect(lines.filter((line) => line.includes(`HTTP ${status}`))).toHaveLength(1);
    posthog.failAlways(null);
    expect(await capture.flush()).toMatchObject({ delivered: 3, pending: 0, error: null });
    expect(posthog.events).toHaveLength(3);
  });

  it('makes four requests with maxRetries 3 and growing delays, and reports pending events and the error', async () => {
    const { capture, posthog } = await start({
      captureMode,
      retryBaseMs: 100,
      retryMaxMs: 1000,
      coolDownMs: 60_000,
      shutdownTimeoutMs: 50,
    });
    posthog.failAlways({ status: 503 });
    captureMany(capture, 2);
    const error = 'PostHog API error: HTTP 503';
    expect(await capture.flush()).toEqual({ delivered: 0, pending: 2, dropped: {}, error });
    const times = posthog.requests.map((request) => request.receivedAt);
    expect(times).toHaveLength(4);
    const waits = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    // Half to full step, with a tolerance, because timers may fire early.
    expect(waits[0]).toBeGreaterThanOrEqual(48);
    expect(waits[1]).toBeGreaterThanOrEqual(98);
    expect(waits[2]).toBeGreaterThanOrEqual(198);
    expect(posthog.violations).toEqual([]);
  });

  it.each([
    ['seconds', () => '1'],
    // Far enough ahead for a response that arrives late.
    ['a date', () => new Date(Date.now() + 5000).toUTCString()],
  ])('Retry-After in %s is a minimum delay for all requests', async (_, retryAfter) => {
    // One at a time: the second request must not leave before the first response has arrived.
    const { capture, posthog } = await start({ captureMode, retryMaxMs: 60_000, concurrency: 1 });
    posthog.failWhen(({ index }) => (index === 0 ? { status: 429, retryAfter: retryAfter() } : null));
    capture.capture({ event: 'first', distinctId: 'a' });
    await posthog.waitForRequests(1);
    capture.capture({ event: 'second', distinctId: 'b' });
    await posthog.waitForEvents(2);
    const [refused = 0, ...later] = posthog.requests.map((request) => request.receivedAt);
    for (const time of later) expect(time - refused).toBeGreaterThanOrEqual(950);
  });

  it('limits a huge Retry-After to the cool-down', async () => {
    const { capture, posthog } = await start({ captureMode, coolDownMs: 20 });
    posthog.fail({ status: 503, retryAfter: 999_999_999 });
    capture.capture({ event: 'kept', distinctId: 'a' });
    await posthog.waitForEvents(1);
    expect(posthog.requests).toHaveLength(2);
  });

  it.each([
    ['a connection reset before the request was read', { reset: 'before' }, 2],
    ['a connection reset after the batch was stored', { reset: 'after' }, 2],
    ['no response', { hang: true }, 2],
    // Only the results of v1 tell what was stored.
    ['an incomplete success response', { halfAnswer: true }, captureMode === 'v0' ? 1 : 2],
    ['a slow success response', { slowBodyMs: 30 }, 1],
  ] as const)('delivers despite %s', async (_, fault, requests) => {
    const { capture, posthog } = await start({ captureMode, ...('hang' in fault && { requestTimeoutMs: 1500 }) });
    posthog.fail(fault);
    capture.capture({ event: 'page_view', distinctId: 'user_123' });
    expect(await capture.flush()).toMatchObject({ delivered: 1, pending: 0 });
    expect(posthog.requests).toHaveLength(requests);
    expect(posthog.rows).toHaveLength(1);
    expect(posthog.violations).toEqual([]);
  });

  it('does not follow redirects', async () => {
    const { capture, posthog } = await start({ captureMode, coolDownMs: 60_000 });
    posthog.fail({ redirect: `${posthog.url}/elsewhere` });
    capture.capture({ event: 'page_view', distinctId: 'user_123' });
    expect(await capture.flush()).toMatchObject({ pending: 1, error: 'PostHog API error: HTTP 307' });
    expect(posthog.requests).toHaveLength(1);
  });

  it('halves a batch that is too large until it fits', async () => {
    const { capture, posthog } = await start({ captureMode });
    posthog.failAlways({ maxEvents: 10 });
    captureMany(capture, 100);
    expect(await capture.flush()).toMatchObject({ delivered: 100, pending: 0, dropped: {} });
    expect(posthog.rows).toHaveLength(100);
    expect(posthog.violations).toEqual([]);
  });

  it('drops a single event that is too large for the server', async () => {
    const { capture, posthog, drops } = await start({ captureMode });
    posthog.fail({ status: 413 });
    capture.capture({ event: 'huge', distinctId: 'user_123' });
    expect(await capture.flush()).toMatchObject({ delivered: 0, pending: 0, dropped: { too_large: 1 } });
    expect(drops).toEqual([expect.objectContaining({ reason: 'too_large', event: 'huge' })]);
  });

  it('drops only the invalid event of a refused batch', async () => {
    const { capture, posthog, drops } = await start({ captureMode });
    posthog.failAlways({ poison: (event) => event.event === 'event_37' });
    captureMany(capture, 100);
    expect(await capture.flush()).toMatchObject({ delivered: 99, pending: 0, dropped: { rejected: 1 } });
    expect(drops.map((drop) => drop.event)).toEqual(['event_37']);
    expect(posthog.requests.length).toBeLessThan(20);
    expectBalanced(capture);
  });

  it.each([400, 413])('keeps all events if the server responds with %d to everything', async (status) => {
    const { capture, posthog, lines } = await start({ captureMode, coolDownMs: 60_000 });
    posthog.failAlways({ status });
    captureMany(capture, 100);
    for (let probe = 1; probe <= 3; probe += 1) {
      const report = await capture.flush();
      expect(report).toMatchObject({ pending: 100, error: `PostHog API error: HTTP ${status}` });
      expect(posthog.requests.length).toBeLessThan(30 * probe);
    }
    expect(lines.join()).toContain('refuses every event');
    posthog.failAlways(null);
    expect(await capture.flush()).toMatchObject({ delivered: 100, pending: 0 });
    expect(posthog.violations).toEqual([]);
    expectBalanced(capture);
  });

  it('stops dropping refused single events if the server accepts none', async () => {
    const { capture, posthog } = await start({ captureMode, coolDownMs: 60_000 });
    posthog.failAlways({ status: 400 });
    for (let count = 0; count < 12; count += 1) {
      captureMany(capture, 1);
      await capture.flush();
    }
    expect(capture.stats()).toMatchObject({ droppedByReason: { rejected: 8 }, pending: 4 });
    posthog.failAlways(null);
    expect(await capture.flush()).toMatchObject({ delivered: 4, pending: 0 });
  });

  it('drops any number of invalid events while others are accepted', async () => {
    const { capture, posthog } = await start({ captureMode });
    posthog.failAlways({ poison: ({ properties }) => Number(properties.index) < 60 });
    captureMany(capture, 100);
    expect(await capture.flush()).toMatchObject({ delivered: 40, pending: 0, dropped: { rejected: 60 } });
    expect(posthog.rows).toHaveLength(40);
    expect(posthog.requests.length).toBeLessThan(180);
    expectBalanced(capture);
  });

  it('drops the invalid events of one person as well', async () => {
    const { capture, posthog } = await start({ captureMode });
    posthog.failAlways({ poison: ({ properties }) => Number(properties.index) < 30 });
    captureMany(capture, 100, 1);
    expect(await capture.flush()).toMatchObject({ delivered: 70, pending: 0, dropped: { rejected: 30 } });
  });

  it('keeps the order of each person while it isolates invalid events', async () => {
    const { capture, posthog } = await start({ captureMode });
    posthog.failAlways({ poison: ({ properties }) => Number(properties.index) < 30 });
    captureMany(capture, 100, 40);
    expect(await capture.flush()).toMatchObject({ delivered: 70, pending: 0 });
    for (let person = 0; person < 40; person += 1) {
      const indices = posthog.events
        .filter(({ distinct_id }) => distinct_id === `person_${person}`)
        .map(({ properties }) => Number(properties.index));
      expect(indices).toEqual([...indices].sort((a, b) => a - b));
    }
  });

  it('drops events over the quota', async () => {
    const { capture, posthog } = await start({ captureMode });
    posthog.fail({ status: 402 });
    captureMany(capture, 2);
    expect(await capture.flush()).toMatchObject({ delivered: 0, pending: 0, dropped: { quota: 2 } });
  });

  it('sends uncompressed after 415, on the next attempt', async () => {
    const { capture, posthog } = await start({ captureMode, coolDownMs: 60_000 });
    posthog.fail({ status: 415 });
    capture.capture({ event: 'page_view', distinctId: 'user_123' });
    expect(await capture.flush()).toMatchObject({ pending: 1 });
    expect(await capture.flush()).toMatchObject({ delivered: 1 });
    expect(posthog.requests.map((request) => request.headers['content-encoding'])).toEqual(['gzip', undefined]);
  });
});

describe('v1 results per event', () => {
  it('retries only the requested events, with the same request id', async () => {
    const { capture, posthog } = await start({ captureMode: 'v1' });
    posthog.fail({ results: (_, index) => ({ result: index % 2 === 0 ? 'ok' : 'retry' }), retryAfter: 0 });
    const uuids = captureMany(capture, 6);
    expect(await capture.flush()).toMatchObject({ delivered: 6, pending: 0 });
    expect(posthog.requests.map((request) => request.events)).toEqual([6, 3]);
    const [first, second] = posthog.requests.map((request) => request.headers);
    expect(second?.['posthog-request-id']).toBe(first?.['posthog-request-id']);
    expect([first?.['posthog-attempt'], second?.['posthog-attempt']]).toEqual(['1', '2']);
    expect(posthog.events.map((event) => event.uuid).sort()).toEqual([...uuids].sort());
    expect(posthog.violations).toEqual([]);
  });

  it.each([
    ['warning', true],
    ['limited', true],
    ['an unknown result', true],
    ['drop', false],
  ] as const)('the result %s means delivered: %s', async (result, delivered) => {
    const { capture, posthog, drops } = await start({ captureMode: 'v1' });
    posthog.fail({ results: () => ({ result, details: 'for a reason' }) });
    capture.capture({ event: 'page_view', distinctId: 'user_123' });
    const expected = delivered ? { delivered: 1, dropped: {} } : { delivered: 0, dropped: { rejected: 1 } };
    expect(await capture.flush()).toMatchObject(expected);
    expect(drops.map((drop) => drop.detail)).toEqual(delivered ? [] : [expect.stringContaining('for a reason')]);
    expect(posthog.requests).toHaveLength(1);
  });
});
