import { describe, expect, it } from '@jest/globals';
import { rejectsOf, runImport as run, useImports } from '../support/imports.js';

const imports = useImports();
const { file } = imports;
const STAMPS = { $lib: 0, $lib_version: 0, $is_server: 0, $geoip_disable: 0 };

const sent = (): object[] =>
  imports.posthog.events.map(({ event, distinct_id, timestamp, properties }) => ({
    event,
    distinct_id,
    timestamp,
    properties: Object.fromEntries(Object.entries(properties).filter(([name]) => !(name in STAMPS))),
  }));

describe.each([
  {
    product: 'mixpanel',
    lines: [
      {
        event: 'Signed Up',
        properties: {
          time: 1767323045,
          distinct_id: 'user_1',
          $insert_id: 'abc',
          $os: 'Mac OS X',
          $browser: 'Chrome',
          $city: 'Berlin',
          mp_country_code: 'DE',
          mp_lib: 'web',
          plan: 'pro',
        },
      },
      {
        event: '$mp_web_page_view',
        properties: {
          time: 1767323045123,
          distinct_id: 'user_1',
          $user_id: 'user_1',
          $device_id: 'd1',
          $insert_id: 'b',
        },
      },
      {
        event: '$identify',
        properties: { time: 1767323046, $identified_id: 'user_2', $anon_id: 'anon_2', $insert_id: 'c' },
      },
      {
        event: '$create_alias',
        properties: { time: 1767323046, distinct_id: 'user_3', alias: 'old_3', $insert_id: 'd' },
      },
      { event: 'No id', properties: { time: 1767323046 } },
    ],
    rejected: [{ line: 5, reason: 'properties.distinct_id is missing' }],
    events: [
      {
        event: 'Signed Up',
        distinct_id: 'user_1',
        timestamp: '2026-01-02T03:04:05.000Z',
        properties: {
          $os: 'Mac OS X',
          $browser: 'Chrome',
          $geoip_city_name: 'Berlin',
          $geoip_country_code: 'DE',
          $insert_id: 'abc',
          plan: 'pro',
        },
      },
      {
        event: '$identify',
        distinct_id: 'user_1',
        timestamp: '2026-01-02T03:04:05.123Z',
        properties: { $anon_distinct_id: '$device:d1' },
      },
      {
        event: '$pageview',
        distinct_id: 'user_1',
        timestamp: '2026-01-02T03:04:05.123Z',
        properties: { $user_id: 'user_1', $device_id: 'd1', $insert_id: 'b' },
      },
      {
        event: '$identify',
        distinct_id: 'user_2',
        timestamp: '2026-01-02T03:04:06.000Z',
        properties: { $anon_distinct_id: 'anon_2' },
      },
      {
        event: '$create_alias',
        distinct_id: 'user_3',
        timestamp: '2026-01-02T03:04:06.000Z',
        properties: { alias: 'old_3', distinct_id: 'user_3' },
      },
    ],
  },
  {
    product: 'amplitude',
    lines: [
      {
        event_type: 'Bought',
        user_id: 'user_1',
        device_id: 'd1',
        event_time: '2026-01-02 03:04:05.123456',
        uuid: '0199b3c8-1c2a-4b1e-9c3a-000000000001',
        $insert_id: 'i1',
        ip_address: '203.0.113.9',
        os_name: 'ios',
        os_version: '18.1',
        platform: 'iOS',
        session_id: -1,
        event_properties: { price: 5 },
        user_properties: { plan: 'pro' },
        groups: { company: ['acme', 'other'] },
      },
      {
        event_type: '[Amplitude] Page Viewed',
        user_id: null,
        device_id: 'd2',
        event_time: '2026-01-02 03:04:05',
        $insert_id: 'i2',
        platform: 'Web',
        os_name: 'Chrome',
        os_version: '140',
        event_properties: { '[Amplitude] Page URL': 'https://shop.example/' },
      },
      {
        event_type: '$identify',
        user_id: 'user_1',
        device_id: 'd1',
        event_time: '2026-01-02 03:04:06',
        user_properties: { vip: true },
      },
      { event_type: 'No time', user_id: 'user_1' },
    ],
    rejected: [{ line: 4, reason: 'event_time is missing, or is not a time of Amplitude' }],
    events: [
      {
        event: '$identify',
        distinct_id: 'user_1',
        timestamp: '2026-01-02T03:04:05.123Z',
        properties: { $anon_distinct_id: 'd1' },
      },
      {
        event: 'Bought',
        distinct_id: 'user_1',
        timestamp: '2026-01-02T03:04:05.123Z',
        properties: {
          $ip: '203.0.113.9',
          $os: 'ios',
          $os_version: '18.1',
          $device_id: 'd1',
          amplitude_session_id: -1,
          price: 5,
          $set: { plan: 'pro' },
          $groups: { company: 'acme' },
        },
      },
      {
        event: '$pageview',
        distinct_id: 'd2',
        timestamp: '2026-01-02T03:04:05.000Z',
        properties: {
          $browser: 'Chrome',
          $browser_version: '140',
          $device_id: 'd2',
          $current_url: 'https://shop.example/',
          '[Amplitude] Page URL': 'https://shop.example/',
        },
      },
      {
        event: '$set',
        distinct_id: 'user_1',
        timestamp: '2026-01-02T03:04:06.000Z',
        properties: { $device_id: 'd1', $set: { vip: true } },
      },
    ],
  },
  {
    product: 'segment',
    lines: [
      {
        type: 'track',
        event: 'Bought',
        userId: 'user_1',
        anonymousId: 'anon_1',
        messageId: 'm1',
        timestamp: '2026-01-02T03:04:05.123Z',
        properties: { price: 5 },
        context: {
          ip: '203.0.113.9',
          os: { name: 'iOS', version: '18' },
          page: { url: 'https://shop.example/' },
          groupId: 'acme',
        },
      },
      {
        type: 'identify',
        userId: 'user_2',
        anonymousId: 'anon_2',
        messageId: 'm2',
        timestamp: '2026-01-02T03:04:05.123Z',
        traits: { plan: 'pro' },
      },
      {
        type: 'page',
        name: 'Home',
        anonymousId: 'anon_3',
        messageId: 'm3',
        timestamp: '2026-01-02T03:04:05.123Z',
        properties: { url: 'https://shop.example/', path: '/' },
      },
      { type: 'screen', name: 'Cart', anonymousId: 'anon_3', messageId: 'm4', timestamp: '2026-01-02T03:04:05.123Z' },
      {
        type: 'group',
        userId: 'user_1',
        groupId: 'acme',
        messageId: 'm5',
        timestamp: '2026-01-02T03:04:05.123Z',
        traits: { size: 3 },
      },
      { type: 'alias', userId: 'user_1', previousId: 'old_1', messageId: 'm6', timestamp: '2026-01-02T03:04:05.123Z' },
      { type: 'delete', userId: 'user_1' },
    ],
    rejected: [{ line: 7, reason: 'type is not track, page, screen, identify, group or alias of Segment' }],
    events: [
      ['$identify', 'user_1', { $anon_distinct_id: 'anon_1' }],
      [
        'Bought',
        'user_1',
        {
          $ip: '203.0.113.9',
          $os: 'iOS',
          $os_version: '18',
          $current_url: 'https://shop.example/',
          price: 5,
          $groups: { segment_group: 'acme' },
        },
      ],
      ['$identify', 'user_2', { $set: { plan: 'pro' }, $anon_distinct_id: 'anon_2' }],
      [
        '$pageview',
        'anon_3',
        {
          $current_url: 'https://shop.example/',
          $pathname: '/',
          url: 'https://shop.example/',
          path: '/',
          name: 'Home',
        },
      ],
      ['$screen', 'anon_3', { $screen_name: 'Cart' }],
      [
        '$groupidentify',
        'user_1',
        {
          $group_type: 'segment_group',
          $group_key: 'acme',
          $group_set: { size: 3 },
          $groups: { segment_group: 'acme' },
        },
      ],
      ['$create_alias', 'user_1', { alias: 'old_1', distinct_id: 'user_1' }],
    ].map(([event, distinct_id, properties]) => ({
      event,
      distinct_id,
      timestamp: '2026-01-02T03:04:05.123Z',
      properties,
    })),
  },
])('--from $product', ({ product, lines, rejected, events }) => {
  it('maps each line, merges the ids of a person once, and stores nothing twice', async () => {
    process.env.POSTHOG_CONCURRENCY = '1';
    const path = file(lines);
    const good = lines.length - rejected.length;
    const { answer } = await run([path, '--from', product]);
    expect(answer).toEqual({
      success: false,
      lines: lines.length,
      delivered: good,
      rejected: rejected.length,
      error: null,
    });
    expect(rejectsOf(path)).toEqual(rejected);
    expect(sent().sort(byText)).toEqual([...events].sort(byText));
    expect(imports.posthog.violations).toEqual([]);
    // Other lines before them: the uuids come from the product's own ids.
    const stored = imports.posthog.rows.length;
    await run([file([...lines.slice(0, good)].reverse(), 'again.ndjson'), '--from', product]);
    const withoutOwnId = lines.filter((line) => (line as { event_type?: string }).event_type === '$identify').length;
    expect(imports.posthog.rows.length).toBe(stored + withoutOwnId);
  });

  it('rejects a line with an id that would change', async () => {
    const [line = {}] = lines;
    const changed = JSON.stringify(line).replace('"user_1"', '"user_1\\u0000"');
    const path = file([changed]);
    expect((await run([path, '--from', product])).answer).toMatchObject({ delivered: 0, rejected: 1 });
    expect(rejectsOf(path)).toEqual([{ line: 1, reason: expect.stringContaining('contains NUL') }]);
  });

  it('checks with --dry-run', async () => {
    const path = file(lines);
    const { answer } = await run([path, '--from', product, '--dry-run']);
    expect(answer).toMatchObject({ lines: lines.length, delivered: 0, rejected: rejected.length });
  });
});

it('--from refuses other products', async () => {
  expect(await run([file([]), '--from', 'heap'])).toMatchObject({
    code: 2,
    stderr: 'posthog-capture import: --from must be one of mixpanel, amplitude, segment\n',
  });
});

const byText = (one: object, other: object): number => JSON.stringify(one).localeCompare(JSON.stringify(other));
