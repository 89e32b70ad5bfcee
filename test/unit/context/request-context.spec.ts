import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { headerOf, pathOf, routeOf } from '../../../lib/context/call-source.js';
import { readTracingHeaders, requestPropertyReader } from '../../../lib/context/request-context.js';

const warnings: string[] = [];
const read = (headers: unknown, isPersonTrusted = true) =>
  readTracingHeaders({ headers }, isPersonTrusted, (warning) => warnings.push(warning));

describe('tracing headers', () => {
  it.each<[string, unknown, object]>([
    [
      'both',
      { 'x-posthog-distinct-id': 'ann', 'x-posthog-session-id': 's-1' },
      { distinctId: 'ann', sessionId: 's-1' },
    ],
    [
      'any case',
      { 'X-PostHog-Distinct-ID': 'ann', 'X-POSTHOG-SESSION-ID': 's-1' },
      { distinctId: 'ann', sessionId: 's-1' },
    ],
    ['the first valid one of several', { 'x-posthog-session-id': ['', ' \u0000', 's-1', 's-2'] }, { sessionId: 's-1' }],
    [
      'without control characters and blanks',
      { 'x-posthog-session-id': ' \u0007s\n-\u007f1\u0085 ' },
      { sessionId: 's-1' },
    ],
    ['at most 1000 characters', { 'x-posthog-session-id': 's'.repeat(1500) }, { sessionId: 's'.repeat(1000) }],
    ['illegal values', { 'x-posthog-distinct-id': 'null', 'x-posthog-session-id': '' }, {}],
    ['no string', { 'x-posthog-distinct-id': 7, 'x-posthog-session-id': { id: 's-1' } }, {}],
    ['no headers', undefined, {}],
  ])('%s', (_name, headers, expected) => {
    expect(read(headers)).toEqual(expected);
  });

  it.each<[string, string, string | undefined]>([
    ['200 characters', 'x'.repeat(200), 'x'.repeat(200)],
    ['201 characters', 'x'.repeat(201), 'x'.repeat(200)],
    ['1000 characters', 'x'.repeat(1000), 'x'.repeat(200)],
    ['5000 characters', 'x'.repeat(5000), 'x'.repeat(200)],
    ['101 characters of two bytes', 'é'.repeat(101), 'é'.repeat(100)],
    ['characters of four bytes', `x${'🦔'.repeat(60)}`, `x${'🦔'.repeat(49)}`],
    ['a blank where it is cut', `${'x'.repeat(199)} ${'y'.repeat(50)}`, 'x'.repeat(199)],
  ])('a distinct id of %s', (_name, given, expected) => {
    warnings.length = 0;
    expect(read({ 'x-posthog-distinct-id': given })).toEqual({ distinctId: expected });
    expect(warnings).toHaveLength(given === expected ? 0 : 1);
    expect(warnings.join()).not.toContain('xx');
  });

  it('contain only the session where the application determines the person', () => {
    const headers = { 'x-posthog-distinct-id': 'ann', 'x-posthog-session-id': 's-1' };
    expect(read(headers, false)).toEqual({ sessionId: 's-1' });
  });
});

describe('a request', () => {
  it.each<[string, object, string | undefined]>([
    ['Express', { baseUrl: '/api', route: { path: '/users/:id' } }, '/api/users/:id'],
    ['Express with several', { route: { path: ['/a', /^\/b/] } }, '/a|/^\\/b/'],
    ['Fastify', { routeOptions: { url: '/users/:id' } }, '/users/:id'],
    ['Fastify, not found', { routeOptions: {} }, undefined],
    ['Express, not found', {}, undefined],
  ])('has a route template: %s', (_name, request, expected) => {
    expect(routeOf(request)).toBe(expected);
  });

  it('has a path without the query', () => {
    expect(pathOf({ originalUrl: '/a/b?c=d', url: '/b?c=d' })).toBe('/a/b');
    expect(pathOf({ url: '/b#c' })).toBe('/b');
    expect(pathOf({})).toBeUndefined();
  });

  it('has the header value that is accepted, if any', () => {
    const request = { headers: { 'x-number': ['one', '2'] } };
    const digits = (value: string) => (/^\d+$/.test(value) ? Number(value) : undefined);
    expect(headerOf(request, 'x-number', digits)).toBe(2);
    expect(headerOf({ headers: { 'x-number': 'one' } }, 'x-number', digits)).toBeUndefined();
  });

  it('has headers in any case, unless Node has parsed them', () => {
    const message = new IncomingMessage(new Socket());
    message.headers = { 'x-number': '1' };
    const others = { 'X-Number': '2', 'X-Others': '3' };
    const numberOf = (request: object, name: string) => headerOf(request, name, Number);
    expect([numberOf(message, 'x-number'), numberOf(message, 'x-others')]).toEqual([1, undefined]);
    // Fastify's request wraps Node's, and may have headers of its own.
    const within = { raw: message, headers: message.headers };
    expect([numberOf(within, 'x-number'), numberOf(within, 'x-others')]).toEqual([1, undefined]);
    expect(numberOf({ raw: message, headers: others }, 'x-others')).toBe(3);
    expect(numberOf({ headers: others }, 'x-number')).toBe(2);
  });

  it('adds the properties of the configured sets', () => {
    const request = {
      method: 'GET',
      originalUrl: '/users/7?token=secret',
      protocol: 'https',
      ip: '203.0.113.9',
      route: { path: '/users/:id' },
      headers: { host: 'shop.example', 'user-agent': 'x'.repeat(2000) },
    };
    const route = { $request_method: 'GET', $request_route: '/users/:id', $user_agent: 'x'.repeat(1000) };
    const url = { ...route, $request_path: '/users/7', $current_url: 'https://shop.example/users/7' };
    expect(requestPropertyReader('route')?.(request, '/users/:id')).toEqual(route);
    expect(requestPropertyReader('url')?.(request, '/users/:id')).toEqual(url);
    expect(requestPropertyReader(['route', 'ip'])?.(request, '/users/:id')).toEqual({ ...route, $ip: '203.0.113.9' });
    expect(requestPropertyReader('none')).toBeUndefined();
  });
});
