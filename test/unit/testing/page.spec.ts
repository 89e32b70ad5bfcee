import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakePostHog } from '../../../lib/testing/index.js';
import { type LiveEvent } from '../../../lib/live/messages.js';
import { openStream, snapshotOf } from '../../support/live-stream.js';
import { capture, flagsRequest, type RawResponse, send, validEvent } from './wire-client.js';

describe('the live page of FakePostHog', () => {
  let posthog: FakePostHog;
  beforeEach(async () => {
    posthog = await FakePostHog.start();
  });
  afterEach(() => posthog.close());
  const get = (path: string, headers?: Record<string, string>): Promise<RawResponse> =>
    send(posthog, { method: 'GET', path, ...(headers && { headers }) });
  const shown = async (): Promise<readonly LiveEvent[]> => (await snapshotOf(`${posthog.url}/stream`)).events;

  it('explains how to send an event while it is empty, with a working example', async () => {
    const { layout, state } = await snapshotOf(`${posthog.url}/stream`);
    expect(state.text).toBe('Listening; no event has arrived yet');
    expect(layout.hint.title).toBe('No event has arrived yet');
    const codes = layout.hint.parts.flatMap(({ code }) => code ?? []).join('\n');
    expect(codes).toContain(`POSTHOG_HOST=${posthog.url}\nPOSTHOG_API_KEY=phc_local`);

    const url = /curl (\S+)/.exec(codes)?.[1];
    const body = /-d '([^']*)'/.exec(codes)?.[1];
    expect(url).toBe(`${posthog.url}/batch/`);
    const sent = { 'content-type': 'application/json', 'user-agent': 'curl/8.0.0' };
    expect((await send(posthog, { path: '/batch/', headers: sent, body })).json).toEqual({ status: 'Ok' });
    expect(posthog.violations).toEqual([]);
    expect(await shown()).toMatchObject([{ name: 'hello', who: 'me', fate: 'stored' }]);
  });

  it('never shows the API key', async () => {
    const strict = await FakePostHog.start({ apiKey: 'phc_secret' });
    const event = validEvent({ properties: { mistake: 'phc_secret' } });
    await capture(strict, 'v0', [event], { root: { api_key: 'phc_secret' } });
    await capture(strict, 'v0', [validEvent()], { root: { api_key: 'phc_other' } });
    const snapshot = await snapshotOf(`${strict.url}/stream`);
    const { text } = await send(strict, { method: 'GET', path: '/' });
    await strict.close();
    expect(snapshot.events).toMatchObject([{ fate: 'stored' }, { fate: 'refused' }]);
    expect(JSON.stringify(snapshot)).toContain('the key that this server was started with');
    expect(text + JSON.stringify(snapshot)).not.toContain('phc_secret');
  });

  it('shows stored events as PostHog stores them', async () => {
    await capture(posthog, 'v0', [validEvent({ event: 'older' }), validEvent({ event: 'newer' })]);
    const event = validEvent({ event: 'newest', options: { cookieless_mode: true }, session_id: 's1' });
    await capture(posthog, 'v1', [event]);
    const events = await shown();
    expect(events.map(({ name, who, fate }) => [name, who, fate])).toEqual([
      ['older', 'user_1', 'stored'],
      ['newer', 'user_1', 'stored'],
      ['newest', 'user_1', 'stored'],
    ]);
    const { endpoint, format, requestIndex, receivedAt, ...fields } = posthog.events[2] ?? {};
    expect([endpoint, format, requestIndex, receivedAt]).toEqual(['analytics', 'v1', 1, events[2]?.at]);
    expect(JSON.parse(events[2]?.text ?? '')).toEqual(fields);
    expect((await snapshotOf(`${posthog.url}/stream`)).state).toMatchObject({ text: 'Listening; 3 events stored' });
  });

  it('shows refused events with the violated rule', async () => {
    await capture(posthog, 'v0', [validEvent({ event: 'blank', distinct_id: ' ' }), validEvent({ event: 'valid' })]);
    const events = await shown();
    expect(events).toMatchObject([
      { name: 'blank', fate: 'refused' },
      { name: 'valid', fate: 'refused' },
    ]);
    expect(events[0]?.note).toMatch(/^HTTP 400; distinct_id_blank: /);
    expect(posthog.events).toEqual([]);
  });

  it('shows stored events that violate a rule', async () => {
    await capture(posthog, 'v0', [validEvent({ distinct_id: ' padded' })]);
    const [event] = await shown();
    expect(event?.fate).toBe('altered');
    expect(event?.note).toMatch(/^distinct_id_untrimmed: /);
  });

  it('shows a request without events', async () => {
    await send(posthog, { path: '/nowhere', body: '{}' });
    const [event] = await shown();
    expect(event).toMatchObject({ name: 'POST /nowhere', fate: 'refused', text: '' });
    expect(event?.note).toMatch(/^HTTP 404; path: /);
  });

  it('shows a request for flags only if it violated a rule or failed', async () => {
    await send(posthog, flagsRequest());
    await send(posthog, flagsRequest({ evaluation_runtime: undefined }));
    posthog.flags.fail({ status: 503 });
    await send(posthog, flagsRequest());
    const definitions = { method: 'GET', path: '/flags/definitions?token=phc_test&send_cohorts' };
    const headers = { 'user-agent': 'test/1.0.0', authorization: 'Bearer phs_test' };
    const { etag } = (await send(posthog, { ...definitions, headers })).headers;
    await send(posthog, { ...definitions, headers: { ...headers, 'if-none-match': String(etag) } });
    expect(posthog.requests.map(({ status }) => status)).toEqual([200, 200, 503, 200, 304]);
    expect(await shown()).toMatchObject([
      { name: 'POST /flags/', fate: 'altered', note: expect.stringMatching(/^HTTP 200; evaluation_runtime: /) },
      { name: 'POST /flags/', fate: 'refused', note: 'HTTP 503' },
    ]);
  });

  it('shows an event that is sent again once, with the number of times', async () => {
    const event = validEvent();
    posthog.fail({ status: 503 });
    await capture(posthog, 'v0', [event]);
    expect(await shown()).toMatchObject([{ fate: 'refused', attempts: 1, note: 'HTTP 503' }]);
    await capture(posthog, 'v0', [event]);
    expect(await shown()).toMatchObject([{ fate: 'stored', attempts: 2, note: '' }]);
    await capture(posthog, 'v1', [event]);
    expect(await shown()).toMatchObject([{ fate: 'stored', attempts: 3, note: 'stored before' }]);
  });

  it('lists different events with the same uuid separately', async () => {
    const event = validEvent();
    await capture(posthog, 'v0', [event, { ...event, event: 'other' }, { ...event, distinct_id: 'user_2' }]);
    const ids = (await shown()).map(({ id }) => id);
    expect(new Set(ids).size).toBe(3);
  });

  it('streams new events to viewers, also after clear()', async () => {
    const stream = await openStream(`${posthog.url}/stream`);
    await stream.until(({ kind }) => kind === 'snapshot');
    await capture(posthog, 'v0', [validEvent({ event: 'before' })]);
    await stream.until(({ data }) => data.added?.some(({ name }) => name === 'before'));
    posthog.clear();
    await capture(posthog, 'v0', [validEvent({ event: 'after' })]);
    await stream.until(({ data }) => data.added?.some(({ name }) => name === 'after'));
    stream.close();
  });

  it('shows the newest 500 events', async () => {
    const events = Array.from({ length: 501 }, (_, index) => validEvent({ event: `event_${index}_` }));
    await capture(posthog, 'v0', events);
    const shownEvents = await shown();
    expect(shownEvents).toHaveLength(500);
    expect(shownEvents[0]?.name).toBe('event_1_');
  });

  it('serves the full JSON of a long event', async () => {
    await capture(posthog, 'v0', [validEvent({ properties: { long: 'x'.repeat(50_000) } })]);
    const stream = await openStream(`${posthog.url}/stream`);
    const { data } = await stream.until(({ kind }) => kind === 'snapshot');
    const [event] = data.events ?? [];
    expect(event?.isCut).toBe(true);
    const { json } = await get(`/event?id=${encodeURIComponent(event?.id ?? '')}`);
    expect(JSON.parse((json as { text: string }).text)).toMatchObject({ properties: { long: 'x'.repeat(50_000) } });
    expect((await get('/event?id=unknown')).status).toBe(404);
    stream.close();
  });

  it('runs only its own script, loads nothing from other origins, and is served to local clients only', async () => {
    const { headers, text } = await get('/');
    const policy = String(headers['content-security-policy']);
    expect(policy).toMatch(/^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+';/);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(text.match(/<script/g)).toHaveLength(1);
    expect(text).not.toMatch(/(src|href)="(https?:)?\/\//);
    expect(text).not.toContain('innerHTML');
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
      'cache-control': 'no-store, no-transform',
    });
    expect((await get('/stream', { origin: 'https://attacker.example' })).status).toBe(403);
    expect((await get('/event?id=x', { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    const inFrame = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' };
    for (const path of ['/', '/stream', '/event?id=x', '/events']) expect((await get(path, inFrame)).status).toBe(403);
    const typed = { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
    for (const path of ['/', '/events']) expect((await get(path, typed)).status).toBe(200);
    // DNS rebinding: a name of the attacker that resolves to 127.0.0.1.
    for (const path of ['/', '/stream', '/event?id=x', '/events']) {
      expect((await get(path, { host: 'rebound.example' })).status).toBe(403);
    }
  });

  it('is available as JSON, newest first', async () => {
    expect((await get('/events')).json).toEqual([]);
    await capture(posthog, 'v0', [validEvent({ event: 'older' }), validEvent({ event: 'newer' })]);
    const { json, headers } = await get('/events');
    expect(headers['content-type']).toBe('application/json');
    expect(json).toEqual([...posthog.events].reverse());
    expect(json).toMatchObject([{ event: 'newer' }, { event: 'older' }]);
  });

  it('is not listed in requests', async () => {
    await get('/');
    await get('/events');
    await shown();
    expect((await get('/favicon.ico')).status).toBe(204);
    expect((await send(posthog, { method: 'HEAD', path: '/' })).text).toBe('');
    expect(posthog.requests).toEqual([]);
    expect(posthog.violations).toEqual([]);
  });
});
