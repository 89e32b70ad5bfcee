import { describe, expect, it } from '@jest/globals';
import { OPTION_NAMES, readVariables, variableOf } from '../../../lib/options/environment.js';
import { resolveOptions } from '../../../lib/options/resolve-options.js';
import { configOf, KEY, problemsOf } from './helpers.js';

const VARIABLES: [option: string, variable: string, text: string, value: unknown][] = [
  ['apiKey', 'POSTHOG_API_KEY', ` ${KEY}\n`, KEY],
  ['host', 'POSTHOG_HOST', ' http://127.0.0.1:8010 ', 'http://127.0.0.1:8010'],
  ['enabled', 'POSTHOG_ENABLED', 'false', false],
  ['captureMode', 'POSTHOG_CAPTURE_MODE', ' V1', 'v1'],
  ['flushAt', 'POSTHOG_FLUSH_AT', '7', 7],
  ['flushIntervalMs', 'POSTHOG_FLUSH_INTERVAL_MS', ' 8 ', 8],
  ['maxBatchEvents', 'POSTHOG_MAX_BATCH_EVENTS', '9', 9],
  ['maxBatchBytes', 'POSTHOG_MAX_BATCH_BYTES', '10', 10],
  ['maxEventBytes', 'POSTHOG_MAX_EVENT_BYTES', '11', 11],
  ['maxQueueEvents', 'POSTHOG_MAX_QUEUE_EVENTS', '12', 12],
  ['maxQueueBytes', 'POSTHOG_MAX_QUEUE_BYTES', '13', 13],
  ['concurrency', 'POSTHOG_CONCURRENCY', '14', 14],
  ['compression', 'POSTHOG_COMPRESSION', 'None', 'none'],
  ['requestTimeoutMs', 'POSTHOG_REQUEST_TIMEOUT_MS', '15', 15],
  ['maxRetries', 'POSTHOG_MAX_RETRIES', '0', 0],
  ['retryBaseMs', 'POSTHOG_RETRY_BASE_MS', '17', 17],
  ['retryMaxMs', 'POSTHOG_RETRY_MAX_MS', '18', 18],
  ['coolDownMs', 'POSTHOG_COOL_DOWN_MS', '19', 19],
  ['maxEventAgeMs', 'POSTHOG_MAX_EVENT_AGE_MS', '20', 20],
  ['shutdownTimeoutMs', 'POSTHOG_SHUTDOWN_TIMEOUT_MS', '21', 21],
  ['disableGeoip', 'POSTHOG_DISABLE_GEOIP', 'no', false],
  ['historicalMigration', 'POSTHOG_HISTORICAL_MIGRATION', 'yes', true],
  ['context', 'POSTHOG_CONTEXT', 'off', false],
  ['tracingHeaders', 'POSTHOG_TRACING_HEADERS', '0', false],
  ['posthogCookie', 'POSTHOG_POSTHOG_COOKIE', 'yes', true],
  ['profiles', 'POSTHOG_PROFILES', ' Identified', 'identified'],
  ['requestProperties', 'POSTHOG_REQUEST_PROPERTIES', 'URL', 'url'],
  ['queue', 'POSTHOG_QUEUE_URL', ' rediss://redis:6379/1 ', 'rediss://redis:6379/1'],
  ['limits', 'POSTHOG_LIMITS', ' {"page_*": {"sampleRate": 0.1}}', { 'page_*': { sampleRate: 0.1 } }],
  ['store', 'POSTHOG_STORE_PATH', ' ./data/posthog ', './data/posthog'],
];

/** Resolves the options with one variable set through ConfigService. */
const fromVariable = (variable: string, text: unknown) =>
  resolveOptions({ config: configOf({ POSTHOG_API_KEY: KEY, [variable]: text }) }).options;
const problemOf = (variable: string, text: unknown) =>
  problemsOf({ config: configOf({ POSTHOG_API_KEY: KEY, [variable]: text }) });

describe('variables', () => {
  it.each(VARIABLES)('%s is read from %s', (option, variable, text, value) => {
    expect(variableOf(option)).toBe(variable);
    expect(fromVariable(variable, text)).toHaveProperty(option, value);
  });

  it('exist for every option except those that only code can set', () => {
    const codeOnly = OPTION_NAMES.filter((option) => variableOf(option) === undefined);
    expect(codeOnly.sort()).toEqual([
      'beforeSend',
      'events',
      'exceptions',
      'http',
      'identity',
      'logger',
      'onDelivery',
      'onDrop',
      'requests',
      'superProperties',
      'waitUntil',
    ]);
    expect(OPTION_NAMES).toHaveLength(VARIABLES.length + codeOnly.length);
  });

  it.each(VARIABLES)('%s: an empty %s counts as not given', (option, variable) => {
    const { options } = resolveOptions({ explicit: { apiKey: KEY } });
    for (const empty of ['', ' \t', undefined, null]) {
      const config = configOf({ [variable]: empty });
      expect(resolveOptions({ explicit: { apiKey: KEY }, config }).options).toEqual(options);
      expect(readVariables(config.get.bind(config))).not.toHaveProperty(option);
    }
  });
});

describe('fields of an option that have variables', () => {
  it.each<[variable: string, text: string, events: object]>([
    ['POSTHOG_EVENTS_UNKNOWN', ' Warn', { unknown: 'warn' }],
    ['POSTHOG_EVENTS_INVALID', 'refuse', { invalid: 'refuse' }],
    ['POSTHOG_EVENTS_PII', 'drop', { pii: 'drop' }],
    ['POSTHOG_EVENTS_PII_SECRET', ' Pepper ', { piiSecret: 'Pepper' }],
  ])('%s', (variable, text, events) => {
    expect(fromVariable(variable, text).events).toEqual(events);
    expect(fromVariable(variable, ' ').events).toEqual({});
  });

  it('add to those given in code, which take precedence', () => {
    const config = configOf({ POSTHOG_EVENTS_UNKNOWN: 'warn', POSTHOG_EVENTS_PII_SECRET: 'pepper' });
    const explicit = { apiKey: KEY, events: { unknown: 'allow', pii: 'hash', invalid: undefined } };
    expect(resolveOptions({ config, explicit }).options.events).toEqual({
      unknown: 'allow',
      pii: 'hash',
      piiSecret: 'pepper',
    });
  });

  it('are named in the problem, for a named instance as well', () => {
    expect(problemOf('POSTHOG_EVENTS_UNKNOWN', 'sometimes')).toEqual([
      'events (POSTHOG_EVENTS_UNKNOWN): got an object; expected unknown to be one of allow, warn, refuse',
    ]);
    const config = configOf({ POSTHOG_BILLING_API_KEY: KEY, POSTHOG_BILLING_EVENTS_PII: 'hash' });
    expect(problemsOf({ config, name: 'billing' })).toEqual([
      'events (POSTHOG_BILLING_EVENTS_PII_SECRET): got an object; expected piiSecret to be set, because pii is hash',
    ]);
  });
});

describe('booleans', () => {
  it.each(['true', 'TRUE', ' True ', '1', 'yes', 'Yes', 'on', 'ON'])('%j is true', (text) => {
    expect(fromVariable('POSTHOG_HISTORICAL_MIGRATION', text).historicalMigration).toBe(true);
  });

  it.each(['false', 'FALSE', ' False\n', '0', 'no', 'NO', 'off', 'Off'])('%j is false', (text) => {
    expect(fromVariable('POSTHOG_DISABLE_GEOIP', text).disableGeoip).toBe(false);
  });

  it.each(['2', 'y', 'enabled', 'truee', 'constructor'])('%j is refused', (text) => {
    expect(problemOf('POSTHOG_ENABLED', text)).toEqual([
      `enabled (POSTHOG_ENABLED): got "${text}"; expected true or false`,
    ]);
  });
});

describe('integers', () => {
  it.each(['10_000', '10,000', '5s', '1e3', '0x10', '1.0', '1.5', 'ten', '--1', '- 1', 'Infinity', 'NaN'])(
    '%j is refused, with the variable and the value',
    (text) => {
      expect(problemOf('POSTHOG_FLUSH_AT', text)).toEqual([
        `flushAt (POSTHOG_FLUSH_AT): got "${text}"; expected a whole number of events, 1 or more`,
      ]);
    },
  );

  it.each(['-5', '0'])('%j is parsed, and refused as too small', (text) => {
    expect(problemOf('POSTHOG_CONCURRENCY', text)).toEqual([
      `concurrency (POSTHOG_CONCURRENCY): got ${text}; expected a whole number of requests, 1 or more`,
    ]);
  });
});

describe('words', () => {
  it.each([
    ['POSTHOG_CAPTURE_MODE', 'v2', 'captureMode (POSTHOG_CAPTURE_MODE): got "v2"; expected one of v0, v1'],
    ['POSTHOG_COMPRESSION', 'br', 'compression (POSTHOG_COMPRESSION): got "br"; expected one of gzip, none'],
  ])('%s=%s is refused', (variable, text, problem) => {
    expect(problemOf(variable, text)).toEqual([problem]);
  });
});

describe('values that a validation schema has converted', () => {
  it.each([
    ['POSTHOG_FLUSH_AT', 7, 'flushAt'],
    ['POSTHOG_ENABLED', false, 'enabled'],
    ['POSTHOG_MAX_RETRIES', 0, 'maxRetries'],
  ])('%s=%j is kept', (variable, value, option) => {
    expect(fromVariable(variable, value)).toHaveProperty(option, value);
  });

  it('are validated', () => {
    expect(problemOf('POSTHOG_FLUSH_AT', 1.5)).toEqual([
      'flushAt (POSTHOG_FLUSH_AT): got 1.5; expected a whole number of events, 1 or more',
    ]);
  });
});

describe('named instances', () => {
  it.each([
    ['billing', 'POSTHOG_BILLING_FLUSH_AT'],
    ['billing-eu', 'POSTHOG_BILLING_EU_FLUSH_AT'],
    ['Billing.EU 2', 'POSTHOG_BILLING_EU_2_FLUSH_AT'],
    ['größe', 'POSTHOG_GR__E_FLUSH_AT'],
  ])('%j reads %s', (name, variable) => {
    expect(variableOf('flushAt', name)).toBe(variable);
    const config = configOf({ [variable]: '7' });
    expect(resolveOptions({ explicit: { apiKey: KEY }, name, config }).options.flushAt).toBe(7);
  });

  it('never read the variables or the namespace of the default instance', () => {
    const defaults = Object.fromEntries(VARIABLES.map(([, variable, text]) => [variable, text]));
    const config = configOf({ ...defaults, posthog: { apiKey: KEY, flushAt: 9 } });
    expect(problemsOf({ name: 'billing', config })).toEqual([
      expect.stringMatching(/^apiKey \(POSTHOG_BILLING_API_KEY\): got nothing/),
    ]);
    const { options } = resolveOptions({ explicit: { apiKey: KEY }, name: 'billing', config });
    expect(options).toEqual(resolveOptions({ explicit: { apiKey: KEY } }).options);
  });

  it('are named in the error, with their own variables', () => {
    const config = configOf({ POSTHOG_BILLING_ENABLED: 'maybe', POSTHOG_BILLING_API_KEY: KEY });
    const problem = problemsOf({ name: 'billing', config });
    expect(problem).toEqual(['enabled (POSTHOG_BILLING_ENABLED): got "maybe"; expected true or false']);
  });

  it('cannot collide with a variable of the default instance, whatever their name', () => {
    const suffixes = VARIABLES.map(([, variable]) => variable.slice('POSTHOG'.length));
    for (const suffix of suffixes) {
      expect(suffixes.filter((other) => other !== suffix && other.endsWith(suffix))).toEqual([]);
    }
  });

  it.each(['', '--', 'ß', 'phc_ZxKqLwRtVbNm', 'PHX_ZxKqLwRtVbNm'])('cannot be named %j', (name) => {
    const [problem, ...others] = problemsOf({ explicit: { apiKey: KEY }, name });
    expect(others).toEqual([]);
    expect(problem).toMatch(/^name: expected a word such as "billing"/);
    expect(problem).not.toContain('ZxKqLwRtVbNm');
  });
});
