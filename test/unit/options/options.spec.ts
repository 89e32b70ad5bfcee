import { describe, expect, it } from '@jest/globals';
import { HttpService } from '@nestjs/axios';
import { OPTION_NAMES, variableOf } from '../../../lib/options/environment.js';
import { resolveOptions } from '../../../lib/options/resolve-options.js';
import { PostHogCaptureOptions } from '../../../lib/options/posthog-capture.options.js';
import { KEY, problemsOf } from './helpers.js';

const LONGEST_TIMER_MS = 2_147_483_647;
const LARGEST = Number.MAX_SAFE_INTEGER;

const nothing = () => undefined;

const DEFAULTS: Record<string, unknown> = {
  host: 'https://us.posthog.com',
  enabled: true,
  captureMode: 'v0',
  flushAt: 100,
  flushIntervalMs: 1000,
  maxBatchEvents: 500,
  maxBatchBytes: 5_242_880,
  maxEventBytes: 921_600,
  maxQueueEvents: 100_000,
  maxQueueBytes: 67_108_864,
  concurrency: 4,
  compression: 'gzip',
  requestTimeoutMs: 10_000,
  maxRetries: 3,
  retryBaseMs: 1000,
  retryMaxMs: 30_000,
  coolDownMs: 30_000,
  maxEventAgeMs: undefined,
  shutdownTimeoutMs: 10_000,
  disableGeoip: true,
  historicalMigration: false,
  context: true,
  store: undefined,
  queue: undefined,
  tracingHeaders: true,
  posthogCookie: false,
  profiles: 'always',
  requestProperties: 'route',
  superProperties: {},
  beforeSend: undefined,
  onDrop: undefined,
  onDelivery: undefined,
  waitUntil: undefined,
  identity: undefined,
  http: undefined,
  requests: false,
  events: {},
  limits: {},
  exceptions: false,
  logger: undefined,
};

const count = (option: string, unit: string, min: 0 | 1) => ({
  option,
  valid: [min, LARGEST],
  nonsense: [min - 1, LARGEST + 1],
  expected: `a whole number of ${unit}, ${min} or more`,
});
const delay = (option: string, min: 0 | 1) => ({
  option,
  valid: [min, LONGEST_TIMER_MS],
  nonsense: [min - 1, LONGEST_TIMER_MS + 1],
  expected: `a whole number of milliseconds from ${min} to 2147483647`,
});

const NUMBERS = [
  count('flushAt', 'events', 1),
  count('maxBatchEvents', 'events', 1),
  count('maxBatchBytes', 'bytes', 1),
  count('maxEventBytes', 'bytes', 1),
  count('maxQueueEvents', 'events', 1),
  count('maxQueueBytes', 'bytes', 1),
  count('concurrency', 'requests', 1),
  count('maxRetries', 'retries', 0),
  delay('flushIntervalMs', 0),
  delay('requestTimeoutMs', 1),
  delay('retryBaseMs', 0),
  delay('retryMaxMs', 0),
  delay('coolDownMs', 0),
  delay('shutdownTimeoutMs', 0),
  {
    option: 'maxEventAgeMs',
    valid: [1, LONGEST_TIMER_MS + 1],
    nonsense: [0, LARGEST + 1],
    expected: 'a whole number of milliseconds, 1 or more',
  },
];

const SWITCHES = ['enabled', 'disableGeoip', 'historicalMigration', 'context', 'tracingHeaders', 'posthogCookie'];
const WORDS: [string, string[]][] = [
  ['captureMode', ['v0', 'v1']],
  ['compression', ['gzip', 'none']],
];

/** Returns the resolved value of an option; the key is given, so nothing else is invalid. */
const accepted = (option: string, value: unknown): unknown =>
  resolveOptions({ explicit: { apiKey: KEY, [option]: value } }).options[option as keyof PostHogCaptureOptions];
/** Returns the only problem of an option. */
const refused = (option: string, value: unknown): string => {
  const problems = problemsOf({ explicit: { apiKey: KEY, [option]: value } });
  expect(problems).toHaveLength(1);
  return problems[0]!;
};

describe('defaults', () => {
  it.each(Object.entries(DEFAULTS))('%s is %j', (option, value) => {
    expect(resolveOptions({ explicit: { apiKey: KEY } }).options).toHaveProperty(option);
    expect(accepted(option, undefined)).toEqual(value);
  });

  it('exist for every option', () => {
    const { options } = resolveOptions({ explicit: { apiKey: KEY } });
    expect(Object.keys(options).sort()).toEqual(['apiKey', ...Object.keys(DEFAULTS)].sort());
    expect([...OPTION_NAMES].sort()).toEqual(Object.keys(options).sort());
  });

  it('form a frozen instance of PostHogCaptureOptions', () => {
    const { options } = resolveOptions({ explicit: { apiKey: KEY } });
    expect(options).toBeInstanceOf(PostHogCaptureOptions);
    expect(Object.isFrozen(options)).toBe(true);
  });
});

describe('numbers', () => {
  it.each(NUMBERS)('$option accepts its smallest and largest value', ({ option, valid }) => {
    expect(valid.map((value) => accepted(option, value))).toEqual(valid);
  });

  it.each(NUMBERS)('$option refuses values out of range and other types', ({ option, nonsense, expected }) => {
    for (const value of [...nonsense, -1, 1.5, NaN, Infinity, true, null]) {
      const shown = String(value);
      expect(refused(option, value)).toBe(
        `${option} (${variableOf(option) ?? ''}): got ${shown}; expected ${expected}`,
      );
    }
  });
});

describe('switches', () => {
  it.each(SWITCHES)('%s accepts true and false', (option) => {
    expect([true, false].map((value) => accepted(option, value))).toEqual([true, false]);
  });

  it.each(SWITCHES)('%s refuses anything else', (option) => {
    for (const [value, shown] of [
      [1, '1'],
      [null, 'null'],
      ['maybe', '"maybe"'],
      ['', 'nothing'],
    ]) {
      const problem = `${option} (${variableOf(option) ?? ''}): got ${String(shown)}; expected true or false`;
      expect(refused(option, value)).toBe(problem);
    }
  });
});

describe('words', () => {
  it.each(WORDS)('%s accepts %j', (option, words) => {
    expect(words.map((value) => accepted(option, value))).toEqual(words);
  });

  it.each(WORDS)('%s refuses everything but %j', (option, words) => {
    const expected = `expected one of ${words.join(', ')}`;
    expect(refused(option, 'v2')).toBe(`${option} (${variableOf(option) ?? ''}): got "v2"; ${expected}`);
    expect(refused(option, true)).toContain(`got true; ${expected}`);
    expect(refused(option, [words[0]])).toContain(`got an array of 1; ${expected}`);
  });
});

describe('a word that resembles another', () => {
  it.each<[option: string, value: unknown, meant: string]>([
    ['profiles', 'identifed', 'identified'],
    ['profiles', 'identified_only', 'identified'],
    ['captureMode', 'v-1', 'v1'],
    ['compression', 'gzipp', 'gzip'],
    ['requestProperties', ['ip', 'rout'], 'route'],
    ['events', { unknown: 'refused' }, 'refuse'],
    ['events', { pii: 'drops' }, 'drop'],
    ['exceptions', { jobs: 'last-attemt' }, 'last_attempt'],
    ['exceptions', { crashes: 'stroe' }, 'store'],
  ])('%s: %j is refused with a suggestion', (option, value, meant) => {
    expect(refused(option, value)).toMatch(new RegExp(` \\(did you mean ${meant}\\?\\)$`));
  });

  it('may be the name of an option in other SDKs of PostHog', () => {
    expect(problemsOf({ explicit: { apiKey: KEY, personProfiles: 'always' } })).toEqual([
      'personProfiles: there is no such option; did you mean profiles?',
    ]);
  });
});

describe('requestProperties', () => {
  it.each(['route', 'url', 'ip', 'none', ['route', 'ip']])('accepts %j', (value) => {
    expect(accepted('requestProperties', value)).toEqual(value);
  });

  it('accepts a comma-separated list', () => {
    expect(accepted('requestProperties', 'Route, ip')).toEqual(['route', 'ip']);
  });

  it.each([['path'], [true], [[]], [['route', 'path']], ['route,path']])('refuses %j', (value) => {
    expect(refused('requestProperties', value)).toContain('expected one of route, url, ip, none, or a list of them');
  });
});

describe('identity', () => {
  it('accepts only synchronous functions', () => {
    expect(accepted('identity', nothing)).toBe(nothing);
    expect(refused('identity', 'user')).toContain('expected a synchronous function');
    expect(refused('identity', async () => Promise.resolve('user'))).toContain('expected a synchronous function');
  });
});

describe('requests', () => {
  it.each([
    true,
    false,
    {},
    { event: 'request', sampleRate: 0.5, ignore: ['/health', /^\/metrics/] },
    { sampleRate: undefined },
  ])('accepts %j', (value) => {
    expect(accepted('requests', value)).toEqual(value);
  });

  it.each([
    1,
    'yes',
    { event: ' ' },
    { sampleRate: 1.1 },
    { sampleRate: '1' },
    { ignore: '/health' },
    { ignore: [1] },
    { paths: [] },
  ])('refuses %j', (value) => {
    expect(refused('requests', value)).toContain('expected true, false, or an object with event');
  });
});

describe('exceptions', () => {
  it.each([
    true,
    false,
    {},
    { observe: false },
    { status: (status: number) => status === 500, properties: () => ({}) },
    { ignore: [Error, class Own extends Error {}, /timeout/, () => true], jobs: 'every' },
    { sourceContext: false, limit: false, crashes: 'child' },
    { crashes: false },
    { limit: {} },
    { limit: { burst: 1, everyMs: 1 } },
    { limit: undefined },
  ])('accepts %j', (value) => {
    expect(accepted('exceptions', value)).toEqual(value);
  });

  it.each<[unknown, string]>([
    ['on', 'true, false, or an object with observe, status'],
    [[], 'true, false, or an object with observe'],
    [{ sourceContext: 'yes' }, 'sourceContext to be true or false'],
    [{ observe: 1 }, 'observe to be true or false'],
    [{ status: 500 }, 'status to be a synchronous function'],
    [{ status: async () => Promise.resolve(true) }, 'status to be a synchronous function'],
    [{ ignore: Error }, 'ignore to be an array of classes, regular expressions and synchronous functions'],
    [{ ignore: ['timeout'] }, 'ignore to be an array of classes'],
    [{ crashes: true }, 'crashes to be one of store, child, false'],
    [{ jobs: 'all' }, 'jobs to be one of last_attempt, every'],
    [{ properties: { a: 1 } }, 'properties to be a synchronous function'],
    [{ limit: true }, 'limit to be false, or an object with burst (1 or more errors)'],
    [{ limit: { burst: 0 } }, 'limit to be'],
    [{ limit: { everyMs: 0.5 } }, 'limit to be'],
    [{ limit: { max: 5 } }, 'limit to be'],
    [{ ignored: [Error] }, 'ignore in place of ignored'],
    [{ sources: true }, 'true, false, or an object with observe, status, ignore'],
    [
      { limit: 1, jobs: 2 },
      'limit to be false, or an object with burst (1 or more errors) and everyMs (1 or more milliseconds); jobs to be',
    ],
  ])('refuses %j', (value, expected) => {
    expect(refused('exceptions', value)).toContain(`expected ${expected}`);
  });
});

describe('apiKey', () => {
  it.each([KEY, 'legacy-key_without.prefix', ` ${KEY}\r\n`])('accepts %j, trimmed', (key) => {
    expect(resolveOptions({ explicit: { apiKey: key } }).options.apiKey).toBe(key.trim());
  });

  it.each([
    ['', 'got nothing; expected the project API key'],
    [' \n', 'got nothing; expected the project API key'],
    [undefined, 'got nothing; expected the project API key'],
    [null, 'got null; expected the project API key'],
    [123_456, 'got a number; expected the project API key'],
    [{}, 'got an object; expected the project API key'],
    ['phx_personal', 'got a string of 12 characters; expected the project API key'],
    ['phx_personal', 'not a personal API key (phx_…)'],
    ['phc_a\u0000b', 'without whitespace, control characters'],
    ['phc_a\nb', 'without whitespace, control characters'],
    ['phc_a b', 'without whitespace, control characters'],
    ['phc_é', 'without whitespace, control characters or characters outside ASCII'],
    ['https://us.i.posthog.com', 'are the key and the host swapped?'],
    ['phs_secure', 'not a feature flags secure key (phs_…)'],
    ['"phc_a"', 'without the quotes around it'],
    ["'phc_a'", 'without the quotes around it'],
    ['"phc_a', 'without the quotes around it'],
    ['`phc_a`', 'without the quotes around it'],
    ['POSTHOG_API_KEY=phc_a', 'not the name of a variable: give the value only'],
    ['${POSTHOG_API_KEY}', 'not a placeholder: it was not replaced by the key'],
    ['$POSTHOG_API_KEY', 'not a placeholder'],
    ['{{posthog_key}}', 'not a placeholder'],
    ['%POSTHOG_API_KEY%', 'not a placeholder'],
    ['<ph_project_api_key>', 'not a placeholder'],
    ['undefined', 'not a placeholder'],
    ['null', 'not a placeholder'],
  ])('refuses %j: %s', (apiKey, text) => {
    const problems = problemsOf({ explicit: { apiKey } });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^apiKey \(POSTHOG_API_KEY\): got /);
    expect(problems[0]).toContain(text);
  });

  it('lists all remedies when it is missing', () => {
    const [problem] = problemsOf({});
    for (const remedy of ['POSTHOG_API_KEY', '`enabled: false`', '`isGlobal: true`', '`forRootAsync`']) {
      expect(problem).toContain(remedy);
    }
  });

  it.each([undefined, '', '  '])('may be %j while disabled', (apiKey) => {
    expect(resolveOptions({ explicit: { apiKey, enabled: false } }).options).toMatchObject({
      apiKey: '',
      enabled: false,
    });
  });

  it.each(['${POSTHOG_API_KEY}', '<your key>', 'undefined', 'null'])('may be %j while disabled', (apiKey) => {
    expect(problemsOf({ explicit: { apiKey, enabled: false, flushAt: 0 } })).toHaveLength(1);
  });

  it('is checked while disabled if given, like all other options', () => {
    const problems = problemsOf({ explicit: { apiKey: 'phx_personal', enabled: false, flushAt: 0 } });
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual(['apiKey', 'flushAt']);
  });
});

describe('host', () => {
  it.each([
    'https://us.i.posthog.com',
    'http://127.0.0.1:8010',
    'http://[::1]:8010/',
    'HTTPS://posthog.example.com/ingest/',
    'https://example.com/@proxy',
    'https://example.com/batch/ingest',
    'https://example.com/i/',
    'https://example.com/e',
    'https://example.com/project/42/posthog',
    'https://example.com/api/i/v2/ingest',
    'https://us.posthog.com/project/12345/settings',
  ])('accepts %s', (host) => {
    expect(accepted('host', host)).toBe(host);
  });

  it.each([
    ['us.i.posthog.com', '"us.i.posthog.com"', '; put https:// (or http://) in front'],
    ['localhost:8010', '"localhost:8010"', '; put https:// (or http://) in front'],
    ['ftp://us.i.posthog.com', '"ftp://us.i.posthog.com"', ''],
    ['https://', '"https://"', ''],
    ['https://a b.example.com', '"https://a b.example.com"', ''],
    ['https://me:pass@example.com/x', '"https://***@example.com/x"', ''],
    ['https://me@example.com', '"https://***@example.com"', ''],
    ['https://me:p@ss/w@example.com', '"https://***@example.com"', ''],
    ['me:pass@example.com', '"***@example.com"', '; put https:// (or http://) in front'],
    ['https://example.com/?token=abc', '"https://example.com/?***"', ''],
    ['https://example.com/#abc', '"https://example.com/#***"', ''],
    [`https://example.com/${'a'.repeat(80)}?`, 'a string of 101 characters', ''],
    ...['/batch', '/batch/', '/ingest/batch/', '/i/v0/e/', '/i/v0/ai/batch', '/i/v1/analytics/events'].map((path) => [
      `https://example.com${path}`,
      `"https://example.com${path}"`,
      '; without the path of an endpoint',
    ]),
    ['', 'nothing', '; put https:// (or http://) in front'],
    [8010, '8010', ''],
  ])('refuses %j', (host, shown, end) => {
    expect(refused('host', host)).toBe(
      `host (POSTHOG_HOST): got ${shown}; expected an absolute http(s) URL without credentials, query or fragment, ` +
        `such as https://us.i.posthog.com${end}`,
    );
  });
});

describe('store', () => {
  const methods = { recover: nothing, append: nothing, remove: nothing, close: nothing };

  it.each([['./data/posthog'], [methods]])('accepts %p unchanged', (store) => {
    expect(accepted('store', store)).toBe(store);
  });

  it.each([
    [{ ...methods, close: undefined }, 'an object'],
    [7, '7'],
  ])('refuses %p', (store, shown) => {
    expect(refused('store', store)).toBe(
      `store (POSTHOG_STORE_PATH): got ${shown}; expected a store, such as fileEventStore({ path }), or the path of a directory`,
    );
  });
});

describe('queue', () => {
  const queue = { sender: nothing, source: nothing, sample: nothing };

  it('is accepted unchanged', () => {
    expect(accepted('queue', queue)).toBe(queue);
  });

  it.each([
    [{ ...queue, sample: undefined }, 'an object'],
    [7, '7'],
    ['http://user:secret@redis', '"http://***@redis"'],
    ['redis', '"redis"'],
  ])('refuses %p', (value, shown) => {
    expect(refused('queue', value)).toBe(
      `queue (POSTHOG_QUEUE_URL): got ${shown}; expected a queue, such as redisQueue({ connection }), or the URL of a Redis (redis:// or rediss://)`,
    );
  });

  it('with a project needs no key', () => {
    const explicit = { queue: { ...queue, project: 'shop' } };
    expect(resolveOptions({ explicit }).options.apiKey).toBe('');
    expect(problemsOf({ explicit: { queue } })).toHaveLength(1);
    expect(problemsOf({ explicit: { ...explicit, apiKey: 'phx_personal' } })).toHaveLength(1);
  });
});

describe('options that only code can set', () => {
  class OwnHttpService extends HttpService {}
  const axiosInstance = Object.assign(nothing, { interceptors: {} });
  const logger = { log: nothing, warn: nothing, error: nothing };
  const SMALLER = 'expected an object whose JSON is smaller than maxEventBytes';
  const manyProperties = (count: number): object =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`name${index}`, index]));
  const HTTP =
    'expected axios settings, or the injection token (class, string or symbol) of an HttpService, not the instance itself';

  it.each<[string, unknown]>([
    ['superProperties', { plan: 'pro' }],
    ['superProperties', { large: 'x'.repeat(900_000) }],
    ['beforeSend', nothing],
    ['beforeSend', [nothing, nothing]],
    ['beforeSend', []],
    ['onDrop', nothing],
    ['onDelivery', nothing],
    ['waitUntil', nothing],
    ['http', { proxy: false }],
    ['http', OwnHttpService],
    ['http', 'MY_HTTP'],
    ['http', Symbol('http')],
    ['logger', logger],
  ])('%s accepts %p unchanged', (option, value) => {
    expect(accepted(option, value)).toBe(value);
  });

  it.each<[string, unknown, string]>([
    ['superProperties', 'plan', 'got "plan"; expected an object'],
    ['superProperties', [1], 'got an array of 1; expected an object'],
    ['superProperties', null, 'got null; expected an object'],
    ['superProperties', { large: 'x'.repeat(921_600) }, `got an object; ${SMALLER}`],
    ['superProperties', manyProperties(300_000), `got an object; ${SMALLER}`],
    ['beforeSend', 'drop', 'got "drop"; expected a synchronous function, or an array of them'],
    ['beforeSend', [nothing, null], 'got an array of 2; expected a synchronous function, or an array of them'],
    ['onDrop', {}, 'got an object; expected a function'],
    ['onDelivery', true, 'got true; expected a function'],
    ['waitUntil', {}, 'got an object; expected a function'],
    ['http', { axiosRef: {} }, `got an object; ${HTTP}`],
    ['http', axiosInstance, `got a function; ${HTTP}`],
    ['http', ' ', `got " "; ${HTTP}`],
    ['http', 1, `got 1; ${HTTP}`],
    ['logger', { log: nothing }, "got an object; expected a logger with Nest's methods log, warn and error"],
    ['logger', false, "got false; expected a logger with Nest's methods log, warn and error"],
  ])('%s refuses %p', (option, value, text) => {
    expect(refused(option, value)).toBe(`${option}: ${text}`);
  });

  it('beforeSend refuses async functions, which would drop every event', () => {
    const filter = async () => Promise.resolve(null);
    expect(refused('beforeSend', filter)).toContain('got a function; expected a synchronous function');
    expect(refused('beforeSend', [nothing, filter])).toContain('expected a synchronous function');
  });
});

describe('limits', () => {
  const FIELDS = 'an object with sampleRate, perMinute, perPersonPerHour, once';

  it.each<[limits: unknown, problem: string]>([
    ['often', 'expected an object with an object for each name of an event or pattern'],
    [[], 'expected an object with an object for each name of an event or pattern'],
    [{ a: 0.1 }, `expected for "a" ${FIELDS}`],
    [{ a: null }, `expected for "a" ${FIELDS}`],
    [{ ' ': {} }, 'expected " " to be a name that is not blank and has at most 200 bytes'],
    [{ a: { sampleRate: 1.1 } }, 'expected for "a" sampleRate to be a number from 0 to 1'],
    [{ a: { sampleRate: Number.NaN } }, 'expected for "a" sampleRate to be a number from 0 to 1'],
    [{ a: { sampleRate: '0.1' } }, 'expected for "a" sampleRate to be a number from 0 to 1'],
    [{ a: { perMinute: 0 } }, 'expected for "a" perMinute to be a whole number, 1 or more'],
    [{ a: { perPersonPerHour: 1.5 } }, 'expected for "a" perPersonPerHour to be a whole number, 1 or more'],
    [{ a: { once: 'session' } }, 'expected for "a" once to be "person"'],
    [{ a: { perMinut: 1 } }, 'expected for "a" perMinute in place of perMinut'],
    [{ a: { toString: 1 } }, `expected for "a" ${FIELDS}`],
    [
      { a: { perMinute: -1, once: true }, b: { foo: 1 } },
      `expected for "a" perMinute to be a whole number, 1 or more; once to be "person"; for "b" ${FIELDS}`,
    ],
  ])('%j is refused', (limits, problem) => {
    const [only, ...others] = problemsOf({ explicit: { apiKey: KEY, limits } });
    expect(others).toEqual([]);
    expect(only).toContain(problem);
    expect(only).toMatch(/^limits \(POSTHOG_LIMITS\): got /);
  });

  it.each([
    [{}],
    [{ a: {}, b: undefined }],
    [{ '*': { sampleRate: 0, perMinute: 1, perPersonPerHour: 1, once: 'person' }, $exception: { sampleRate: 1 } }],
    [{ a: { sampleRate: undefined } }],
  ])('%j is valid', (limits) => {
    expect(resolveOptions({ explicit: { apiKey: KEY, limits } }).options.limits).toEqual(limits);
  });

  it('that are no JSON are refused', () => {
    const config = { get: (name: string) => (name === 'POSTHOG_LIMITS' ? '{a' : undefined) };
    expect(problemsOf({ explicit: { apiKey: KEY }, config })).toEqual([
      expect.stringMatching(/^limits \(POSTHOG_LIMITS\): got "\{a"; expected an object with .+, as JSON/),
    ]);
  });
});
