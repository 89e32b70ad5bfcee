import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type CaptureFormat, FakePostHog, type Fault } from '../../../lib/testing/index.js';
import { capture, captureRequest, send, validEvent } from './wire-client.js';

const FORMATS: CaptureFormat[] = ['v0', 'v1'];

let posthog: FakePostHog;
beforeAll(async () => {
  posthog = await FakePostHog.start();
});
beforeEach(() => posthog.clear());
afterAll(() => posthog.close());

describe.each(FORMATS)('%s: a fault', (format) => {
  const success = (uuid: unknown): unknown =>
    format === 'v0' ? { status: 'Ok' } : { results: { [String(uuid)]: { result: 'ok' } } };

  it('responds with a status and stores nothing', async () => {
    posthog.fail({ status: 503, retryAfter: 7, headers: { 'x-test': 'yes' } });
    const response = await capture(posthog, format, [validEvent()]);
    expect(response).toMatchObject({ status: 503, headers: { 'retry-after': '7', 'x-test': 'yes' } });
    expect(posthog.events).toEqual([]);
    expect(posthog.requests).toMatchObject([{ status: 503, events: 1 }]);
    expect((await capture(posthog, format, [validEvent()])).status).toBe(200);
    expect(posthog.violations).toEqual([]);
  });

  it('sends no Retry-After by default, and a given body', async () => {
    posthog.fail([{ status: 500 }, { status: 429, body: 'slow down' }, { status: 200, body: { status: 1 } }]);
    expect((await capture(posthog, format, [validEvent()])).headers['retry-after']).toBeUndefined();
    expect((await capture(posthog, format, [validEvent()])).text).toBe('slow down');
    expect((await capture(posthog, format, [validEvent()])).json).toEqual({ status: 1 });
    expect(posthog.events).toEqual([]);
  });

  it('responds with a normal 200 and stores nothing', async () => {
    posthog.fail({ status: 200 });
    const event = validEvent();
    expect((await capture(posthog, format, [event])).json).toEqual(success(event.uuid));
    expect(posthog.events).toEqual([]);
  });

  it('stores valid events although it responds with an error', async () => {
    posthog.failAlways({ status: 503, store: true });
    await capture(posthog, format, [validEvent()]);
    await capture(posthog, format, [validEvent({ uuid: 'none' })]);
    expect(posthog.requests.map(({ status }) => status)).toEqual([503, 503]);
    expect(posthog.events).toHaveLength(1);
  });

  it.each(['before', 'after'] as const)('resets the connection %s storing', async (reset) => {
    posthog.fail({ reset });
    await expect(capture(posthog, format, [validEvent()])).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(posthog.events).toHaveLength(reset === 'before' ? 0 : 1);
    expect(posthog.requests).toMatchObject([{ status: null, aborted: false, events: reset === 'before' ? 0 : 1 }]);
  });

  it('resets before storing if selected by failWhen', async () => {
    posthog.failWhen(() => ({ reset: 'before' }));
    await expect(capture(posthog, format, [validEvent()])).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(posthog.events).toEqual([]);
  });

  it('delays a normal response', async () => {
    posthog.fail({ delayMs: 60 });
    const before = performance.now();
    const answering = capture(posthog, format, [validEvent()]);
    await posthog.waitForRequests(1);
    expect(posthog.requests[0]?.status).toBeNull();
    expect(posthog.events).toEqual([]);
    expect((await answering).status).toBe(200);
    expect(performance.now() - before).toBeGreaterThanOrEqual(55);
    expect(posthog.events).toHaveLength(1);
  });

  it('delays another fault', async () => {
    posthog.fail([
      { status: 500, delayMs: 30 },
      { reset: 'before', delayMs: 30 },
    ]);
    const before = performance.now();
    expect((await capture(posthog, format, [validEvent()])).status).toBe(500);
    expect(performance.now() - before).toBeGreaterThanOrEqual(25);
    const between = performance.now();
    await expect(capture(posthog, format, [validEvent()])).rejects.toThrow();
    expect(performance.now() - between).toBeGreaterThanOrEqual(25);
  });

  it('stores the events of a client that disconnects during the delay', async () => {
    posthog.fail({ delayMs: 150 });
    const client = new AbortController();
    const sending = send(posthog, { ...captureRequest(format, [validEvent()]), signal: client.signal });
    await posthog.waitForRequests(1);
    client.abort();
    await expect(sending).rejects.toThrow();
    await posthog.waitForEvents(1);
    expect(posthog.requests).toMatchObject([{ aborted: true, status: null }]);
  });

  it('never responds', async () => {
    posthog.fail({ hang: true });
    const client = new AbortController();
    const hanging = send(posthog, { ...captureRequest(format, [validEvent()]), signal: client.signal });
    await posthog.waitForRequests(1);
    client.abort();
    await expect(hanging).rejects.toThrow();
    await posthog.waitFor(({ requests }) => requests[0]?.aborted === true);
    expect(posthog.requests).toMatchObject([{ status: null, events: 1 }]);
    expect(posthog.events).toEqual([]);
  });

  it('sends half of a response', async () => {
    posthog.fail({ halfAnswer: true });
    await expect(capture(posthog, format, [validEvent()])).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(posthog.events).toHaveLength(1);
    expect(posthog.requests).toMatchObject([{ status: 200, aborted: false }]);
  });

  it('responds with invalid JSON', async () => {
    posthog.fail({ invalidJson: true });
    const response = await capture(posthog, format, [validEvent()]);
    expect(response.status).toBe(200);
    expect(response.headers['content-type']).toBe('application/json');
    expect(response.text).not.toBe('');
    expect(response.json).toBeUndefined();
    expect(posthog.events).toHaveLength(1);
  });

  it('sends the body of the response slowly', async () => {
    posthog.fail({ slowBodyMs: 80 });
    const event = validEvent();
    const request = captureRequest(format, [event]);
    const before = performance.now();
    const response = await fetch(posthog.url + request.path, {
      method: 'POST',
      headers: Object.entries(request.headers ?? {}).map(([name, value]): [string, string] => [name, value ?? '']),
      body: String(request.body),
    });
    expect(await response.json()).toEqual(success(event.uuid));
    expect(performance.now() - before).toBeGreaterThanOrEqual(75);
  });

  it('redirects', async () => {
    posthog.fail({ redirect: 'https://example.com/batch/' });
    const response = await capture(posthog, format, [validEvent()]);
    expect(response).toMatchObject({ status: 307, headers: { location: 'https://example.com/batch/' } });
    expect(posthog.events).toEqual([]);
  });

  it('responds with 413 to too many events', async () => {
    posthog.failAlways({ maxEvents: 2 });
    expect((await capture(posthog, format, [validEvent(), validEvent(), validEvent()])).status).toBe(413);
    expect(posthog.events).toEqual([]);
    expect((await capture(posthog, format, [validEvent(), validEvent()])).status).toBe(200);
    expect(posthog.events).toHaveLength(2);
    expect(posthog.violations).toEqual([]);
  });

  it('refuses a poisoned event', async () => {
    posthog.failAlways({ poison: ({ event }) => event === 'poison' });
    const poison = validEvent({ event: 'poison' });
    const response = await capture(posthog, format, [validEvent(), poison]);
    expect(response.status).toBe(format === 'v0' ? 400 : 200);
    expect(posthog.events.map(({ event }) => event)).toEqual(format === 'v0' ? [] : ['order_placed']);
    if (format === 'v1')
      expect(response.json).toMatchObject({ results: { [String(poison.uuid)]: { result: 'drop' } } });
    expect((await capture(posthog, format, [validEvent()])).status).toBe(200);
  });
});

describe('results per event', () => {
  const batch = ['ok', 'warning', 'limited', 'drop', 'retry', 'new', 'own'].map((event) => validEvent({ event }));
  const results: Fault = {
    results: ({ event }) =>
      event === 'own' ? undefined : { result: event, ...(event === 'drop' ? { details: 'no' } : {}) },
  };

  it('are those of the fault, and only accepted events are stored', async () => {
    posthog.fail(results);
    const response = await capture(posthog, 'v1', batch);
    expect(response.status).toBe(200);
    expect(response.headers['retry-after']).toBe('1');
    const said = new Map(batch.map(({ event, uuid }) => [String(uuid), { result: event === 'own' ? 'ok' : event }]));
    said.set(String(batch[3]?.uuid), { result: 'drop', ...{ details: 'no' } });
    expect(response.json).toEqual({ results: Object.fromEntries(said) });
    expect(posthog.events.map(({ event }) => event)).toEqual(['ok', 'warning', 'limited', 'own']);
  });

  it.each([
    { retryAfter: 9, header: '9' },
    { retryAfter: 'Wed, 01 May 2024 10:00:00 GMT', header: 'Wed, 01 May 2024 10:00:00 GMT' },
    { retryAfter: 0, header: '0' },
    { retryAfter: null, header: undefined },
  ])('come with Retry-After: $header', async ({ retryAfter, header }) => {
    posthog.fail({ ...results, retryAfter });
    expect((await capture(posthog, 'v1', batch)).headers['retry-after']).toBe(header);
  });

  it('come without Retry-After if no event is retried', async () => {
    posthog.fail({ results: () => ({ result: 'ok' }), retryAfter: 5 });
    expect((await capture(posthog, 'v1', batch)).headers['retry-after']).toBeUndefined();
  });

  it('may depend on the position of the event', async () => {
    posthog.fail({ results: (_event, index) => ({ result: index === 0 ? 'ok' : 'retry' }) });
    await capture(posthog, 'v1', batch);
    expect(posthog.events.map(({ event }) => event)).toEqual(['ok']);
  });

  it('are not part of a v0 response: other events are silently discarded', async () => {
    posthog.fail({ results: ({ event }) => ({ result: event }) });
    expect((await capture(posthog, 'v0', batch)).json).toEqual({ status: 'Ok' });
    expect(posthog.events.map(({ event }) => event)).toEqual(['ok', 'warning', 'limited']);
  });
});

describe('fault selection', () => {
  const statusOf = async (): Promise<number> => (await capture(posthog, 'v0', [validEvent()])).status;

  it('prefers the queue, then failWhen, then failAlways', async () => {
    posthog.failAlways({ status: 500 });
    posthog.failWhen(({ index }) => (index === 3 ? { status: 504 } : null));
    posthog.fail([{ status: 501 }, { status: 502 }]);
    posthog.fail({ status: 503 });
    expect([await statusOf(), await statusOf(), await statusOf(), await statusOf(), await statusOf()]).toEqual([
      501, 502, 503, 504, 500,
    ]);
    posthog.failAlways(null);
    expect(await statusOf()).toBe(200);
  });

  it('passes the whole request to failWhen', async () => {
    posthog.failWhen(({ headers, events, json }) =>
      headers['user-agent'] === 'test/1.0.0' && events === 1 && json !== undefined ? { status: 418 } : null,
    );
    expect(await statusOf()).toBe(418);
    posthog.failWhen(null);
    expect(await statusOf()).toBe(200);
  });

  it('clear() removes all faults', async () => {
    posthog.fail({ status: 500 });
    posthog.failAlways({ status: 500 });
    posthog.failWhen(() => ({ status: 500 }));
    posthog.clear();
    expect(await statusOf()).toBe(200);
  });

  it('does not apply to requests for the live page', async () => {
    posthog.fail({ status: 500 });
    expect((await send(posthog, { method: 'GET', path: '/events' })).status).toBe(200);
    expect(await statusOf()).toBe(500);
  });

  it.each<[string, () => void]>([
    ['failWhen', () => posthog.failWhen(() => fail())],
    ['results', () => posthog.fail({ results: () => fail() })],
    ['poison', () => posthog.fail({ poison: () => fail() })],
    ['an invalid header', () => posthog.fail({ status: 500, headers: { 'x-test': 'a\nb' } })],
  ])('an error in %s gets 500 and is listed as a violation', async (_source, script) => {
    script();
    expect((await capture(posthog, 'v1', [validEvent()])).status).toBe(500);
    expect(posthog.violations).toMatchObject([{ rule: 'callback_threw', requestIndex: 0 }]);
    expect(posthog.requests).toMatchObject([{ status: 500 }]);
  });
});

function fail(): never {
  throw new Error('callback failed');
}
