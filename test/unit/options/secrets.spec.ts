import { describe, expect, it } from '@jest/globals';
import { OPTION_NAMES, variableOf } from '../../../lib/options/environment.js';
import { type OptionSources } from '../../../lib/options/resolve-options.js';
import { configOf, errorOf } from './helpers.js';

/** Every kind of key. Each contains SECRET, which no message may contain. */
const SECRET = 'Zx9KqLw3';
const KEYS: [kind: string, key: string][] = [
  ['project', `phc_${SECRET}RtVb7NmAs5DfGh2JkPoIuYtReWqZxCvBnM1`],
  ['personal', `phx_${SECRET}RtVb7NmAs5DfGh2JkPoIuYtReWqZxCvBnM1`],
  ['short', `phc_${SECRET}`],
  ['older, without a prefix', `${SECRET}RtVb7NmAs5DfGh2JkPoIuYtReWqZxCvBnM1`],
];
const variables = OPTION_NAMES.map((option) => variableOf(option)).filter((variable) => variable !== undefined);
/** Causes a boot error even if the key is valid. */
const BROKEN = { concurrency: 0 };

function expectSilence(sources: OptionSources): void {
  const error = errorOf(sources);
  for (const text of [error.message, String(error.stack), JSON.stringify(error), ...error.problems]) {
    expect(text).not.toContain(SECRET);
    expect(text.toLowerCase()).not.toContain(SECRET.toLowerCase());
  }
}

describe.each(KEYS)('no message contains a key (%s)', (_, key) => {
  it.each(OPTION_NAMES)('given for %s', (option) => {
    expectSilence({ explicit: { ...BROKEN, [option]: key } });
    expectSilence({ explicit: { ...BROKEN, [option]: `\t${key}\nx` } });
    expectSilence({ explicit: { ...BROKEN, apiKey: key, [option]: key } });
    expectSilence({ explicit: { ...BROKEN, [option]: [key] } });
    expectSilence({ explicit: { ...BROKEN, [option]: { key } } });
  });

  it.each(variables)('given in %s', (variable) => {
    expectSilence({ explicit: BROKEN, config: configOf({ [variable]: key }) });
    expectSilence({ explicit: BROKEN, config: configOf({ [variable]: `${key} ${key}` }) });
  });

  it('given in the namespace', () => {
    for (const option of OPTION_NAMES) {
      expectSilence({ explicit: BROKEN, config: configOf({ posthog: { [option]: key } }) });
    }
  });

  it('given for an unknown option', () => {
    for (const option of ['api_key', 'token', 'nonsense']) expectSilence({ explicit: { [option]: key } });
  });

  it('given as the name of an option', () => {
    if (key.startsWith('ph')) expectSilence({ explicit: { [key]: true } });
    expectSilence({ explicit: { apiKey: key, [key]: true } });
  });

  it('given instead of the options', () => {
    expectSilence({ explicit: key });
  });

  it.each([
    (k: string) => `https://${k}@us.i.posthog.com`,
    (k: string) => `https://user:${k}@us.i.posthog.com`,
    (k: string) => `${k}@us.i.posthog.com`,
    (k: string) => `https://us.i.posthog.com/?api_key=${k}`,
    (k: string) => `https://us.i.posthog.com/#${k}`,
    (k: string) => `us.i.posthog.com?token=${k}`,
  ])('given in a host (%#)', (host) => {
    expectSilence({ explicit: { host: host(key) } });
    expectSilence({ explicit: { apiKey: key, host: host(key) } });
  });

  it('given in the path of an invalid host', () => {
    expectSilence({ explicit: { apiKey: key, host: `us.i.posthog.com/${key}` } });
  });

  it('swapped with the host', () => {
    expectSilence({ explicit: { apiKey: 'https://us.i.posthog.com', host: key } });
  });
});

it('the boot error contains the length of a key, to find out what was pasted', () => {
  expect(errorOf({ explicit: { apiKey: 'phx_12345678' } }).message).toContain('got a string of 12 characters');
});
