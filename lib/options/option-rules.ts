import { types } from 'node:util';
import { ValidateBy } from 'class-validator';
import { isObject } from '../shared/untrusted-values.js';

/**
 * The class-validator rules of the module's options. A rule's message completes the sentence "got …; expected …",
 * so that the boot error can put the option, its variable and the value in front of it.
 */

/** The longest delay of `setTimeout` in milliseconds; a longer one fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

type Holds = (value: unknown) => boolean;

function rule(name: string, expected: string | ((value: unknown) => string), holds: Holds): PropertyDecorator {
  const defaultMessage = (args?: { value: unknown }) =>
    typeof expected === 'string' ? expected : expected(args?.value);
  return ValidateBy({ name, validator: { validate: holds, defaultMessage } });
}

const optional =
  (holds: Holds): Holds =>
  (value) =>
    value === undefined || holds(value);

const isWholeFrom =
  (min: number, max: number): Holds =>
  (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max;

const isFunction: Holds = (value) => typeof value === 'function';

/** A whole number of `unit`, e.g. events or bytes, from `min` on. */
export const IsCount = (unit: string, min: 0 | 1 = 1) =>
  rule('isCount', `a whole number of ${unit}, ${min} or more`, isWholeFrom(min, Number.MAX_SAFE_INTEGER));

/** A delay that `setTimeout` can hold: whole milliseconds, at most 24.8 days. */
export const IsDelay = (min: 0 | 1 = 0) =>
  rule(
    'isDelay',
    `a whole number of milliseconds from ${min} to ${LONGEST_TIMER_MS}`,
    isWholeFrom(min, LONGEST_TIMER_MS),
  );

/** An age in whole milliseconds, or none. It is compared and never waited for, so it may exceed any timer. */
export const IsOptionalAge = () =>
  rule('isOptionalAge', 'a whole number of milliseconds, 1 or more', optional(isWholeFrom(1, Number.MAX_SAFE_INTEGER)));

/** true or false. */
export const IsSwitch = () => rule('isSwitch', 'true or false', (value) => typeof value === 'boolean');

/** One of a few words. */
export const IsOneOf = (...words: string[]) =>
  rule('isOneOf', `one of ${words.join(', ')}`, (value) => typeof value === 'string' && words.includes(value));

/** One of a few words, or several of them. */
export const IsSomeOf = (...words: string[]) =>
  rule('isSomeOf', `one of ${words.join(', ')}, or a list of them`, (value) => {
    const given: unknown[] = Array.isArray(value) ? value : [value];
    return given.length > 0 && given.every((word) => typeof word === 'string' && words.includes(word));
  });

/** A plain object. */
export const IsBag = () => rule('isBag', 'an object', isObject);

/** A function, or none. */
export const IsOptionalCallback = () => rule('isOptionalCallback', 'a function', optional(isFunction));

/** One or several functions that answer at once, or none. An async one could only ever drop events, so it is refused here. */
export const IsOptionalBeforeSend = () =>
  rule(
    'isOptionalBeforeSend',
    'a synchronous function, or an array of them',
    optional((value) => (Array.isArray(value) ? value : [value]).every(isSynchronousFunction)),
  );

const isSynchronousFunction: Holds = (value) =>
  isFunction(value) && Object.prototype.toString.call(value) !== '[object AsyncFunction]';

const REQUEST_TRACKING: Readonly<Record<string, Holds>> = {
  event: (value) => typeof value === 'string' && value.trim() !== '' && Buffer.byteLength(value) <= 200,
  sampleRate: (value) => typeof value === 'number' && value >= 0 && value <= 1,
  ignore: (value) => Array.isArray(value) && value.every((one) => typeof one === 'string' || types.isRegExp(one)),
};

/** Whether and how requests are captured. */
export const IsRequestTracking = () =>
  rule(
    'isRequestTracking',
    'true, false, or an object of event (a name), sampleRate (0 to 1) and ignore (a list of paths such as "/health" and "/static/*", and of regular expressions)',
    (value) =>
      typeof value === 'boolean' ||
      (isObject(value) &&
        Object.entries(value).every(
          ([name, given]) => given === undefined || REQUEST_TRACKING[name]?.(given) === true,
        )),
  );

/** A store, the path of one, or none. */
export const IsOptionalStore = () =>
  rule(
    'isOptionalStore',
    'a store, such as lmdbEventStore({ path }), or the path of a directory',
    optional((value) => {
      if (typeof value === 'string') return value.trim() !== '';
      return isObject(value) && ['recover', 'append', 'remove', 'close'].every((method) => isFunction(value[method]));
    }),
  );

/** A function that answers at once, or none: an async one could never say who acts. */
export const IsOptionalIdentity = () =>
  rule('isOptionalIdentity', 'a synchronous function', optional(isSynchronousFunction));

/** A logger with Nest's `log`, `warn` and `error`, or none. */
export const IsOptionalLogger = () =>
  rule(
    'isOptionalLogger',
    "a logger with Nest's methods log, warn and error",
    optional((value) => isObject(value) && ['log', 'warn', 'error'].every((method) => isFunction(value[method]))),
  );

/** Axios settings or an injection token, or none. The instances themselves are what people pass by mistake. */
export const IsOptionalHttp = () =>
  rule(
    'isOptionalHttp',
    'axios settings, or the injection token (class, string or symbol) of an HttpService, not the instance itself',
    optional((value) => {
      if (typeof value === 'string') return value.trim() !== '';
      if (typeof value === 'function') return !('interceptors' in value);
      return typeof value === 'symbol' || (isObject(value) && !('axiosRef' in value));
    }),
  );

/** A project API key: printable ASCII without blanks, because it may stand in a request header. */
export const IsProjectApiKey = () =>
  rule('isProjectApiKey', expectedKey, (value) => typeof value === 'string' && keyProblem(value) === null);

function expectedKey(value: unknown): string {
  const key = 'the project API key (phc_…, on the settings page of the PostHog project)';
  const problem = typeof value === 'string' ? keyProblem(value) : null;
  return problem === null ? key : key + problem;
}

/** What is wrong with a key, as the end of a sentence. Never quotes it. */
function keyProblem(key: string): string | null {
  if (key === '') {
    return (
      '. Set it, or set `enabled: false` to run without PostHog. Set by a ConfigModule with asynchronous `load`? ' +
      'Then give that ConfigModule `isGlobal: true`, or use `forRootAsync`'
    );
  }
  if (key.startsWith('phx_')) return ', not a personal API key (phx_…), which cannot capture events';
  if (/^https?:/i.test(key)) return ', not a URL: are the key and the host swapped?';
  if (!/^[\x21-\x7e]+$/.test(key)) return ', without blanks, control characters or letters outside ASCII';
  return null;
}

/** An absolute http(s) URL that holds nothing but origin and path. */
export const IsHost = () => rule('isHost', expectedHost, isHost);

function isHost(value: unknown): boolean {
  if (typeof value !== 'string' || !/^https?:\/\/[^\s?#]+$/i.test(value) || !URL.canParse(value)) return false;
  const { username, password } = new URL(value);
  return username === '' && password === '';
}

function expectedHost(value: unknown): string {
  const hasScheme = typeof value !== 'string' || /^[a-z][a-z\d+.-]*:\/\//i.test(value);
  return (
    'an absolute http(s) URL without credentials, query or fragment, such as https://us.i.posthog.com' +
    (hasScheme ? '' : '; put https:// (or http://) in front')
  );
}
