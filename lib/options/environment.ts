import { type PostHogCaptureOptions } from './posthog-capture.options.js';

/** Options that hold code or objects and so have no variable. */
const CODE_ONLY = [
  'superProperties',
  'beforeSend',
  'onDrop',
  'onDelivery',
  'identity',
  'http',
  'requests',
  'logger',
] as const;

type CodeOnlyOption = (typeof CODE_ONLY)[number];

/** An option that has a variable. */
export type EnvironmentOption = Exclude<keyof PostHogCaptureOptions, CodeOnlyOption>;

/** Text to value. What it does not understand it returns as it is, for validation to name. */
type Parse = (text: string) => unknown;

const TRUE_WORDS = ['true', '1', 'yes', 'on'];
const FALSE_WORDS = ['false', '0', 'no', 'off'];

const asText: Parse = (text) => text.trim();
const asWord: Parse = (text) => text.trim().toLowerCase();
const asWords: Parse = (text) => (text.includes(',') ? text.split(',').map(asWord) : asWord(text));
const asInteger: Parse = (text) => (/^\s*-?\d+\s*$/.test(text) ? Number(text) : text);
const asBoolean: Parse = (text) => {
  const word = text.trim().toLowerCase();
  if (TRUE_WORDS.includes(word)) return true;
  return FALSE_WORDS.includes(word) ? false : text;
};

const PARSERS: Readonly<Record<EnvironmentOption, Parse>> = {
  apiKey: asText,
  host: asText,
  enabled: asBoolean,
  captureMode: asWord,
  flushAt: asInteger,
  flushIntervalMs: asInteger,
  maxBatchEvents: asInteger,
  maxBatchBytes: asInteger,
  maxEventBytes: asInteger,
  maxQueueEvents: asInteger,
  maxQueueBytes: asInteger,
  concurrency: asInteger,
  compression: asWord,
  requestTimeoutMs: asInteger,
  maxRetries: asInteger,
  retryBaseMs: asInteger,
  retryMaxMs: asInteger,
  coolDownMs: asInteger,
  maxEventAgeMs: asInteger,
  shutdownTimeoutMs: asInteger,
  disableGeoip: asBoolean,
  historicalMigration: asBoolean,
  context: asBoolean,
  tracingHeaders: asBoolean,
  requestProperties: asWords,
  store: asText,
};

const ENVIRONMENT_OPTIONS = Object.keys(PARSERS) as readonly EnvironmentOption[];

/** The names of all options. */
export const OPTION_NAMES: readonly string[] = [...ENVIRONMENT_OPTIONS, ...CODE_ONLY];

/** Where the variable says more than the option: it can give but one kind of value. */
const VARIABLE_WORDS: Partial<Record<EnvironmentOption, string>> = { store: 'storePath' };

const hasVariable = (option: string): option is EnvironmentOption => Object.hasOwn(PARSERS, option);

/**
 * The variable of an option: `flushAt` is `POSTHOG_FLUSH_AT`, and `POSTHOG_BILLING_EU_FLUSH_AT` for the instance
 * `billing-eu`. Undefined for options that only code can give.
 */
export function variableOf(option: string, instance?: string): string | undefined {
  if (!hasVariable(option)) return undefined;
  const words = (VARIABLE_WORDS[option] ?? option).replace(/[A-Z]/g, (capital) => `_${capital}`);
  return ['POSTHOG', instance?.replace(/[^A-Za-z0-9]/g, '_'), words]
    .filter((part) => part !== undefined)
    .join('_')
    .toUpperCase();
}

/** The value of an option that may be given as text. Anything but text, and text that says nothing to the option, stays. */
export function parseOption(option: string, value: unknown): unknown {
  return typeof value === 'string' && hasVariable(option) ? PARSERS[option](value) : value;
}

/** Whether a configured value says anything: a variable that is set to nothing is not given. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && !(typeof value === 'string' && value.trim() === '');
}

/**
 * The options that are given by variables, parsed.
 *
 * @param read answers the value of a variable: text, or what a validation schema made of it
 * @param instance the name of a named instance, which reads only its own variables
 */
export function readVariables(
  read: (variable: string) => unknown,
  instance?: string,
): Partial<Record<EnvironmentOption, unknown>> {
  const given: Partial<Record<EnvironmentOption, unknown>> = {};
  for (const option of ENVIRONMENT_OPTIONS) {
    const value = read(variableOf(option, instance) ?? '');
    if (isGiven(value)) given[option] = parseOption(option, value);
  }
  return given;
}
