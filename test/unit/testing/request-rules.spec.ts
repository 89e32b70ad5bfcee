import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { type CaptureFormat, FakePostHog } from '../../../lib/testing/index.js';
import { violatedRules, capture, captureRequest, type Json, send, validEvent } from './wire-client.js';

const MEBIBYTE = 1024 * 1024;
const FORMATS: CaptureFormat[] = ['v0', 'v1'];

let posthog: FakePostHog;
beforeAll(async () => {
  posthog = await FakePostHog.start();
});
beforeEach(() => posthog.clear());
afterAll(() => posthog.close());

describe.each(FORMATS)('%s: a valid request', (format) => {
  it.each(['', '/ingest', '/a/b'])('is stored with the path prefix "%s"', async (prefix) => {
    const event = validEvent();
    const request = captureRequest(format, [event], { gzip: true });
    const response = await send(posthog, { ...request, path: `${prefix}${request.path}?x=1` });
    expect(response.status).toBe(200);
    expect(response.headers['content-type']).toBe('application/json');
    expect(response.json).toEqual(
      format === 'v0' ? { status: 'Ok' } : { results: { [String(event.uuid)]: { result: 'ok' } } },
    );
    expect(posthog.violations).toEqual([]);
    expect(posthog.events).toMatchObject([{ uuid: event.uuid, format }]);
    expect(posthog.requests).toMatchObject([
      { index: 0, method: 'POST', path: `${prefix}${request.path}`, format, encoding: 'gzip', events: 1, status: 200 },
    ]);
    expect(posthog.requests[0]?.headers['user-agent']).toBe('test/1.0.0');
    expect(JSON.parse(posthog.requests[0]?.text ?? '')).toEqual(posthog.requests[0]?.json);
    expect(posthog.requests[0]?.json).toMatchObject({ batch: [event] });
  });

  it('may be a historical migration', async () => {
    expect((await capture(posthog, format, [validEvent()], { root: { historical_migration: true } })).status).toBe(200);
    expect(posthog.violations).toEqual([]);
  });
});

describe('endpoints', () => {
  it.each([
    ['GET', '/batch/', 405, 'method'],
    ['PUT', '/i/v1/analytics/events', 405, 'method'],
    ['POST', '/i/v1/analytics/events/', 404, 'path'],
    ['POST', '/capture/', 404, 'path'],
    ['POST', '/', 404, 'path'],
    ['POST', '/minibatch', 404, 'path'],
    ['POST', '//batch/', 200, 'path'],
  ])('%s %s gets %i', async (method, path, status, rule) => {
    const request = captureRequest('v0', [validEvent()]);
    const response = await send(posthog, { ...request, method, path });
    expect(response.status).toBe(status);
    expect(violatedRules(posthog)).toEqual([rule]);
    expect(posthog.requests).toMatchObject([{ method, path, status }]);
  });

  it('/batch equals /batch/', async () => {
    expect((await send(posthog, { ...captureRequest('v0', [validEvent()]), path: '/batch' })).status).toBe(200);
    expect(posthog.violations).toEqual([]);
  });
});

describe('header rules', () => {
  const CASES: [format: CaptureFormat, header: string, value: string | undefined, status: number, rule: string][] = [
    ['v0', 'user-agent', undefined, 200, 'user_agent_missing'],
    ['v0', 'user-agent', 'axios/1.7.0', 200, 'user_agent_bot'],
    ['v0', 'content-type', undefined, 200, 'content_type'],
    ['v0', 'content-type', 'text/plain', 200, 'content_type'],
    ['v0', 'content-encoding', 'br', 400, 'content_encoding'],
    ['v0', 'content-encoding', 'deflate', 400, 'content_encoding'],
    ['v0', 'content-encoding', 'zstd', 400, 'content_encoding'],
    ['v0', 'content-encoding', 'identity', 400, 'content_encoding'],
    ['v0', 'content-encoding', 'gzip', 400, 'body_unreadable'],
    ['v1', 'user-agent', undefined, 400, 'header_missing'],
    ['v1', 'user-agent', 'axios/1.7.0', 200, 'user_agent_bot'],
    ['v1', 'content-type', undefined, 400, 'header_missing'],
    ['v1', 'content-type', 'text/plain', 415, 'content_type'],
    ['v1', 'content-encoding', 'lz4', 415, 'content_encoding'],
    ['v1', 'content-encoding', 'br', 400, 'body_unreadable'],
    ['v1', 'authorization', undefined, 401, 'api_key_missing'],
    ['v1', 'authorization', 'phc_test', 401, 'api_key_missing'],
    ['v1', 'authorization', 'Basic phc_test', 401, 'api_key_missing'],
    ['v1', 'authorization', 'Bearer phx_personal', 401, 'api_key_personal'],
    ['v1', 'authorization', `Bearer ${'k'.repeat(65)}`, 401, 'api_key_malformed'],
    ['v1', 'posthog-sdk-info', undefined, 400, 'header_missing'],
    ['v1', 'posthog-sdk-info', 'test', 200, 'sdk_info_invalid'],
    ['v1', 'posthog-sdk-info', '/1.0.0', 200, 'sdk_info_invalid'],
    ['v1', 'posthog-attempt', undefined, 400, 'header_missing'],
    ['v1', 'posthog-attempt', '0', 400, 'attempt_invalid'],
    ['v1', 'posthog-attempt', 'first', 400, 'attempt_invalid'],
    ['v1', 'posthog-request-id', undefined, 400, 'header_missing'],
    ['v1', 'posthog-request-id', 'one', 400, 'request_id_invalid'],
    ['v1', 'posthog-request-timestamp', undefined, 400, 'header_missing'],
    ['v1', 'posthog-request-timestamp', 'now', 400, 'request_timestamp_invalid'],
    ['v1', 'posthog-request-timestamp', '2024-05-01T10:00:00+02:00', 200, 'request_timestamp_invalid'],
  ];
  it.each(CASES)('%s with %s: %s gets %i for %s', async (format, header, value, status, rule) => {
    const response = await capture(posthog, format, [validEvent()], { headers: { [header]: value } });
    expect(response.status).toBe(status);
    expect(posthog.events).toHaveLength(status === 200 ? 1 : 0);
    expect(violatedRules(posthog)).toEqual([rule]);
    expect(posthog.violations[0]?.requestIndex).toBe(0);
    if (status !== 200) {
      const type = format === 'v0' ? /^text\/plain/ : /^application\/json/;
      expect(response.headers['content-type']).toMatch(type);
    }
  });

  it('v1 supports br and deflate as well as gzip', async () => {
    const encoders = { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync };
    for (const [encoding, encode] of Object.entries(encoders)) {
      const { body, ...request } = captureRequest('v1', [validEvent()], { headers: { 'content-encoding': encoding } });
      expect((await send(posthog, { ...request, body: encode(body ?? '') })).status).toBe(200);
    }
    expect(posthog.violations).toEqual([]);
    expect(posthog.requests.map(({ encoding }) => encoding)).toEqual(['gzip', 'br', 'deflate']);
  });
});

describe('rules for the root of the body', () => {
  const CASES: [format: CaptureFormat, root: Json, status: number, rule: string][] = [
    ['v0', { api_key: undefined }, 401, 'api_key_missing'],
    ['v0', { api_key: '' }, 401, 'api_key_missing'],
    ['v0', { api_key: 12 }, 401, 'api_key_missing'],
    ['v0', { api_key: 'phx_personal' }, 401, 'api_key_personal'],
    ['v0', { api_key: 'phc test' }, 401, 'api_key_malformed'],
    ['v0', { sent_at: undefined }, 200, 'sent_at_invalid'],
    ['v0', { sent_at: '2024-05-01T10:00:00+02:00' }, 200, 'sent_at_invalid'],
    ['v0', { created_at: '2024-05-01T10:00:00Z' }, 200, 'root_key'],
    ['v0', { historical_migration: false }, 200, 'historical_migration_invalid'],
    ['v0', { historical_migration: 'true' }, 400, 'historical_migration_invalid'],
    ['v0', { batch: undefined }, 400, 'batch_missing'],
    ['v0', { batch: {} }, 400, 'batch_missing'],
    ['v0', { batch: [] }, 400, 'batch_empty'],
    ['v0', { batch: [null] }, 400, 'event_invalid'],
    ['v1', { api_key: 'phc_test' }, 200, 'v0_key_in_v1'],
    ['v1', { token: 'phc_test' }, 200, 'v0_key_in_v1'],
    ['v1', { sent_at: '2024-05-01T10:00:00Z' }, 200, 'v0_key_in_v1'],
    ['v1', { capture_internal: true }, 200, 'root_key'],
    ['v1', { created_at: undefined }, 400, 'created_at_invalid'],
    ['v1', { created_at: 'today' }, 400, 'created_at_invalid'],
    ['v1', { created_at: '2024-05-01T10:00:00+02:00' }, 200, 'created_at_invalid'],
    ['v1', { historical_migration: false }, 200, 'historical_migration_invalid'],
    ['v1', { historical_migration: 1 }, 400, 'historical_migration_invalid'],
    ['v1', { batch: undefined }, 400, 'batch_missing'],
    ['v1', { batch: [] }, 400, 'batch_empty'],
    ['v1', { batch: ['event'] }, 400, 'event_invalid'],
  ];
  it.each(CASES)('%s with %j gets %i for %s', async (format, root, status, rule) => {
    const response = await capture(posthog, format, [validEvent()], { root });
    expect(response.status).toBe(status);
    expect(posthog.events).toHaveLength(status === 200 ? 1 : 0);
    expect(violatedRules(posthog)).toEqual([rule]);
  });

  it('API keys are never quoted', async () => {
    await capture(posthog, 'v0', [validEvent()], { root: { api_key: 'phx_secret' } });
    await capture(posthog, 'v0', [validEvent()], { root: { api_key: 'phc_sec ret' } });
    const response = await send(posthog, { ...captureRequest('v0', []), body: '{"api_key":"phc_secret","batch":[' });
    expect(response.text).not.toContain('secret');
    expect(JSON.stringify(posthog.violations)).not.toMatch(/secret|sec ret/);
  });
});

describe.each(FORMATS)('%s: JSON rules', (format) => {
  const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));
  const withProperties = (text: string): string =>
    String(captureRequest(format, [validEvent({ properties: 'PLACE' })]).body).replace('"PLACE"', text);

  it.each<[input: string, body: string | Buffer, status: number, rule: string | null]>([
    ['an empty body', '', 400, 'json_invalid'],
    ['a truncated body', '{"batch":[', 400, 'json_invalid'],
    ['an array', '[]', 400, 'json_invalid'],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 400, 'body_unreadable'],
    ['gzip without Content-Encoding', gzipSync('{}'), 400, 'body_unreadable'],
    ['a lone surrogate', withProperties('{"a":"\\ud83d"}'), 400, 'json_lone_surrogate'],
    ['a lone surrogate in a key', withProperties('{"\\ude00":1}'), 400, 'json_lone_surrogate'],
    ['an escaped surrogate pair', withProperties('{"a":"\\ud83d\\ude00"}'), 200, null],
    ['an escaped backslash before a surrogate escape', withProperties('{"a":"\\\\ud83d"}'), 200, null],
    ['NUL', withProperties('{"a":"\\u0000"}'), 200, 'json_nul'],
    ['NUL in a key', withProperties('{"\\u0000":1}'), 200, 'json_nul'],
    ['an escaped backslash before a NUL escape', withProperties('{"a":"\\\\u0000"}'), 200, null],
    ['a duplicate property', withProperties('{"a":1,"b":{"a":1},"a":2}'), 200, 'json_duplicate_key'],
    ['a duplicate property, one of them escaped', withProperties('{"a":1,"\\u0061":2}'), 200, 'json_duplicate_key'],
    ['a duplicate event field', withProperties('{},"event":"other"'), 400, 'json_duplicate_key'],
    ['equal keys in different objects', withProperties('{"a":[{"b":1},{"b":"a"}],"b":["b","b"]}'), 200, null],
    // The root, the batch, the event and its properties are four levels.
    ['128 levels', withProperties(`{"a":${JSON.stringify(nested(124))}}`), 200, null],
    ['129 levels', withProperties(`{"a":${JSON.stringify(nested(125))}}`), 400, 'json_depth'],
  ])('%s', async (_input, body, status, rule) => {
    const response = await send(posthog, { ...captureRequest(format, []), body });
    expect(response.status).toBe(status);
    expect(violatedRules(posthog)).toEqual(rule === null ? [] : [rule]);
  });
});

describe('body limits', () => {
  it.each([
    { format: 'v0' as const, bytes: 20 * MEBIBYTE, status: 400 },
    { format: 'v0' as const, bytes: 20 * MEBIBYTE + 1, status: 413 },
    { format: 'v1' as const, bytes: 10 * MEBIBYTE, status: 400 },
    { format: 'v1' as const, bytes: 10 * MEBIBYTE + 1, status: 413 },
  ])('$format: $bytes compressed bytes get $status', async ({ format, bytes, status }) => {
    const response = await send(posthog, { ...captureRequest(format, []), body: Buffer.alloc(bytes, 0xff) });
    expect(response.status).toBe(status);
    expect(violatedRules(posthog)).toEqual([status === 413 ? 'body_too_large' : 'body_unreadable']);
  });

  it.each([
    { format: 'v0' as const, bytes: 100 * MEBIBYTE + 1 },
    { format: 'v1' as const, bytes: 50 * MEBIBYTE + 1 },
  ])('$format: $bytes decompressed bytes get 413', async ({ format, bytes }) => {
    const body = gzipSync(Buffer.alloc(bytes), { level: 1 });
    const request = captureRequest(format, [], { headers: { 'content-encoding': 'gzip' } });
    expect((await send(posthog, { ...request, body })).status).toBe(413);
    expect(violatedRules(posthog)).toEqual(['body_too_large']);
  });

  it('a body of random bytes is not JSON', async () => {
    expect((await send(posthog, { ...captureRequest('v0', []), body: randomBytes(1000) })).status).toBe(400);
  });
});

describe('a server with an API key', () => {
  it('accepts only that key', async () => {
    const strict = await FakePostHog.start({ apiKey: 'phc_right' });
    try {
      expect(strict.apiKey).toBe('phc_right');
      expect((await capture(strict, 'v0', [validEvent()])).status).toBe(401);
      expect((await capture(strict, 'v1', [validEvent()])).status).toBe(401);
      expect(violatedRules(strict)).toEqual(['api_key_unknown']);
      expect(strict.events).toEqual([]);
      const authorization = 'Bearer phc_right';
      expect((await capture(strict, 'v0', [validEvent()], { root: { api_key: 'phc_right' } })).status).toBe(200);
      expect((await capture(strict, 'v1', [validEvent()], { headers: { authorization } })).status).toBe(200);
      expect(strict.events).toHaveLength(2);
    } finally {
      await strict.close();
    }
    expect(posthog.apiKey).toBeNull();
  });
});
