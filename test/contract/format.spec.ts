import { afterEach, describe, expect, it } from '@jest/globals';
import { LIBRARY_VERSION } from '../../lib/shared/version.js';
import { ingestionHost } from '../../lib/wire/ingestion-host.js';
import { retryAfterMs } from '../../lib/wire/status-table.js';
import { boot, captureMany, closeAll, KEY, start } from '../support/harness.js';

afterEach(closeAll);

const UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const OURS = { $lib: 'nestjs-posthog-capture', $lib_version: LIBRARY_VERSION, $is_server: true, $geoip_disable: true };

it('v0: key and send time in the body, complete events', async () => {
  const { capture, posthog } = await start({ superProperties: {} });
  capture.capture({
    event: 'page_view',
    distinctId: ' user_123 ',
    properties: { page: '/' },
    groups: { company: 7 },
    timestamp: '2026-01-31T12:00:00+02:00',
    uuid: '0190B5C7-6A2E-7CC3-9F5E-4D2A1B3C5D6E',
    options: { processPersonProfile: true, productTourId: 'tour', cookielessMode: false, disableSkewCorrection: true },
  });
  await capture.flush();
  const [request] = posthog.requests;
  expect(request).toMatchObject({ method: 'POST', path: '/batch/', encoding: 'gzip', status: 200 });
  expect(request?.headers).toMatchObject({
    'content-type': 'application/json',
    'user-agent': `nestjs-posthog-capture/${LIBRARY_VERSION}`,
  });
  expect(request?.json).toEqual({
    api_key: KEY,
    sent_at: expect.stringMatching(UTC),
    batch: [
      {
        event: 'page_view',
        distinct_id: 'user_123',
        uuid: '0190b5c7-6a2e-7cc3-9f5e-4d2a1b3c5d6e',
        timestamp: '2026-01-31T10:00:00.000Z',
        properties: {
          page: '/',
          $groups: { company: '7' },
          $process_person_profile: true,
          $product_tour_id: 'tour',
          $cookieless_mode: false,
          $ignore_sent_at: true,
          ...OURS,
        },
      },
    ],
  });
  expect(posthog.violations).toEqual([]);
});

it('v1: a bearer token, a request id, and options next to the properties', async () => {
  const { capture, posthog } = await start({ captureMode: 'v1', superProperties: {} });
  capture.capture({
    event: 'page_view',
    distinctId: 'user_123',
    properties: { page: '/', distinct_id: 'stray' },
    options: { processPersonProfile: false, productTourId: 'tour', cookielessMode: true, disableSkewCorrection: true },
  });
  await capture.flush();
  const [request] = posthog.requests;
  expect(request).toMatchObject({ method: 'POST', path: '/i/v1/analytics/events', encoding: 'gzip', status: 200 });
  expect(request?.headers).toMatchObject({
    authorization: `Bearer ${KEY}`,
    'posthog-sdk-info': `nestjs-posthog-capture/${LIBRARY_VERSION}`,
    'posthog-attempt': '1',
    'posthog-request-timestamp': expect.stringMatching(UTC),
  });
  expect(request?.json).toEqual({
    created_at: expect.stringMatching(UTC),
    batch: [
      {
        event: 'page_view',
        uuid: expect.any(String),
        distinct_id: 'user_123',
        timestamp: expect.stringMatching(UTC),
        properties: { page: '/', $is_server: true, $geoip_disable: true },
        options: {
          process_person_profile: false,
          product_tour_id: 'tour',
          cookieless_mode: true,
          disable_skew_correction: true,
        },
      },
    ],
  });
  expect(posthog.violations).toEqual([]);
});

describe.each(['v0', 'v1'] as const)('%s', (captureMode) => {
  it.each(['gzip', 'none'] as const)('compression %s', async (compression) => {
    const { capture, posthog } = await start({ captureMode, compression });
    captureMany(capture, 3);
    await capture.flush();
    expect(posthog.requests[0]?.headers['content-encoding']).toBe(compression === 'gzip' ? 'gzip' : undefined);
    expect(posthog.events).toHaveLength(3);
  });

  it.each([true, false])('historicalMigration %s', async (historicalMigration) => {
    const { capture, posthog } = await start({ captureMode, historicalMigration });
    captureMany(capture, 1);
    await capture.flush();
    const body = posthog.requests[0]?.json as Record<string, unknown>;
    expect(body.historical_migration).toBe(historicalMigration ? true : undefined);
    expect(posthog.violations).toEqual([]);
  });

  it.each([
    [true, undefined, true],
    [true, false, undefined],
    [false, undefined, undefined],
    [false, true, true],
  ])('module disableGeoip %s, event %s: $geoip_disable %s', async (disableGeoip, ofEvent, expected) => {
    const { capture, posthog } = await start({ captureMode, disableGeoip });
    capture.capture({ event: 'page_view', distinctId: 'user_123', disableGeoip: ofEvent });
    await capture.flush();
    expect(posthog.events[0]?.properties.$geoip_disable).toBe(expected);
  });

  it('special events have the format of PostHog', async () => {
    const { capture, posthog } = await start({ captureMode, superProperties: { $process_person_profile: false } });
    capture.identify({ distinctId: 'u1', set: { plan: 'pro' }, setOnce: { first: 1 }, anonDistinctId: 'anon' });
    const deprecated = { distinctId: 'u2', properties: { plan: 'free' } };
    capture.identify(deprecated);
    capture.alias({ distinctId: 'u1', alias: 'u1-old' });
    capture.groupIdentify({ groupType: 'company', groupKey: 7, set: { size: 3 } });
    capture.setPersonProperties({ distinctId: 'u1', set: { a: 1 } });
    capture.unsetPersonProperties({ distinctId: 'u1', unset: ['a'] });
    capture.captureException(new Error('outer', { cause: new TypeError('inner') }), {
      distinctId: 'u1',
      properties: { where: 'here', $exception_type: 'mine' },
    });
    expect(await capture.flush()).toMatchObject({ delivered: 7 });
    const byName = (name: string): unknown[] => posthog.events.filter(({ event }) => event === name);
    expect(byName('$identify')).toMatchObject([
      { distinct_id: 'u1', properties: { $set: { plan: 'pro' }, $set_once: { first: 1 }, $anon_distinct_id: 'anon' } },
      { distinct_id: 'u2', properties: { $set: { plan: 'free' } } },
    ]);
    const alias = { distinct_id: 'u1', properties: { distinct_id: 'u1', alias: 'u1-old' } };
    expect(byName('$create_alias')).toMatchObject([alias]);
    const group = { $group_type: 'company', $group_key: '7', $group_set: { size: 3 } };
    expect(byName('$groupidentify')).toMatchObject([{ distinct_id: '$company_7', properties: group }]);
    expect(byName('$set')).toMatchObject([{ properties: { $set: { a: 1 } } }, { properties: { $unset: ['a'] } }]);
    const exception = {
      where: 'here',
      $exception_type: 'Error',
      $exception_message: 'outer',
      $exception_level: 'error',
      $exception_list: [
        { type: 'Error', value: 'outer', mechanism: { handled: true } },
        { type: 'TypeError', value: 'inner' },
      ],
    };
    expect(byName('$exception')).toMatchObject([{ properties: exception }]);
    expect(posthog.violations).toEqual([]);
  });

  it('keeps the path prefix of a reverse proxy', async () => {
    const { posthog } = await start();
    const { capture } = await boot({ captureMode, host: `${posthog.url}/ingest/` });
    captureMany(capture, 1);
    await capture.flush();
    const path = captureMode === 'v0' ? '/ingest/batch/' : '/ingest/i/v1/analytics/events';
    expect(posthog.requests.map((request) => request.path)).toEqual([path]);
  });
});

it.each([
  ['https://app.posthog.com', 'https://us.i.posthog.com'],
  ['https://us.posthog.com/', 'https://us.i.posthog.com'],
  ['https://eu.posthog.com', 'https://eu.i.posthog.com'],
  ['https://eu.i.posthog.com', 'https://eu.i.posthog.com'],
  ['https://example.com/ingest/', 'https://example.com/ingest'],
  ['http://localhost:8010', 'http://localhost:8010'],
])('host %s is %s', (host, expected) => {
  expect(ingestionHost(host)).toBe(expected);
});

it.each([
  ['120', 120_000],
  ['0', 0],
  ['1.5', 1500],
  // A repeated header that a proxy joined: the longest delay satisfies both.
  ['60, 120', 120_000],
  ['120,60', 120_000],
  ['60, soon', 60_000],
  ['5, Thu, 01 Jan 2026 00:00:10 GMT', 10_000],
  ['Thu, 01 Jan 2026 00:00:10 GMT, 5', 10_000],
  ['Thu, 01 Jan 2026 00:00:10 GMT', 10_000],
  ['Thu, 01 Jan 2020 00:00:00 GMT', 0],
  ['-5', undefined],
  ['soon', undefined],
  ['', undefined],
  [undefined, undefined],
])('Retry-After %s is %s ms', (header, expected) => {
  expect(retryAfterMs({ 'retry-after': header }, Date.parse('2026-01-01T00:00:00Z'))).toBe(expected);
});

it.each([
  ['Thu, 01 Jan 2026 00:00:05 GMT', 5000],
  ['Thu, 01 Jan 2026 00:00:20 GMT', 0],
  ['2026', 10_000],
  [undefined, 10_000],
])('a date in Retry-After is relative to the Date header of the response (%s)', (date, expected) => {
  const headers = { 'retry-after': 'Thu, 01 Jan 2026 00:00:10 GMT', date };
  expect(retryAfterMs(headers, Date.parse('2026-01-01T00:00:00Z'))).toBe(expected);
});

it('v1: values that the server reads from headers are not in the properties', async () => {
  const { capture, posthog } = await start({ captureMode: 'v1' });
  capture.capture({ event: 'e', distinctId: 'u', properties: { $lib_custom: 1, $library: 2, $libs: 3 } });
  await capture.flush();
  expect(posthog.violations).toEqual([]);
  expect(posthog.events[0]?.properties).toMatchObject({ $library: 2, $libs: 3 });
  expect(posthog.events[0]?.properties).not.toHaveProperty('$lib_custom');
});

it.each<[string, string, string]>([
  ['a reason', 'event_name_too_long', 'event_name_too_long'],
  ['the key', `token ${KEY} may not`, 'token *** may not'],
  ['a value', 'mail ada@example.com is none', 'the details are not shown because they quote the event'],
  ['the key at the cut', `${'x'.repeat(160)}${KEY}`, `${'x'.repeat(160)}***`],
])('v1: the reason of a refused event is reported without secrets: %s', async (_, details, told) => {
  const { capture, posthog, drops, lines } = await start({ captureMode: 'v1' });
  posthog.fail({ results: () => ({ result: 'drop', details }) });
  capture.capture({ event: 'e', distinctId: 'u', properties: { mail: 'ada@example.com' } });
  await capture.flush();
  expect(drops).toMatchObject([{ reason: 'rejected', detail: `PostHog API error: event refused: ${told}` }]);
  expect(JSON.stringify([lines, drops])).not.toMatch(/ada@|phc_/);
});
