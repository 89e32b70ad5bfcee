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

  it('answers a status and stores nothing', async () => {
    posthog.fail({ status: 503, retryAfter: 7, headers: { 'x-test': 'yes' } });
    const answer = await capture(posthog, format, [validEvent()]);
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '7', 'x-test': 'yes' } });
    expect(posthog.events).toEqual([]);
    expect(posthog.requests).toMatchObject([{ status: 503, events: 1 }]);
    expect((await capture(posthog, format, [validEvent()])).status).toBe(200);
    expect(posthog.violations).toEqual([]);
  });

  it('answers without Retry-After unless told, and with the body it is told', async () => {
    posthog.fail([{ status: 500 }, { status: 429, body: 'slow down' }, { status: 200, body: { status: 1 } }]);
    expect((await capture(posthog, format, [validEvent()])).headers['retry-after']).toBeUndefined();
    expect((await capture(posthog, format, [validEvent()])).text).toBe('slow down');
    expect((await capture(posthog, format, [validEvent()])).json).toEqual({ status: 1 });
    expect(posthog.events).toEqual([]);
  });

  it('answers 200 as usual and stores nothing', async () => {
    posthog.fail({ status: 200 });
    const event = validEvent();
    expect((await capture(posthog, format, [event])).json).toEqual(success(event.uuid));
    expect(posthog.events).toEqual([]);
  });

  it('stores although it answers an error, but only what PostHog would', async () => {
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

  it('resets before storing when a rule says so', async () => {
    posthog.failWhen(() => ({ reset: 'before' }));
    await expect(capture(posthog, format, [validEvent()])).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(posthog.events).toEqual([]);
  });

  it('delays a normal answer', async () => {
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

  it('stores what a client sent that gave up meanwhile', async () => {
    posthog.fail({ delayMs: 150 });
    const client = new AbortController();
    const sending = send(posthog, { ...captureRequest(format, [validEvent()]), signal: client.signal });
    await posthog.waitForRequests(1);
    client.abort();
    await expect(sending).rejects.toThrow();
    await posthog.waitForEvents(1);
    expect(posthog.requests).toMatchObject([{ aborted: true, status: null }]);
  });

  it('hangs', async () => {
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

  it('sends half an answer', async () => {
    posthog.fail({ halfAnswer: true });
    await expect(capture(posthog, format, [validEvent()])).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(posthog.events).toHaveLength(1);
    expect(posthog.requests).toMatchObject([{ status: 200, aborted: false }]);
  });

  it('answers what is no JSON', async () => {
    posthog.fail({ invalidJson: true });
    const answer = await capture(posthog, format, [validEvent()]);
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.text).not.toBe('');
    expect(answer.json).toBeUndefined();
    expect(posthog.events).toHaveLength(1);
  });

  it('lets the body of the answer trickle', async () => {
    posthog.fail({ slowBodyMs: 80 });
    const event = validEvent();
    const request = captureRequest(format, [event]);
    const response = await fetch(posthog.url + request.path, {
      method: 'POST',
      headers: Object.entries(request.headers ?? {}).map(([name, value]): [string, string] => [name, value ?? '']),
      body: String(request.body),
    });
    const before = performance.now();
    expect(await response.json()).toEqual(success(event.uuid));
    expect(performance.now() - before).toBeGreaterThanOrEqual(50);
  });

  it('redirects', async () => {
    posthog.fail({ redirect: 'https://example.com/batch/' });
    const answer = await capture(posthog, format, [validEvent()]);
    expect(answer).toMatchObject({ status: 307, headers: { location: 'https://example.com/batch/' } });
    expect(posthog.events).toEqual([]);
  });

  it('answers 413 to too many events', async () => {
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
    const answer = await capture(posthog, format, [validEvent(), poison]);
    expect(answer.status).toBe(format === 'v0' ? 400 : 200);
    expect(posthog.events.map(({ event }) => event)).toEqual(format === 'v0' ? [] : ['order_placed']);
    if (format === 'v1') expect(answer.json).toMatchObject({ results: { [String(poison.uuid)]: { result: 'drop' } } });
    expect((await capture(posthog, format, [validEvent()])).status).toBe(200);
  });
});

describe('results per event', () => {
  const batch = ['ok', 'warning', 'limited', 'drop', 'retry', 'new', 'own'].map((event) => validEvent({ event }));
  const results: Fault = {
    results: ({ event }) =>
      event === 'own' ? undefined : { result: event, ...(event === 'drop' ? { details: 'no' } : {}) },
  };

  it('are what the fault says, and only what was taken is stored', async () => {
    posthog.fail(results);
    const answer = await capture(posthog, 'v1', batch);
    expect(answer.status).toBe(200);
    expect(answer.headers['retry-after']).toBe('1');
    const said = new Map(batch.map(({ event, uuid }) => [String(uuid), { result: event === 'own' ? 'ok' : event }]));
    said.set(String(batch[3]?.uuid), { result: 'drop', ...{ details: 'no' } });
    expect(answer.json).toEqual({ results: Object.fromEntries(said) });
    expect(posthog.events.map(({ event }) => event)).toEqual(['ok', 'warning', 'limited', 'own']);
  });

  it.each([
    { retryAfter: 9, header: '9' },
    { retryAfter: 'Wed, 01 May 2024 10:00:00 GMT', header: 'Wed, 01 May 2024 10:00:00 GMT' },
    { retryAfter: 0, header: '0' },
    { retryAfter: null, header: undefined },
  ])('carry Retry-After: $header', async ({ retryAfter, header }) => {
    posthog.fail({ ...results, retryAfter });
    expect((await capture(posthog, 'v1', batch)).headers['retry-after']).toBe(header);
  });

  it('carry no Retry-After without a retry', async () => {
    posthog.fail({ results: () => ({ result: 'ok' }), retryAfter: 5 });
    expect((await capture(posthog, 'v1', batch)).headers['retry-after']).toBeUndefined();
  });

  it('know the position of the event', async () => {
    posthog.fail({ results: (_event, index) => ({ result: index === 0 ? 'ok' : 'retry' }) });
    await capture(posthog, 'v1', batch);
    expect(posthog.events.map(({ event }) => event)).toEqual(['ok']);
  });

  it('cannot be said in v0: what is not taken is lost in silence', async () => {
    posthog.fail({ results: ({ event }) => ({ result: event }) });
    expect((await capture(posthog, 'v0', batch)).json).toEqual({ status: 'Ok' });
    expect(posthog.events.map(({ event }) => event)).toEqual(['ok', 'warning', 'limited']);
  });
});

describe('which fault meets which request', () => {
  const statusOf = async (): Promise<number> => (await capture(posthog, 'v0', [validEvent()])).status;

  it('the queue first, then the rule, then the standing fault', async () => {
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

  it('the rule sees the whole request', async () => {
    posthog.failWhen(({ headers, events, json }) =>
      headers['user-agent'] === 'test/1.0.0' && events === 1 && json !== undefined ? { status: 418 } : null,
    );
    expect(await statusOf()).toBe(418);
    posthog.failWhen(null);
    expect(await statusOf()).toBe(200);
  });

  it('clear() ends them all', async () => {
    posthog.fail({ status: 500 });
    posthog.failAlways({ status: 500 });
    posthog.failWhen(() => ({ status: 500 }));
    posthog.clear();
    expect(await statusOf()).toBe(200);
  });

  it('a request for the pages meets none', async () => {
    posthog.fail({ status: 500 });
    expect((await send(posthog, { method: 'GET', path: '/events' })).status).toBe(200);
    expect(await statusOf()).toBe(500);
  });

  it.each<[string, () => void]>([
    ['failWhen', () => posthog.failWhen(() => fail())],
    ['results', () => posthog.fail({ results: () => fail() })],
    ['poison', () => posthog.fail({ poison: () => fail() })],
    ['a header that is none', () => posthog.fail({ status: 500, headers: { 'x-test': 'a\nb' } })],
  ])('a throw in %s is answered 500 and shows among the violations', async (_what, script) => {
    script();
    expect((await capture(posthog, 'v1', [validEvent()])).status).toBe(500);
    expect(posthog.violations).toMatchObject([{ rule: 'callback_threw', requestIndex: 0 }]);
    expect(posthog.requests).toMatchObject([{ status: 500 }]);
  });
});

function fail(): never {
  throw new Error('a mistake in the test');
}
