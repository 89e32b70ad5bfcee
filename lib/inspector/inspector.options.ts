import { type CanActivate, type DynamicModule, type Type } from '@nestjs/common';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { type Mask } from '../live/mask.js';
import { didYouMean } from '../shared/did-you-mean.js';

/** Options of the inspector that may come from a factory. `undefined` means the default. */
export interface PostHogCaptureInspectorOptions {
  /** Serves the page. Default: true if NODE_ENV is `development` or `test`, or if there is a `token` or a `guard`; otherwise false. */
  enabled?: boolean | undefined;
  /**
   * Secret that opens the page, at least 16 characters. Open the page once with `?token=…`, which sets a cookie, or send it as
   * `Authorization: Bearer …`. Default: none.
   */
  token?: string | undefined;
  /**
   * Properties whose values are hidden, at any depth: names (case-insensitive; `*` matches any text), regular expressions for names, or a
   * function that is called with the name and the names of the enclosing objects. `distinct_id` also hides the distinct id. Default: none.
   */
  mask?: Mask | undefined;
  /** Maximum number of events kept while a page is open, 1 to 5000. Default: 500. */
  maxEvents?: number | undefined;
  /** Allows access from other machines. Requires a `token` or a `guard`. Default: false. */
  allowRemote?: boolean | undefined;
}

/** Options that define the module itself and cannot come from a factory. */
export interface PostHogCaptureInspectorExtras {
  /** Path of the page. A global prefix of the application applies. Default: `/_posthog`. */
  path?: string | undefined;
  /** Name of the instance to show. Default: the default instance. */
  name?: string | undefined;
  /** Guard that must allow each request for the page, as a class or an object. Default: none. */
  guard?: Type<CanActivate> | CanActivate | undefined;
  /** Decorators for the controller, for application-wide guards that read metadata: `[Public()]`. Default: none. */
  decorators?: readonly ClassDecorator[] | undefined;
}

/** Options of `forRoot`. */
export interface PostHogCaptureInspectorModuleOptions
  extends PostHogCaptureInspectorOptions, PostHogCaptureInspectorExtras {
  /** Modules whose providers the guard injects. */
  imports?: DynamicModule['imports'];
}

/** The resolved options. */
export interface InspectorSettings {
  readonly isOn: boolean;
  readonly path: string;
  readonly token: string | null;
  /** Has a token or a guard. */
  readonly isProtected: boolean;
  readonly allowRemote: boolean;
  readonly maxEvents: number | undefined;
  readonly mask: Mask | undefined;
  /** Logged at boot. */
  readonly bootMessage: string;
}

const OPTION_NAMES: readonly (keyof PostHogCaptureInspectorOptions)[] = [
  'enabled',
  'token',
  'mask',
  'maxEvents',
  'allowRemote',
];
const MIN_TOKEN_LENGTH = 16;
const MAX_EVENTS = 5000;

/** @throws PostHogConfigurationError with all invalid options */
export function resolveSettings(
  options: PostHogCaptureInspectorOptions,
  { path: given = '/_posthog', guard, name }: PostHogCaptureInspectorExtras,
): InspectorSettings {
  const path = `/${given.replace(/^\/+|\/+$/g, '')}`;
  const { token, mask, maxEvents, allowRemote = false } = options;
  const isProtected = token !== undefined || guard !== undefined;
  const { NODE_ENV: environment = '' } = process.env;
  const isProduction = environment.trim().toLowerCase() === 'production';
  const isLocal = environment === 'development' || environment === 'test';
  const problems = Object.keys(options).flatMap(unknownOption);
  // A string from the environment, such as 'false', would count as true.
  for (const option of ['enabled', 'allowRemote'] as const) {
    if (!['boolean', 'undefined'].includes(typeof options[option])) problems.push(`${option}: expected true or false`);
  }
  if (token !== undefined && !(typeof token === 'string' && token.length >= MIN_TOKEN_LENGTH))
    problems.push(`token: expected at least ${MIN_TOKEN_LENGTH} characters`);
  if (allowRemote && !isProtected) problems.push('allowRemote: requires a token or a guard');
  if (options.enabled === true && isProduction && !isProtected)
    problems.push('enabled: in production the inspector requires a token or a guard');
  if (maxEvents !== undefined && !(Number.isInteger(maxEvents) && maxEvents >= 1 && maxEvents <= MAX_EVENTS))
    problems.push(`maxEvents: expected a whole number from 1 to ${MAX_EVENTS}`);
  if (mask !== undefined && !isMask(mask))
    problems.push('mask: expected an array of names and regular expressions, or a function');
  if (problems.length > 0) {
    throw new PostHogConfigurationError(
      problems.map((problem) => `inspector: ${problem}`),
      name,
    );
  }
  const isOn = options.enabled ?? (isLocal || isProtected);
  const keys = [...(token === undefined ? [] : ['a token']), ...(guard === undefined ? [] : ['a guard'])].join(' and ');
  const reach = allowRemote ? 'from all machines' : 'from this machine only';
  const reason =
    options.enabled === false
      ? 'the option enabled is false'
      : isProduction
        ? 'in production it requires a token or a guard'
        : 'NODE_ENV is neither development nor test. Set it, or the option enabled: true, or configure a token or a guard';
  return {
    isOn,
    path,
    token: token ?? null,
    isProtected,
    allowRemote,
    maxEvents,
    mask,
    bootMessage: isOn
      ? `The inspector is available at ${path} ${reach}${keys === '' ? '' : `, protected by ${keys}`}${isProduction ? ', in production' : ''}.`
      : `The inspector is off: ${reason}.`,
  };
}

/** A misspelled option would be ignored, for example `mask`. */
function unknownOption(option: string): string[] {
  if ((OPTION_NAMES as readonly string[]).includes(option)) return [];
  const meant = didYouMean(option, OPTION_NAMES);
  return [`${option}: there is no such option${meant === undefined ? '' : `; did you mean ${meant}?`}`];
}

function isMask(mask: unknown): boolean {
  if (typeof mask === 'function') return true;
  return Array.isArray(mask) && mask.every((rule) => typeof rule === 'string' || rule instanceof RegExp);
}
