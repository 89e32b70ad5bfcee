import { types } from 'node:util';
import { isEventName } from '../context/event-name.js';
import { toJson } from '../json/safe-json.js';
import { type CaptureQueue } from '../queue/capture-queue.js';
import { contentOf, isObject, plainCopy } from '../shared/untrusted-values.js';
import { eventsProblem } from './events-rules.js';
import { EXPECTED_LIMITS, limitsProblem } from './limits-rules.js';
import { oneOf, wordMeant } from '../shared/field-rules.js';
import { EXPECTED_EXCEPTIONS, exceptionProblem } from './exception-options.js';
import {
  optionRule as rule,
  parseBoolean,
  parseInteger,
  parseJson,
  parseText,
  parseWord,
  parseWords,
} from './option-rule.js';
import {
  hasMethods,
  hasOnly,
  isFunction,
  isIntegerBetween,
  isSynchronousFunction,
  LONGEST_TIMER_MS,
  optional,
  type Predicate,
} from './predicates.js';

/** @param unit plural, such as "events" or "bytes" */
export const IsCount = (unit: string, min: 0 | 1 = 1) =>
  rule({
    name: 'isCount',
    isValid: isIntegerBetween(min, Number.MAX_SAFE_INTEGER),
    expected: `a whole number of ${unit}, ${min} or more`,
    parse: parseInteger,
  });

/** Milliseconds that `setTimeout` can wait, at most 24.8 days. */
export const IsDelay = (min: 0 | 1 = 0) =>
  rule({
    name: 'isDelay',
    isValid: isIntegerBetween(min, LONGEST_TIMER_MS),
    expected: `a whole number of milliseconds from ${min} to ${LONGEST_TIMER_MS}`,
    parse: parseInteger,
  });

/** Milliseconds that are compared and never waited for, so they may exceed any timer. */
export const IsOptionalAge = () =>
  rule({
    name: 'isOptionalAge',
    isValid: optional(isIntegerBetween(1, Number.MAX_SAFE_INTEGER)),
    expected: 'a whole number of milliseconds, 1 or more',
    parse: parseInteger,
  });

export const IsSwitch = () =>
  rule({
    name: 'isSwitch',
    isValid: (value) => typeof value === 'boolean',
    expected: 'true or false',
    parse: parseBoolean,
  });

export const IsOneOf = (...words: string[]) =>
  rule({
    name: 'isOneOf',
    isValid: (value) => words.includes(value as string),
    expected: oneOf(...words).text,
    parse: parseWord,
  });

export const IsSomeOf = (...words: string[]) =>
  rule({
    name: 'isSomeOf',
    isValid: (value) => {
      const given: unknown[] = Array.isArray(value) ? value : [value];
      return given.length > 0 && given.every((word) => typeof word === 'string' && words.includes(word));
    },
    expected: (value) => {
      const wrong = [value].flat().find((word) => !words.includes(word as string));
      return `one of ${words.join(', ')}, or a list of them${wordMeant(wrong, words)}`;
    },
    parse: parseWords,
  });

/** Larger ones would make every event too large, and cost each `capture` the time to find out. */
export const IsSuperProperties = () =>
  rule({
    name: 'isSuperProperties',
    isValid: (value, { maxEventBytes }) => {
      const content = contentOf(value);
      const limit = typeof maxEventBytes === 'number' ? maxEventBytes : Infinity;
      if (content === null) return false;
      return Object.keys(content).length === 0 || toJson(plainCopy(content), limit) !== 'too_large';
    },
    expected: (value) => (isObject(value) ? 'an object whose JSON is smaller than maxEventBytes' : 'an object'),
  });

export const IsOptionalCallback = () =>
  rule({ name: 'isOptionalCallback', isValid: optional(isFunction), expected: 'a function' });

/** An async filter would drop every event, so it is refused at boot. */
export const IsOptionalBeforeSend = () =>
  rule({
    name: 'isOptionalBeforeSend',
    isValid: optional((value) => (Array.isArray(value) ? value : [value]).every(isSynchronousFunction)),
    expected: 'a synchronous function, or an array of them',
  });

/** The result of an async function would come too late to identify anybody, so it is refused at boot. */
export const IsOptionalIdentity = () =>
  rule({ name: 'isOptionalIdentity', isValid: optional(isSynchronousFunction), expected: 'a synchronous function' });

const REQUEST_TRACKING: Readonly<Record<string, Predicate>> = {
  event: isEventName,
  sampleRate: (value) => typeof value === 'number' && value >= 0 && value <= 1,
  ignore: (value) => Array.isArray(value) && value.every((one) => typeof one === 'string' || types.isRegExp(one)),
};

export const IsRequestTracking = () =>
  rule({
    name: 'isRequestTracking',
    isValid: (value) => typeof value === 'boolean' || hasOnly(REQUEST_TRACKING)(value),
    expected:
      'true, false, or an object with event (an event name), sampleRate (0 to 1) and ignore (an array of paths such as ' +
      '"/health" and "/static/*", and of regular expressions)',
  });

export const IsExceptionOptions = () =>
  rule({
    name: 'isExceptionOptions',
    isValid: (value) => exceptionProblem(value) === null,
    expected: (value) => exceptionProblem(value) ?? EXPECTED_EXCEPTIONS,
  });

export const IsEventsOptions = () =>
  rule({
    name: 'isEventsOptions',
    isValid: (value) => eventsProblem(value) === null,
    expected: (value) => eventsProblem(value) ?? 'an object',
    fields: { unknown: parseWord, invalid: parseWord, pii: parseWord, piiSecret: parseText },
  });

export const IsLimits = () =>
  rule({
    name: 'isLimits',
    isValid: (value) => limitsProblem(value) === null,
    expected: (value) => limitsProblem(value) ?? EXPECTED_LIMITS,
    parse: parseJson,
  });

export const IsOptionalStore = () =>
  rule({
    name: 'isOptionalStore',
    isValid: optional((value) =>
      typeof value === 'string' ? value.trim() !== '' : hasMethods(value, 'recover', 'append', 'remove', 'close'),
    ),
    expected: 'a store, such as fileEventStore({ path }), or the path of a directory',
    parse: parseText,
    variable: 'storePath',
  });

export const EXPECTED_QUEUE =
  'a queue, such as redisQueue({ connection }), or the URL of a Redis (redis:// or rediss://)';

/** A queue, or the URL of one. */
export function isQueue(value: unknown): value is CaptureQueue | string {
  return typeof value === 'string'
    ? /^rediss?:\/\/[^\s]+$/i.test(value)
    : hasMethods(value, 'sender', 'source', 'sample');
}

export const IsOptionalQueue = () =>
  rule({
    name: 'isOptionalQueue',
    isValid: optional(isQueue),
    expected: EXPECTED_QUEUE,
    parse: parseText,
    variable: 'queueUrl',
  });

export const IsOptionalLogger = () =>
  rule({
    name: 'isOptionalLogger',
    isValid: optional((value) => hasMethods(value, 'log', 'warn', 'error')),
    expected: "a logger with Nest's methods log, warn and error",
  });

/** Refuses an axios instance and an HttpService instance, which are common mistakes. */
export const IsOptionalHttp = () =>
  rule({
    name: 'isOptionalHttp',
    isValid: optional((value) => {
      if (typeof value === 'string') return value.trim() !== '';
      if (typeof value === 'function') return !('interceptors' in value);
      return typeof value === 'symbol' || (isObject(value) && !('axiosRef' in value));
    }),
    expected:
      'axios settings, or the injection token (class, string or symbol) of an HttpService, not the instance itself',
  });

/** Printable ASCII without whitespace, because `captureMode: 'v1'` sends the key in a request header. */
export const IsProjectApiKey = () =>
  rule({
    name: 'isProjectApiKey',
    isValid: (value) => typeof value === 'string' && keyProblem(value) === null,
    expected: (value) => EXPECTED_KEY + ((typeof value === 'string' ? keyProblem(value) : null) ?? ''),
    parse: parseText,
  });

const EXPECTED_KEY = 'the project API key (phc_…, from the settings of the PostHog project)';

/** Continues the sentence of EXPECTED_KEY; null for a valid key. Never quotes the key. */
function keyProblem(key: string): string | null {
  if (key === '') {
    return (
      '. Set it, or set `enabled: false` to run without PostHog. If a ConfigModule with an asynchronous `load` provides it, ' +
      'give that ConfigModule `isGlobal: true`, or use `forRootAsync`'
    );
  }
  return KEY_PROBLEMS.find(([pattern]) => pattern.test(key))?.[1] ?? null;
}

/** What is left if nothing has replaced it by the key. */
const PLACEHOLDER = /^(?:[${<%]|(?:undefined|null)$)/i;

/** True for a key that an instance which is disabled may have. */
export const isPlaceholder = (key: unknown): boolean => typeof key === 'string' && PLACEHOLDER.test(key);

/** PostHog's API v0 answers 200 to any key, so that events with a wrong one would be lost without an error. */
const KEY_PROBLEMS: readonly (readonly [RegExp, string])[] = [
  [/^phx_/, ', not a personal API key (phx_…), which cannot capture events'],
  [/^phs_/, ', not a feature flags secure key (phs_…), which cannot capture events'],
  [/^https?:/i, ', not a URL: are the key and the host swapped?'],
  [/^["'`]|["'`]$/, ', without the quotes around it, which `docker run --env-file` keeps'],
  [/^POSTHOG_\w*=/i, ', not the name of a variable: give the value only'],
  [PLACEHOLDER, ', not a placeholder: it was not replaced by the key'],
  [/[^\x21-\x7e]/, ', without whitespace, control characters or characters outside ASCII'],
];

export const IsHost = () => rule({ name: 'isHost', isValid: isHost, expected: expectedHost, parse: parseText });

function isHost(value: unknown): boolean {
  if (typeof value !== 'string' || !/^https?:\/\/[^\s?#]+$/i.test(value) || !URL.canParse(value)) return false;
  const { username, password, pathname } = new URL(value);
  return username === '' && password === '' && !ENDPOINT.test(pathname);
}

/** Paths that are added to the host. */
const ENDPOINT = /\/(?:batch|i\/v0\/e|i\/v0\/ai\/batch|i\/v1\/analytics\/events|i\/v1\/ai\/events)\/?$/i;

function expectedHost(value: unknown): string {
  const isEndpoint = typeof value === 'string' && URL.canParse(value) && ENDPOINT.test(new URL(value).pathname);
  const hasScheme = typeof value !== 'string' || /^[a-z][a-z\d+.-]*:\/\//i.test(value);
  return (
    'an absolute http(s) URL without credentials, query or fragment, such as https://us.i.posthog.com' +
    (hasScheme ? '' : '; put https:// (or http://) in front') +
    (isEndpoint ? '; without the path of an endpoint' : '')
  );
}
