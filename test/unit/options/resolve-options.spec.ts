import { describe, expect, it } from '@jest/globals';
import { PostHogConfigurationError } from '../../../lib/shared/configuration-error.js';
import { resolveOptions } from '../../../lib/options/resolve-options.js';
import { type PostHogCaptureModuleOptions } from '../../../lib/options/posthog-capture.options.js';
import { configOf, errorOf, KEY, problemsOf } from './helpers.js';

describe('precedence', () => {
  const variable = { POSTHOG_FLUSH_AT: '2' };
  const namespace = { posthog: { flushAt: 3 } };
  const explicit = { flushAt: 4 };

  it.each([
    ['nothing is given', {}, {}, 100],
    ['a variable', {}, variable, 2],
    ['the namespace over a variable', {}, { ...variable, ...namespace }, 3],
    ['the namespace as text', {}, { posthog: { flushAt: ' 3 ' } }, 3],
    ['the explicit option over both', explicit, { ...variable, ...namespace }, 4],
    ['the explicit option alone', explicit, {}, 4],
    ['an explicit undefined is not given', { flushAt: undefined }, { ...variable, ...namespace }, 3],
    ['an undefined in the namespace is not given', {}, { ...variable, posthog: { flushAt: undefined } }, 2],
    ['a null in the namespace is not given', {}, { ...variable, posthog: { flushAt: null } }, 2],
    ['a blank in the namespace is not given', {}, { ...variable, posthog: { flushAt: ' ' } }, 2],
    ['undefined everywhere', { flushAt: undefined }, { posthog: undefined, POSTHOG_FLUSH_AT: undefined }, 100],
  ])('%s', (_, given: PostHogCaptureModuleOptions, config, flushAt) => {
    expect(resolveOptions({ explicit: { apiKey: KEY, ...given }, config: configOf(config) }).options.flushAt).toBe(
      flushAt,
    );
  });

  it('applies to each option separately', () => {
    const config = configOf({
      POSTHOG_API_KEY: KEY,
      POSTHOG_HOST: 'https://variable.example.com',
      posthog: { host: 'https://namespace.example.com', concurrency: 2 },
    });
    const { options } = resolveOptions({ explicit: { maxRetries: 0 }, config });
    expect(options).toMatchObject({
      apiKey: KEY,
      host: 'https://namespace.example.com',
      concurrency: 2,
      maxRetries: 0,
      flushAt: 100,
    });
  });

  it('an invalid value is reported, not replaced from a lower source', () => {
    const config = configOf({ POSTHOG_FLUSH_AT: '2' });
    expect(problemsOf({ explicit: { apiKey: KEY, flushAt: 0 }, config })).toEqual([
      'flushAt (POSTHOG_FLUSH_AT): got 0; expected a whole number of events, 1 or more',
    ]);
    expect(problemsOf({ explicit: { apiKey: '' }, config: configOf({ POSTHOG_API_KEY: KEY }) })).toHaveLength(1);
  });

  it('the namespace may contain options without a variable', () => {
    const beforeSend = () => null;
    const config = configOf({ posthog: { apiKey: KEY, beforeSend, superProperties: { app: 'shop' } } });
    expect(resolveOptions({ config }).options).toMatchObject({ beforeSend, superProperties: { app: 'shop' } });
  });
});

describe('explicit options', () => {
  it.each([undefined, null, {}])('may be %j', (explicit) => {
    const config = configOf({ POSTHOG_API_KEY: KEY });
    expect(resolveOptions({ explicit, config }).options.apiKey).toBe(KEY);
  });

  it.each([
    ['phc_notAnObject', 'a string of 15 characters'],
    [[{ flushAt: 1 }], 'an array of 1'],
    [7, 'a number'],
    [() => ({}), 'a function'],
  ])('are refused if they are not an object: %p', (explicit, shown) => {
    expect(problemsOf({ explicit, config: configOf({ POSTHOG_API_KEY: KEY }) })).toEqual([
      `options: got ${shown}; expected an object`,
    ]);
  });

  it('are neither changed nor frozen', () => {
    const explicit = { apiKey: ` ${KEY} `, superProperties: { app: 'shop' }, flushAt: undefined };
    const { options } = resolveOptions({ explicit });
    expect(explicit).toEqual({ apiKey: ` ${KEY} `, superProperties: { app: 'shop' }, flushAt: undefined });
    expect([Object.isFrozen(explicit), Object.isFrozen(explicit.superProperties)]).toEqual([false, false]);
    expect(options.apiKey).toBe(KEY);
  });

  it('are not shared between instances', () => {
    const first = resolveOptions({ explicit: { apiKey: KEY } }).options;
    const second = resolveOptions({ explicit: { apiKey: KEY } }).options;
    expect(first.superProperties).not.toBe(second.superProperties);
  });
});

describe('the boot error', () => {
  it('lists every problem at once', () => {
    const error = errorOf({
      explicit: { flushat: 5, maxRetries: -1, onDrop: 'log' },
      config: configOf({ POSTHOG_HOST: 'us.i.posthog.com', posthog: { concurrency: '4x' } }),
    });
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe('PostHogConfigurationError');
    expect(error.problems.map((problem) => problem.split(/[ :]/)[0])).toEqual([
      'flushat',
      'apiKey',
      'host',
      'concurrency',
      'maxRetries',
      'onDrop',
    ]);
    expect(error.message).toBe(
      `The PostHog capture options are not valid:\n${error.problems.map((problem) => `  - ${problem}`).join('\n')}`,
    );
  });

  it('names the instance', () => {
    expect(errorOf({ name: 'billing' }).message).toMatch(
      /^The PostHog capture options of the instance "billing" are not valid:\n {2}- apiKey \(POSTHOG_BILLING_API_KEY\): /,
    );
  });

  it('exposes its name and problems only', () => {
    expect(Object.keys(new PostHogConfigurationError(['a'])).sort()).toEqual(['name', 'problems']);
  });
});

describe('typos', () => {
  it.each([
    ['flushat', 'flushAt'],
    ['flushAtt', 'flushAt'],
    ['flsuhAt', 'flushAt'],
    ['flush_at', 'flushAt'],
    ['POSTHOG_FLUSH_AT', 'flushAt'],
    ['apikey', 'apiKey'],
    ['api_key', 'apiKey'],
    ['hots', 'host'],
    ['enable', 'enabled'],
    ['flushInterval', 'flushIntervalMs'],
    ['requestTimeout', 'requestTimeoutMs'],
    ['disableGeoIP', 'disableGeoip'],
    ['before_send', 'beforeSend'],
    ['maxQueueSize', 'maxQueueEvents'],
    ['fetchRetryCount', 'maxRetries'],
    ['disabled', 'enabled'],
    ['token', 'apiKey'],
  ])('%s: did you mean %s?', (typo, meant) => {
    expect(problemsOf({ explicit: { apiKey: KEY, [typo]: 1 } })).toEqual([
      `${typo}: there is no such option; did you mean ${meant}?`,
    ]);
  });

  it.each(['port', 'featureFlagsPollingInterval', 'x', '', 'é'])('%j resembles no option', (unknown) => {
    expect(problemsOf({ explicit: { apiKey: KEY, [unknown]: 1 } })).toEqual([`${unknown}: there is no such option`]);
  });

  it.each(['name', 'isGlobal'])('%s in the result of a factory is refused', (extra) => {
    const [problem] = problemsOf({ explicit: { apiKey: KEY, [extra]: 'billing' } });
    expect(problem).toContain('pass it next to useFactory, useClass or useExisting');
  });

  it('an unknown option that is undefined counts as not given', () => {
    expect(resolveOptions({ explicit: { apiKey: KEY, flushat: undefined } }).warnings).toEqual([]);
  });
});

describe("the application's own posthog namespace", () => {
  it('may contain other entries', () => {
    const config = configOf({ posthog: { apiKey: KEY, featureFlagsUrl: 'x', port: 80 } });
    expect(resolveOptions({ config })).toMatchObject({ options: { apiKey: KEY }, warnings: [] });
  });

  it('causes a warning for an entry that resembles an option', () => {
    const config = configOf({ posthog: { apiKey: KEY, flushat: 5, disabled: 'secret' } });
    const { options, warnings } = resolveOptions({ config });
    expect(options.flushAt).toBe(100);
    expect(warnings).toEqual([
      '"posthog.flushat" of ConfigService is not an option. Did you mean "flushAt"?',
      '"posthog.disabled" of ConfigService is not an option. Did you mean "enabled"?',
    ]);
  });

  it.each(['phc_text', 5, []])('causes a warning if it is not an object: %j', (posthog) => {
    const { warnings } = resolveOptions({ explicit: { apiKey: KEY }, config: configOf({ posthog }) });
    expect(warnings).toEqual(['"posthog" of ConfigService is not an object. No option was read from it.']);
  });
});
