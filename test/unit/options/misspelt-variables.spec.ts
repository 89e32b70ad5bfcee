import { afterEach, describe, expect, it } from '@jest/globals';
import { OPTION_NAMES, variableOf } from '../../../lib/options/environment.js';
import { misspeltVariables } from '../../../lib/options/misspelt-variables.js';
import { resolveOptions } from '../../../lib/options/resolve-options.js';
import { KEY, problemsOf } from './helpers.js';

const set: string[] = [];

function setVariable(name: string, value: string): void {
  process.env[name] = value;
  set.push(name);
}

afterEach(() => {
  for (const name of set.splice(0)) Reflect.deleteProperty(process.env, name);
});

const of = (variable: string, name?: string): string[] => misspeltVariables({ [variable]: 'secret' }, name);
const sentence = (variable: string, meant: string): string =>
  `"${variable}" is not a variable of nestjs-posthog-capture. Did you mean ${meant}?`;

describe('a variable that resembles one of the package', () => {
  it.each([
    ['POSTHOG_LIMIT', 'POSTHOG_LIMITS'],
    ['POSTHOG_FLUSHAT', 'POSTHOG_FLUSH_AT'],
    ['POSTHOG_MAX_BATCH_EVENT', 'POSTHOG_MAX_BATCH_EVENTS'],
    ['POSTHOG_APIKEY', 'POSTHOG_API_KEY'],
    ['posthog_api_key', 'POSTHOG_API_KEY'],
    ['POSTHOG_DISABLE_GEO_IP', 'POSTHOG_DISABLE_GEOIP'],
    ['POSTHOG_EVENT_UNKNOWN', 'POSTHOG_EVENTS_UNKNOWN'],
    ['POSTHOG_EVENTS_PII_SECRT', 'POSTHOG_EVENTS_PII_SECRET'],
    ['POSTHOG_STORE_PAHT', 'POSTHOG_STORE_PATH'],
    ['POSTHOG_QUEUE_ULR', 'POSTHOG_QUEUE_URL'],
    ['POSTHOG_OUTBOX_ULR', 'POSTHOG_OUTBOX_URL'],
    ['POSTHOG_SECRETKEY', 'POSTHOG_SECRET_KEY'],
    ['POSTHOG_STORE', 'POSTHOG_STORE_PATH'],
    ['POSTHOG_QUEUE', 'POSTHOG_QUEUE_URL'],
    ['POSTHOG_POSTHOG_COKIE', 'POSTHOG_POSTHOG_COOKIE'],
  ])('%s is found', (variable, meant) => {
    expect(of(variable)).toEqual([sentence(variable, meant)]);
    expect(misspeltVariables({ [variable]: ' ' }, undefined)).toEqual([]);
  });

  it.each(OPTION_NAMES.flatMap((option) => variableOf(option) ?? []))('%s is found with a letter missing', (right) => {
    const wrong = right.slice(0, -1);
    // Of four letters, none may be missing.
    expect(of(wrong)).toEqual(right === 'POSTHOG_HOST' ? [] : [sentence(wrong, right)]);
    expect(of(right)).toEqual([]);
  });
});

describe('other variables are left alone:', () => {
  it.each([
    ...['POSTHOG_SECRET_KEY', 'POSTHOG_OUTBOX_URL', 'POSTHOG_RELEASE_ID', 'POSTHOG_EVENTS_PII'],
    ...['POSTHOG_CLI_API_KEY', 'POSTHOG_CLI_PROJECT_ID', 'POSTHOG_CLI_HOST', 'POSTHOG_CLI_TOKEN', 'POSTHOG_CLI_ENV_ID'],
    ...['POSTHOG_PERSONAL_API_KEY', 'POSTHOG_PROJECT_API_KEY', 'POSTHOG_PROJECT_ID', 'POSTHOG_PROJECT_TOKEN'],
    ...['POSTHOG_KEY', 'POSTHOG_PUBLIC_KEY', 'POSTHOG_TOKEN', 'POSTHOG_API_HOST', 'POSTHOG_UI_HOST'],
    ...['POSTHOG_DISABLED', 'POSTHOG_DEBUG', 'POSTHOG_FEATURE_FLAGS_SECURE_API_KEY', 'POSTHOG_NODE_CONSUMER'],
    ...['POSTHOG_DB_NAME', 'POSTHOG_DB_USER', 'POSTHOG_DB_PASSWORD', 'POSTHOG_POSTGRES_HOST', 'POSTHOG_POSTGRES_PORT'],
    ...['POSTHOG_REDIS_URL', 'POSTHOG_REDIS_HOST', 'POSTHOG_FORCE_URL_VALIDATION', 'POSTHOG_JS_S3_BUCKET'],
    ...['POSTHOG_HOBBY_DEPLOYMENT', 'POSTHOG_AI_GATEWAY_HOSTS', 'POSTHOG_CONNECT_OAUTH_CLIENT_ID_US'],
    ...['POSTHOG_API_KEY_EU', 'POSTHOG_API_KEY_2', 'POSTHOG_HOST_EU'],
    // Kubernetes sets these for a service "posthog".
    ...['POSTHOG_PORT', 'POSTHOG_SERVICE_HOST', 'POSTHOG_SERVICE_PORT', 'POSTHOG_PORT_8000_TCP_ADDR'],
    ...['POSTHOG', 'POSTHOG_', 'POSTHOG__', 'NEXT_PUBLIC_POSTHOG_FLUSHAT', 'FLUSHAT', `POSTHOG_${'X'.repeat(5000)}`],
  ])('%s', (variable) => {
    expect(of(variable)).toEqual([]);
    expect(of(variable, 'billing')).toEqual([]);
  });
});

describe('a named instance', () => {
  it('has its own variables', () => {
    const [wrong, right] = ['POSTHOG_BILLING_EU_FLUSHAT', 'POSTHOG_BILLING_EU_FLUSH_AT'];
    expect(of(wrong, 'billing-eu')).toEqual([sentence(wrong, right)]);
    expect(of(right, 'billing-eu')).toEqual([]);
    expect(of('POSTHOG_BILLING_EU_STORE', 'billing-eu')).toEqual([
      sentence('POSTHOG_BILLING_EU_STORE', 'POSTHOG_BILLING_EU_STORE_PATH'),
    ]);
    expect(of('POSTHOG_STORE', 'billing-eu')).toEqual([]);
    expect(of('POSTHOG_BILLING_EU_SECRET_KEY', 'billing-eu')).toEqual([]);
    expect(of('POSTHOG_FLUSHAT', 'billing-eu')).toEqual([]);
  });

  it.each(['POSTHOG_EU_HOST', 'POSTHOG_EU_HOSTS', 'POSTHOG_A_B_FLUSHAT', 'POSTHOG_BILLING_FLUSHAT'])(
    'reports %s itself',
    (variable) => {
      expect(of(variable)).toEqual([]);
    },
  );
});

it('is a warning at boot, once, and without the value', () => {
  setVariable('POSTHOG_CONCURENCY', 'secret');
  const warnings = [sentence('POSTHOG_CONCURENCY', 'POSTHOG_CONCURRENCY')];
  expect(resolveOptions({ explicit: { apiKey: KEY }, name: 'billing' }).warnings).toEqual([]);
  expect(resolveOptions({ explicit: { apiKey: KEY } }).warnings).toEqual(warnings);
  expect(resolveOptions({ explicit: { apiKey: KEY } }).warnings).toEqual([]);
});

it('is named in the error of options that are not valid, which it may have caused', () => {
  setVariable('POSTHOG_APIKEY', KEY);
  for (let boot = 0; boot < 2; boot += 1) {
    expect(problemsOf({})).toEqual([
      expect.stringMatching(/^apiKey \(POSTHOG_API_KEY\): got nothing;/),
      sentence('POSTHOG_APIKEY', 'POSTHOG_API_KEY'),
    ]);
  }
});

describe('without a key, the error names a variable that may have it:', () => {
  it.each([
    ['POSTHOG_KEY', 'POSTHOG_API_KEY', undefined],
    ['POSTHOG_PROJECT_API_KEY', 'POSTHOG_API_KEY', undefined],
    ['POSTHOG_PROJECT_TOKEN', 'POSTHOG_API_KEY', undefined],
    ['POSTHOG_BILLING_TOKEN', 'POSTHOG_BILLING_API_KEY', 'billing'],
  ])('%s', (variable, right, name) => {
    setVariable(variable, KEY);
    expect(problemsOf({ name })).toEqual([
      expect.stringMatching(/^apiKey \(POSTHOG_(BILLING_)?API_KEY\): got nothing;/),
      `"${variable}" is not a variable of nestjs-posthog-capture. If it is the project API key, set ${right} to it`,
    ]);
    expect(problemsOf({ explicit: { apiKey: KEY, flushAt: 0 }, name })).toHaveLength(1);
    expect(problemsOf({ explicit: { enabled: false, flushAt: 0 }, name })).toHaveLength(1);
  });
});
