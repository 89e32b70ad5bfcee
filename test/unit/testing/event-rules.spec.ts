import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type CaptureFormat, FakePostHog } from '../../../lib/testing/index.js';
import { violatedRules, capture, type Json, validEvent } from './wire-client.js';

/** `lost`: reported as stored, but discarded. `valid`: no violation. */
type Outcome = 'refused' | 'dropped' | 'lost' | 'altered' | 'valid';
/** The outcome under the rule of the row, or under another rule if the formats differ. */
type Expected = Outcome | [Outcome, rule: string];

const exception = (list: unknown): Json => ({ event: '$exception', properties: { $exception_list: list } });
const group = (properties: Json): Json => ({ event: '$groupidentify', properties });
const alias = (properties: Json): Json => ({ event: '$create_alias', properties });
const groupPair = { $group_type: 'company', $group_key: 'acme' };

const ERROR = { type: 'Error', value: 'no' };
const chained = (more: Json): Json => ({
  ...ERROR,
  mechanism: { type: 'chained', source: 'cause', synthetic: false, exception_id: 1, parent_id: 0, ...more },
});
const outermost = (more: Json = {}): Json => ({
  ...ERROR,
  mechanism: { type: 'generic', handled: true, synthetic: false, exception_id: 0, ...more },
});
const framed = (frame: unknown): Json => exception([{ ...ERROR, stacktrace: { type: 'raw', frames: [frame] } }]);
const FRAME = { platform: 'node:javascript', function: 'f', filename: 'a.js', lineno: 1, colno: 2, in_app: true };
const withProperty = (more: Json): Json => ({ event: '$exception', properties: { $exception_list: [ERROR], ...more } });

/** null: valid. */
const EXCEPTIONS: [input: string, rule: string | null, fields: Json][] = [
  ['an exception with a cause', null, exception([outermost(), chained({})])],
  ['51 exceptions', 'exception_list_too_long', exception(Array.from({ length: 51 }, () => ERROR))],
  ['a mechanism that is null', 'exception_mechanism_invalid', exception([{ ...ERROR, mechanism: null }])],
  ['a blank mechanism type', 'exception_mechanism_invalid', exception([outermost({ type: '' })])],
  ['handled that is null', 'exception_mechanism_invalid', exception([outermost({ handled: null })])],
  ['handled that is text', 'exception_mechanism_invalid', exception([outermost({ handled: 'yes' })])],
  [
    'a negative exception_id',
    'exception_mechanism_invalid',
    exception([{ ...ERROR, mechanism: { exception_id: -1 } }, outermost()]),
  ],
  ['a first exception with a source', 'exception_link_invalid', exception([outermost({ source: 'cause' })])],
  ['a first exception with a parent', 'exception_link_invalid', exception([outermost({ parent_id: 0 })])],
  ['a first exception_id of 1', 'exception_link_invalid', exception([outermost({ exception_id: 1 })])],
  ['a cause without an id', 'exception_link_invalid', exception([outermost(), ERROR])],
  [
    'a cause with the id of its parent',
    'exception_link_invalid',
    exception([outermost(), chained({ exception_id: 0 })]),
  ],
  ['a cause without a parent', 'exception_link_invalid', exception([outermost(), chained({ parent_id: 1 })])],
  ['a cause of another type', 'exception_link_invalid', exception([outermost(), chained({ type: 'generic' })])],
  ['a frame', null, framed(FRAME)],
  ['a frame with source lines', null, framed({ ...FRAME, pre_context: [], context_line: '', post_context: ['x'] })],
  ['a frame without a platform', 'exception_frame_invalid', framed({ ...FRAME, platform: undefined })],
  ['a frame that is text', 'exception_frame_invalid', framed('at a.js')],
  ['a line number that is text', 'exception_frame_invalid', framed({ ...FRAME, lineno: '1' })],
  ['a module that is null', 'exception_frame_invalid', framed({ ...FRAME, module: null })],
  ['source lines without that of the call', 'exception_frame_invalid', framed({ ...FRAME, pre_context: ['x'] })],
  ['no frames', 'exception_frame_invalid', exception([{ ...ERROR, stacktrace: { type: 'raw' } }])],
  ['a stack trace of no type', 'exception_frame_invalid', exception([{ ...ERROR, stacktrace: { frames: [] } }])],
  ['a level of PostHog', null, withProperty({ $exception_level: 'fatal' })],
  ['a level of a logger', 'exception_property_invalid', withProperty({ $exception_level: 'warn' })],
  ['a source', null, withProperty({ $exception_source: 'node.process_uncaught_exception' })],
  ['a source with a route', 'exception_property_invalid', withProperty({ $exception_source: 'nestjs.http /orders' })],
  ['a blank fingerprint', 'exception_property_invalid', withProperty({ $exception_fingerprint: '' })],
  ['a property that PostHog derives', 'exception_property_invalid', withProperty({ $exception_handled: true })],
  ['steps', null, withProperty({ $exception_steps: [{ $message: 'm', $timestamp: '2026-01-31T12:00:00Z', a: 1 }] })],
  ['steps with epoch milliseconds', null, withProperty({ $exception_steps: [{ $message: 'm', $timestamp: 0 }] })],
  ['steps that are text', 'exception_property_invalid', withProperty({ $exception_steps: 'm' })],
  ['a step that is text', 'exception_property_invalid', withProperty({ $exception_steps: ['m'] })],
  [
    'a step with a blank message',
    'exception_property_invalid',
    withProperty({ $exception_steps: [{ $message: ' ', $timestamp: 0 }] }),
  ],
  ['a step without a time', 'exception_property_invalid', withProperty({ $exception_steps: [{ $message: 'm' }] })],
  [
    'a step whose time is none',
    'exception_property_invalid',
    withProperty({ $exception_steps: [{ $message: 'm', $timestamp: 'noon' }] }),
  ],
];

const CASES: [input: string, rule: string, fields: Json, v0: Expected, v1: Expected][] = [
  ['no event', 'event_name_missing', { event: undefined }, 'refused', 'refused'],
  ['an event that is a number', 'event_name_missing', { event: 7 }, 'refused', 'refused'],
  ['an empty event', 'event_name_blank', { event: '' }, 'refused', 'dropped'],
  ['a blank event', 'event_name_blank', { event: ' \t' }, 'refused', 'dropped'],
  ['an event of 201 bytes', 'event_name_too_long', { event: 'é'.repeat(100) + 'x' }, 'altered', 'dropped'],
  ['an event of 200 bytes', 'event_name_too_long', { event: 'é'.repeat(100) }, 'valid', 'valid'],
  ['no distinct_id', 'distinct_id_missing', { distinct_id: undefined }, 'refused', 'refused'],
  ['a distinct_id that is a number', 'distinct_id_missing', { distinct_id: 7 }, 'refused', 'refused'],
  ['a blank distinct_id', 'distinct_id_blank', { distinct_id: '  ' }, 'refused', 'dropped'],
  ['an untrimmed distinct_id', 'distinct_id_untrimmed', { distinct_id: ' user_1' }, 'altered', 'altered'],
  ['a distinct_id of 201 bytes', 'distinct_id_too_long', { distinct_id: 'é'.repeat(100) + 'x' }, 'altered', 'dropped'],
  ['a distinct_id of 200 bytes', 'distinct_id_too_long', { distinct_id: 'é'.repeat(100) }, 'valid', 'valid'],
  ['no uuid', 'uuid_missing', { uuid: undefined }, 'altered', 'refused'],
  ['an invalid uuid', 'uuid_invalid', { uuid: 'order-1' }, 'refused', 'refused'],
  ['a uuid without hyphens', 'uuid_invalid', { uuid: '0190b1a0000070008000000000000001' }, 'refused', 'refused'],
  ['a uuid that is null', 'uuid_invalid', { uuid: null }, 'refused', 'refused'],
  ['an upper-case uuid', 'uuid_upper_case', { uuid: '0190B1A0-0000-7000-8000-00000000000A' }, 'altered', 'altered'],
  ['no timestamp', 'timestamp_missing', { timestamp: undefined }, 'altered', 'refused'],
  ['a timestamp that is a number', 'timestamp_missing', { timestamp: 1700000000 }, 'altered', 'refused'],
  ['a timestamp that is not a date', 'timestamp_invalid', { timestamp: 'yesterday' }, 'altered', 'dropped'],
  ['a timestamp without an offset', 'timestamp_invalid', { timestamp: '2024-05-01T10:00:00' }, 'altered', 'dropped'],
  [
    'a timestamp of a day that does not exist',
    'timestamp_invalid',
    { timestamp: '2024-02-30T10:00:00Z' },
    'altered',
    'dropped',
  ],
  ['a timestamp with an offset', 'timestamp_not_utc', { timestamp: '2024-05-01T10:00:00+02:00' }, 'altered', 'altered'],
  ['a timestamp without a fraction', 'timestamp_not_utc', { timestamp: '2024-05-01T10:00:00Z' }, 'valid', 'valid'],
  ['properties that are an array', 'properties_invalid', { properties: [] }, 'refused', 'dropped'],
  ['properties that are null', 'properties_invalid', { properties: null }, 'refused', 'dropped'],
  ['no properties', 'properties_invalid', { properties: undefined }, 'valid', 'valid'],
  ['an unknown root key', 'event_root_key', { $set: { plan: 'pro' } }, 'altered', 'altered'],
  ['session_id at the root', 'event_root_key', { session_id: 's1', window_id: 'w1' }, 'altered', 'valid'],
  ['options at the root', 'event_root_key', { options: { cookieless_mode: true } }, 'altered', 'valid'],
  ['a session_id that is a number', 'session_id_invalid', { session_id: 5 }, ['altered', 'event_root_key'], 'refused'],
  [
    '$cookieless_mode as a string',
    'cookieless_mode_invalid',
    { properties: { $cookieless_mode: 'yes' } },
    'refused',
    ['altered', 'sentinel_in_properties'],
  ],
  [
    '$cookieless_mode as a boolean',
    'cookieless_mode_invalid',
    { properties: { $cookieless_mode: true } },
    'valid',
    ['altered', 'sentinel_in_properties'],
  ],
  [
    '$product_tour_id as a number',
    'option_invalid',
    { properties: { $product_tour_id: 5 } },
    'altered',
    ['altered', 'sentinel_in_properties'],
  ],
  [
    'an option of the wrong type',
    'option_invalid',
    { options: { cookieless_mode: 'yes' } },
    ['altered', 'event_root_key'],
    'dropped',
  ],
  [
    'an option that is null',
    'option_invalid',
    { options: { process_person_profile: null } },
    ['altered', 'event_root_key'],
    'dropped',
  ],
  ['options that are an array', 'option_invalid', { options: [] }, ['altered', 'event_root_key'], 'dropped'],
  ['an unknown option', 'option_unknown', { options: { cookie: true } }, ['altered', 'event_root_key'], 'altered'],
  ['$lib in properties', 'sentinel_in_properties', { properties: { $lib: 'x' } }, 'valid', 'altered'],
  ['$lib_version in properties', 'sentinel_in_properties', { properties: { $lib_version: '1' } }, 'valid', 'altered'],
  [
    '$ignore_sent_at in properties',
    'sentinel_in_properties',
    { properties: { $ignore_sent_at: true } },
    'valid',
    'altered',
  ],
  [
    '$process_person_profile',
    'sentinel_in_properties',
    { properties: { $process_person_profile: true } },
    'valid',
    'altered',
  ],
  ['$library, which is not reserved', 'sentinel_in_properties', { properties: { $library: 'x' } }, 'valid', 'valid'],
  [
    'distinct_id in properties',
    'distinct_id_in_properties',
    { properties: { distinct_id: 'user_1' } },
    'valid',
    'altered',
  ],
  ['$set that is not an object', 'person_properties_invalid', { properties: { $set: 'pro' } }, 'altered', 'altered'],
  ['$set_once that is an array', 'person_properties_invalid', { properties: { $set_once: [] } }, 'altered', 'altered'],
  ['$groups that is null', 'person_properties_invalid', { properties: { $groups: null } }, 'altered', 'altered'],
  ['$unset that is a string', 'person_properties_invalid', { properties: { $unset: 'plan' } }, 'altered', 'altered'],
  [
    '$unset that is an array of names',
    'person_properties_invalid',
    { event: '$set', properties: { $unset: ['plan'] } },
    'valid',
    'valid',
  ],
  ['a group', 'group_invalid', group({ ...groupPair, $group_set: { size: 3 } }), 'valid', 'valid'],
  ['a group key that is a number', 'group_invalid', group({ ...groupPair, $group_key: 12 }), 'lost', 'lost'],
  ['a group without a type', 'group_invalid', group({ $group_key: 'acme' }), 'lost', 'lost'],
  [
    'a group key of 401 characters',
    'group_invalid',
    group({ ...groupPair, $group_key: 'k'.repeat(401) }),
    'lost',
    'lost',
  ],
  [
    'a group key of 400 characters',
    'group_invalid',
    group({ ...groupPair, $group_key: 'k'.repeat(400) }),
    'valid',
    'valid',
  ],
  ['an invalid $group_type in another event', 'group_invalid', { properties: { $group_type: 1 } }, 'lost', 'lost'],
  ['an alias', 'alias_invalid', alias({ distinct_id: 'user_1', alias: 'anon' }), 'valid', 'valid'],
  ['an alias event without an alias', 'alias_invalid', alias({ distinct_id: 'user_1' }), 'lost', 'lost'],
  ['a swapped alias', 'alias_invalid', alias({ distinct_id: 'anon', alias: 'user_1' }), 'lost', 'lost'],
  ['an exception', 'exception_list_invalid', exception([{ type: 'Error', value: 'no' }]), 'valid', 'valid'],
  ['an exception without a list', 'exception_list_invalid', exception(undefined), 'altered', 'altered'],
  ['an exception with an empty list', 'exception_list_invalid', exception([]), 'altered', 'altered'],
  ['an exception without a type', 'exception_list_invalid', exception([{ value: 'no' }]), 'altered', 'altered'],
  [
    'an exception with a blank type',
    'exception_list_invalid',
    exception([{ ...ERROR, type: ' ' }]),
    'altered',
    'altered',
  ],
  ...EXCEPTIONS.map(([input, rule, fields]): (typeof CASES)[number] => [
    input,
    rule ?? 'exception_list_invalid',
    fields,
    rule === null ? 'valid' : 'altered',
    rule === null ? 'valid' : 'altered',
  ]),
];

describe('event rules', () => {
  let posthog: FakePostHog;
  beforeAll(async () => {
    posthog = await FakePostHog.start();
  });
  beforeEach(() => posthog.clear());
  afterAll(() => posthog.close());

  const formats: CaptureFormat[] = ['v0', 'v1'];
  const rows = CASES.flatMap(([input, rowRule, fields, ...expected]) =>
    formats.map((format, index) => {
      const [outcome, rule] = [expected[index] ?? 'valid'].flat();
      return { format, input, fields, outcome: outcome as Outcome, rule: rule ?? rowRule };
    }),
  );

  it.each(rows)('$format: $input is $outcome', async ({ rule, fields, format, outcome }) => {
    const event = validEvent(fields);
    const other = validEvent({ event: 'other' });
    const response = await capture(posthog, format, [event, other]);

    expect(response.status).toBe(outcome === 'refused' ? 400 : 200);
    expect(posthog.events).toHaveLength({ refused: 0, dropped: 1, lost: 1, altered: 2, valid: 2 }[outcome]);
    expect(posthog.events.some(({ event: name }) => name === 'other')).toBe(outcome !== 'refused');
    if (outcome === 'valid') expect(posthog.violations).toEqual([]);
    else expect(violatedRules(posthog)).toContain(rule);
    expect(posthog.violations.every(({ detail }) => detail.startsWith('batch[0] '))).toBe(true);
    if (format === 'v0') {
      expect(response.headers['content-type']).toMatch(outcome === 'refused' ? /^text\/plain/ : /^application\/json/);
      if (outcome !== 'refused') expect(response.text).toBe('{"status":"Ok"}');
    } else if (outcome !== 'refused') {
      // PostHog reports success for an event that it discards later.
      const result = outcome === 'dropped' ? { result: 'drop', details: rule } : { result: 'ok' };
      const uuid = String(event.uuid).toLowerCase();
      expect(response.json).toEqual({ results: { [uuid]: result, [String(other.uuid)]: { result: 'ok' } } });
    }
  });

  it.each(['$identify', '$create_alias', '$groupidentify'])('%s without a person profile is lost', async (name) => {
    const properties = { ...groupPair, distinct_id: 'user_1', alias: 'anon' };
    const v0 = validEvent({ event: name, properties: { ...properties, $process_person_profile: false } });
    const v1Properties = name === '$create_alias' ? properties : groupPair;
    const v1 = validEvent({ event: name, properties: v1Properties, options: { process_person_profile: false } });
    expect((await capture(posthog, 'v0', [v0])).status).toBe(200);
    expect((await capture(posthog, 'v1', [v1])).json).toEqual({ results: { [String(v1.uuid)]: { result: 'ok' } } });
    expect(posthog.events).toEqual([]);
    expect(posthog.violations.map(({ rule }) => rule)).toEqual(['identity_without_person', 'identity_without_person']);
  });

  it.each(formats)('%s: a batch with a repeated uuid', async (format) => {
    const uuid = '0190b1a0-0000-7000-8000-00000000000a';
    const timestamp = new Date().toISOString();
    const batch = [validEvent({ uuid, timestamp }), validEvent({ uuid, timestamp })];
    const response = await capture(posthog, format, batch);
    expect(response.status).toBe(format === 'v0' ? 200 : 400);
    expect(violatedRules(posthog)).toEqual(['uuid_repeated']);
    expect(posthog.events).toHaveLength(format === 'v0' ? 2 : 0);
    expect(posthog.rows).toHaveLength(format === 'v0' ? 1 : 0);
  });

  it.each([
    { size: 'of 1 MB', name: 'big', bytes: 1_000_000, status: 200 },
    { size: 'of 1 MB and one byte', name: 'big', bytes: 1_000_001, status: 413 },
    { size: 'of 2 MB with the prefix $ai_', name: '$ai_generation', bytes: 2_000_000, status: 200 },
    {
      size: 'of more than 8 MiB with the prefix $ai_',
      name: '$ai_generation',
      bytes: 8 * 1024 * 1024 + 1,
      status: 413,
    },
  ])('an event $size gets $status', async ({ name, bytes, status }) => {
    const event = validEvent({ event: name, properties: { text: '' } });
    event.properties = { text: 'x'.repeat(bytes - JSON.stringify(event).length) };
    for (const format of formats) {
      expect((await capture(posthog, format, [{ ...event, uuid: crypto.randomUUID() }])).status).toBe(status);
    }
    expect(violatedRules(posthog)).toEqual(status === 413 ? ['event_too_large'] : []);
  });
});

describe('stored events', () => {
  let posthog: FakePostHog;
  beforeAll(async () => {
    posthog = await FakePostHog.start();
  });
  beforeEach(() => posthog.clear());
  afterAll(() => posthog.close());

  it('contain a v0 event as sent', async () => {
    const event = validEvent({ properties: { $lib: 'test', nested: { list: [1, null] } } });
    const before = Date.now();
    await capture(posthog, 'v0', [event]);
    expect(posthog.events).toEqual([
      { ...event, endpoint: 'analytics', format: 'v0', requestIndex: 0, receivedAt: expect.any(Number) },
    ]);
    expect(posthog.events[0]?.receivedAt).toBeGreaterThanOrEqual(before);
  });

  it('contain a v1 event as sent, with the library from the header', async () => {
    const event = validEvent({ options: { cookieless_mode: true }, session_id: 's1', window_id: 'w1' });
    await capture(posthog, 'v1', [event], { headers: { 'posthog-sdk-info': '@scope/sdk/1.2.3' } });
    expect(posthog.violations).toEqual([]);
    expect(posthog.events).toEqual([
      {
        ...event,
        properties: { total: 42, $lib: '@scope/sdk', $lib_version: '1.2.3' },
        endpoint: 'analytics',
        format: 'v1',
        requestIndex: 0,
        receivedAt: expect.any(Number),
      },
    ]);
  });

  it('are corrected as PostHog does', async () => {
    const long = 'é'.repeat(150);
    await capture(posthog, 'v0', [validEvent({ distinct_id: ` ${long}`, uuid: undefined, timestamp: undefined })]);
    await capture(posthog, 'v0', [validEvent({ distinct_id: 'x'.repeat(250) })]);
    await capture(posthog, 'v1', [
      validEvent({ distinct_id: ' user_1 ', uuid: '0190B1A0-0000-7000-8000-00000000000B' }),
    ]);
    expect(posthog.events.map(({ distinct_id: id }) => id)).toEqual([` ${long}`, 'x'.repeat(200), 'user_1']);
    expect(posthog.events[0]?.uuid).toMatch(/^[0-9a-f-]{36}$/);
    expect(posthog.events[0]?.timestamp).toMatch(/^\d{4}-.*Z$/);
    expect(posthog.events[2]?.uuid).toBe('0190b1a0-0000-7000-8000-00000000000b');
  });
});
