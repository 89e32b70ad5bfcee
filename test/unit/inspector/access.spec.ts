import { type IncomingMessage } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import { isDirectToLoopback, cookieFor, hasToken, isFromLoopback } from '../../../lib/inspector/access.js';
import { isForeign, type Resource } from '../../../lib/live/request-origin.js';

const TOKEN = 'a-token-of-some-length';

const request = (headers: Record<string, string>, remoteAddress = '127.0.0.1', url = '/_posthog'): IncomingMessage =>
  ({ headers, url, socket: { remoteAddress } }) as unknown as IncomingMessage;

describe('access to the inspector', () => {
  it.each([
    ['127.0.0.1', true],
    ['127.8.9.10', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['10.0.0.1', false],
    ['172.17.0.1', false],
    ['::ffff:10.0.0.1', false],
    ['fe80::1', false],
    ['127.evil.example', false],
    ['', false],
  ])('from the address %j is local: %s', (address, expected) => {
    // Forwarding headers have no effect.
    for (const client of ['127.0.0.1', '10.0.0.1'])
      expect(isFromLoopback(request({ 'x-forwarded-for': client }, address))).toBe(expected);
  });

  it.each([
    [{ host: 'localhost:3000' }, true],
    [{ host: 'LOCALHOST' }, true],
    [{ host: 'shop.localhost:3000' }, true],
    [{ host: '127.0.0.1:3000' }, true],
    [{ host: '[::1]:3000' }, true],
    [{ host: 'attacker.example:3000' }, false],
    [{ host: 'localhost.attacker.example' }, false],
    [{ host: '127.0.0.1.attacker.example' }, false],
    [{ host: 'notlocalhost' }, false],
    [{}, false],
    [{ host: 'localhost', 'x-forwarded-for': '127.0.0.1' }, false],
    [{ host: 'localhost', forwarded: 'for=127.0.0.1' }, false],
    ...['z-forwarded-for', 'x-real-port', 'x-ms-forwarded-client-ip', 'x-goog-iap-jwt-assertion', 'oci-real-ip'].map(
      (name): [Record<string, string>, boolean] => [{ host: 'localhost', [name]: '1' }, false],
    ),
  ])('with headers %j is direct and for localhost: %s', (headers, expected) =>
    expect(isDirectToLoopback(request(headers))).toBe(expected),
  );

  it.each([
    'Fastly-Client-IP',
    'X-Cluster-Client-IP',
    'X-Original-Forwarded-For',
    'X-Azure-ClientIP',
    'X-Azure-SocketIP',
    'Fly-Client-IP',
    'X-Envoy-External-Address',
    'X-Original-URL',
    'CDN-Loop',
    'X-Scheme',
    'Tailscale-User-Login',
    'X-Amzn-Trace-Id',
    'CF-Ray',
    'X-Vercel-Id',
  ])('through a proxy that adds %s is not direct', (header) =>
    expect(isDirectToLoopback(request({ host: 'localhost', [header.toLowerCase()]: 'x' }))).toBe(false),
  );

  const fetched = (site: string, mode: string, dest: string): Record<string, string> => ({
    'sec-fetch-site': site,
    'sec-fetch-mode': mode,
    'sec-fetch-dest': dest,
  });
  const old = { 'user-agent': 'Mozilla/5.0 (Macintosh) Version/15.0 Safari/605.1.15' };

  it.each<[string, Record<string, string>, Resource[]]>([
    ["the page's own stream", fetched('same-origin', 'cors', 'empty'), ['page', 'data']],
    ['a typed address', fetched('none', 'navigate', 'document'), ['page']],
    ['a link on another site', fetched('cross-site', 'navigate', 'document'), ['page']],
    ['a link on the own site', fetched('same-origin', 'navigate', 'document'), ['page']],
    ['a frame on another site', fetched('cross-site', 'navigate', 'iframe'), []],
    ['a frame on the own site', fetched('same-origin', 'navigate', 'iframe'), []],
    ['an object on another port', fetched('same-site', 'navigate', 'object'), []],
    ["another site's script", fetched('cross-site', 'no-cors', 'script'), []],
    ["another site's image", fetched('cross-site', 'no-cors', 'image'), []],
    ['another port of this machine', fetched('same-site', 'cors', 'empty'), []],
    ['a browser extension', fetched('none', 'cors', 'empty'), []],
    ['a client other than a browser', {}, ['page', 'data']],
    ['fetch of Node.js', { 'sec-fetch-mode': 'cors', 'user-agent': 'node' }, ['page', 'data']],
    ['an old browser', old, ['page']],
    ['an old browser on its own page', { ...old, referer: 'http://localhost:3000/_posthog' }, ['page', 'data']],
    ['a frame in an old browser', { ...old, referer: 'https://attacker.example/' }, ['page']],
    ['an old browser on another site', { ...old, origin: 'https://attacker.example' }, []],
    ['a sandboxed frame', { origin: 'null' }, []],
    ['an own form', { origin: 'http://localhost:3000' }, ['page', 'data']],
  ])('from %s is checked for its site', (_, headers, expected) => {
    const given = request({ host: 'localhost:3000', ...headers });
    const resources = ['page', 'data'] as const;
    expect(resources.filter((resource) => !isForeign(given, resource))).toEqual(expected);
  });

  it('accepts the token as a bearer token, in the query and through its cookie', () => {
    const [cookie = ''] = cookieFor(TOKEN, request({})).split(';');
    expect(hasToken(TOKEN, request({ authorization: `Bearer ${TOKEN}` }))).toBe(true);
    expect(hasToken(TOKEN, request({ authorization: `bearer ${TOKEN}` }))).toBe(true);
    expect(hasToken(TOKEN, request({}, '127.0.0.1', `/_posthog?token=${TOKEN}`))).toBe(true);
    expect(hasToken(TOKEN, request({ cookie: `a=b; ${cookie}; c=d` }))).toBe(true);
  });

  it.each<[string, Record<string, string>, string]>([
    ['no token', {}, '/_posthog'],
    ['a wrong token', { authorization: 'Bearer a-token-of-some-lengtH' }, '/_posthog'],
    ['a prefix of the token', { authorization: 'Bearer a-token' }, '/_posthog?token=a-token'],
    ['an empty token', { authorization: 'Bearer ', cookie: 'posthog_inspector=' }, '/_posthog?token='],
    ['the token as cookie', { cookie: `posthog_inspector=${TOKEN}` }, '/_posthog'],
    ['the cookie as token', { authorization: `Bearer ${cookieFor(TOKEN, request({})).slice(18, 61)}` }, '/_posthog'],
    [
      'the cookie of another token',
      { cookie: cookieFor('another-token-of-length', request({})).split(';')[0] ?? '' },
      '/_posthog',
    ],
  ])('is refused with %s', (_, headers, url) =>
    expect(hasToken(TOKEN, request(headers, '127.0.0.1', url))).toBe(false),
  );

  it('has a cookie that is limited to the page, invisible to scripts and does not contain the token', () => {
    const cookie = cookieFor(TOKEN, request({}, '127.0.0.1', '/api/_posthog/?token=x'));
    expect(cookie).toMatch(/^posthog_inspector=[\w-]{43}; Path=\/api\/_posthog; HttpOnly; SameSite=Strict$/);
    expect(cookie).not.toContain(TOKEN);
    const secure = { headers: {}, url: '/_posthog', socket: { encrypted: true } } as unknown as IncomingMessage;
    expect(cookieFor(TOKEN, secure)).toMatch(/; Secure$/);
  });
});
