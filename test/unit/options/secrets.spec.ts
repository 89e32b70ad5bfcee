import { describe, expect, it } from '@jest/globals';
import { OPTION_NAMES, variableOf } from '../../../lib/options/environment.js';
import { type OptionSources } from '../../../lib/options/resolve-options.js';
import { configOf, errorOf } from './helpers.js';

/** Keys of every kind. Each holds SECRET, which no message may hold. */
const SECRET = 'Zx9KqLw3';
const KEYS: [kind: string, key: string][] = [
  ['project', `phc_${SECRET}RtVb7NmAs5DfGh2JkPoIuYtReWqZxCvBnM1`],
  ['personal', `phx_${SECRET}RtVb7NmAs5DfGh2JkPoIuYtReWqZxCvBnM1`],
  ['short', `phc_${SECRET}`],
  ['older, without a prefix', `${SECRET}RtVb7NmAs5DfGh2JkPoIuYtReWqZxCvBnM1`],
];
const variables = OPTION_NAMES.map((option) => variableOf(option)).filter((variable) => variable !== undefined);
/** Makes every message a boot error, also where the key itself is fine. */
const BROKEN = { concurrency: 0 };

function expectSilence(sources: OptionSources): void {
  const error = errorOf(sources);
  for (const text of [error.message, String(error.stack), JSON.stringify(error), ...error.problems]) {
    expect(text).not.toContain(SECRET);
    expect(text.toLowerCase()).not.toContain(SECRET.toLowerCase());
  }
}

describe.each(KEYS)('a key (%s) is in no message', (_, key) => {
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

  it('given for an option that does not exist', () => {
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
  ])('given within a host (%#)', (host) => {
    expectSilence({ explicit: { host: host(key) } });
    expectSilence({ explicit: { apiKey: key, host: host(key) } });
  });

  it('given within the path of a host that is refused', () => {
    expectSilence({ explicit: { apiKey: key, host: `us.i.posthog.com/${key}` } });
  });

  it('swapped with the host', () => {
    expectSilence({ explicit: { apiKey: 'https://us.i.posthog.com', host: key } });
  });
});

it('the length of a key is told, to find out what was pasted', () => {
  expect(errorOf({ explicit: { apiKey: 'phx_12345678' } }).message).toContain('got a string of 12 characters');
});
