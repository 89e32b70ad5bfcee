import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakePostHog } from '../../../lib/testing/index.js';
import { capture, type RawAnswer, send, validEvent } from './wire-client.js';

const HOSTILE = `<script>alert(1)</script><img src=x onerror="alert(1)">'&`;

describe('the page of events', () => {
  let posthog: FakePostHog;
  beforeEach(async () => {
    posthog = await FakePostHog.start();
  });
  afterEach(() => posthog.close());
  const get = (path: string): Promise<RawAnswer> => send(posthog, { method: 'GET', path });

  it('says how to send an event while there is none, and what it says works', async () => {
    const { status, headers, text } = await get('/');
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(text).toContain('No event has arrived yet');
    expect(text).toContain(`POSTHOG_HOST=${posthog.url}`);

    const curl = unescaped(text);
    const url = /curl (\S+)/.exec(curl)?.[1];
    const body = /-d '([^']*)'/.exec(curl)?.[1];
    expect(url).toBe(`${posthog.url}/batch/`);
    const sent = { 'content-type': 'application/json', 'user-agent': 'curl/8.0.0' };
    expect((await send(posthog, { path: '/batch/', headers: sent, body })).json).toEqual({ status: 'Ok' });
    expect(posthog.violations).toEqual([]);
    expect((await get('/')).text).toContain('<strong>hello</strong>');
  });

  it('never shows the key', async () => {
    const strict = await FakePostHog.start({ apiKey: 'phc_secret' });
    const { text } = await send(strict, { method: 'GET', path: '/' });
    await strict.close();
    expect(text).not.toContain('phc_secret');
    expect(text).toContain('the key this server was started with');
  });

  it('shows events newest first, with their properties', async () => {
    await capture(posthog, 'v0', [validEvent({ event: 'older' }), validEvent({ event: 'newer' })]);
    const event = validEvent({ event: 'newest', options: { cookieless_mode: true }, session_id: 's1' });
    await capture(posthog, 'v1', [event]);
    const { text } = await get('/');
    expect([...text.matchAll(/<strong>(\w+)<\/strong>/g)].map(([, name]) => name)).toEqual([
      'newest',
      'newer',
      'older',
    ]);
    expect(unescaped(text)).toContain('"total": 42');
    expect(unescaped(text)).toContain('options {"cookieless_mode":true} · session s1');
    expect(text).toContain('user_1');
    expect(text).toContain(String(event.timestamp));
    expect(text).toContain('3 events · 2 requests');
    expect(text).not.toContain('No event has arrived yet');
  });

  it('shows at most the newest 200', async () => {
    await capture(
      posthog,
      'v0',
      Array.from({ length: 201 }, (_, index) => validEvent({ event: `event_${index}_` })),
    );
    const { text } = await get('/');
    expect(text.match(/<details /g)).toHaveLength(200);
    expect(text).toContain('201 events, the newest 200');
    expect(text).not.toContain('event_0_');
  });

  it('escapes everything that was received', async () => {
    const hostile = { [HOSTILE]: HOSTILE };
    const event = { event: HOSTILE, distinct_id: HOSTILE, timestamp: HOSTILE, properties: hostile };
    await capture(posthog, 'v0', [validEvent(event)]);
    await capture(posthog, 'v1', [
      validEvent({ session_id: HOSTILE, properties: hostile, options: { product_tour_id: HOSTILE, [HOSTILE]: true } }),
    ]);
    expect(posthog.events).toHaveLength(2);
    const { text } = await get('/');
    expect(text).not.toContain('<script>alert');
    expect(text).not.toContain('<img');
    expect(text).not.toContain('onerror="');
    expect(text.match(/<script/g)).toHaveLength(1);
    expect(unescaped(text)).toContain(`<strong>${HOSTILE}</strong> ${HOSTILE}`);
  });

  it('lists broken rules', async () => {
    await capture(posthog, 'v0', [validEvent({ distinct_id: ' <b>x' })]);
    const { text } = await get('/');
    expect(text).toContain('1 broken rule<');
    expect(text).toContain('<code>distinct_id_untrimmed</code>');
    expect(text).not.toContain('<b>x');
  });

  it('lets no script run but its own, and loads nothing from elsewhere', async () => {
    const [first, second] = [await get('/'), await get('/')];
    const policy = String(first.headers['content-security-policy']);
    const nonce = /script-src 'nonce-([^']+)'(;|$)/.exec(policy)?.[1];
    expect(nonce).toBeDefined();
    expect(policy).toMatch(/^default-src 'none'/);
    expect(policy).not.toContain('unsafe');
    expect(first.text).toContain(`<script nonce="${nonce ?? ''}">`);
    expect(second.headers['content-security-policy']).not.toBe(policy);
    expect(first.text).not.toMatch(/(src|href)="(https?:)?\/\//);
    expect(first.text).toContain('name="viewport"');
    expect(first.text).toContain('color-scheme:light dark');
    expect(first.headers['x-content-type-options']).toBe('nosniff');
  });

  it('changes its version with what it shows, and only then', async () => {
    const version = async (): Promise<string | undefined> => /data-version="(\d+)"/.exec((await get('/')).text)?.[1];
    const before = await version();
    expect(before).toBeDefined();
    expect(await version()).toBe(before);
    await capture(posthog, 'v0', [validEvent()]);
    expect(await version()).not.toBe(before);
  });

  it('is there as JSON, newest first', async () => {
    expect((await get('/events')).json).toEqual([]);
    await capture(posthog, 'v0', [validEvent({ event: 'older' }), validEvent({ event: 'newer' })]);
    const { json, headers } = await get('/events');
    expect(headers['content-type']).toBe('application/json');
    expect(json).toEqual([...posthog.events].reverse());
    expect(json).toMatchObject([{ event: 'newer' }, { event: 'older' }]);
  });

  it('is not among the requests', async () => {
    await get('/');
    await get('/events');
    expect((await get('/favicon.ico')).status).toBe(204);
    expect((await send(posthog, { method: 'HEAD', path: '/' })).text).toBe('');
    expect(posthog.requests).toEqual([]);
    expect(posthog.violations).toEqual([]);
  });
});

function unescaped(html: string): string {
  return html
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}
