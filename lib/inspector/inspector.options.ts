import { type CanActivate, type DynamicModule, type Type } from '@nestjs/common';
import { PostHogConfigurationError } from '../options/configuration-error.js';
import { type Mask } from '../live/mask.js';
import { didYouMean } from '../shared/did-you-mean.js';

/** What an inspector can be told. An explicit `undefined` is "not given". */
export interface PostHogCaptureInspectorOptions {
  /** Whether there is a page. Default: true; false where NODE_ENV is `production` and neither `token` nor a guard is given. */
  enabled?: boolean | undefined;
  /**
   * A secret of at least 16 characters that opens the page: once as `?token=` in a browser, which then has a cookie, or as
   * `Authorization: Bearer`. Default: none.
   */
  token?: string | undefined;
  /**
   * Whose values are hidden, however deep they stand: names of properties (`*` stands for any text, case does not matter), patterns
   * on names, or a function that is told the name and the names around it. `distinct_id` hides that one as well. Default: none.
   */
  mask?: Mask | undefined;
  /** Most events that are remembered while somebody looks, 1 to 5000. Default: 500. */
  maxEvents?: number | undefined;
  /** Whether other machines than this one may look; only with a token or a guard. Default: false. */
  allowRemote?: boolean | undefined;
}

/** What shapes the module itself, so that it cannot come from a factory. */
export interface PostHogCaptureInspectorExtras {
  /** Where the page is, below the global prefix of the application if it has one. Default: `/_posthog`. */
  path?: string | undefined;
  /** The name of the instance that is shown. Default: the default instance. */
  name?: string | undefined;
  /** A guard that must let each request of the page pass, a class or an object. Default: none. */
  guard?: Type<CanActivate> | CanActivate | undefined;
  /** Applied to the controller, for application-wide guards and interceptors that look for metadata, e.g. `[Public()]`. */
  decorators?: readonly ClassDecorator[] | undefined;
}

/** The options of `forRoot`. */
export interface PostHogCaptureInspectorModuleOptions
  extends PostHogCaptureInspectorOptions, PostHogCaptureInspectorExtras {
  /** Modules that provide what the guard needs. */
  imports?: DynamicModule['imports'];
}

/** The same, decided. */
export interface InspectorSettings {
  readonly isOn: boolean;
  readonly path: string;
  readonly token: string | null;
  /** Whether a token or a guard keeps others out. */
  readonly isProtected: boolean;
  readonly allowRemote: boolean;
  readonly maxEvents: number | undefined;
  readonly mask: Mask | undefined;
  /** What the log says at boot. */
  readonly report: string;
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

/** @throws PostHogConfigurationError naming everything that cannot work */
export function resolveSettings(
  options: PostHogCaptureInspectorOptions,
  { path: given = '/_posthog', guard, name }: PostHogCaptureInspectorExtras,
): InspectorSettings {
  const path = `/${given.replace(/^\/+|\/+$/g, '')}`;
  const { token, mask, maxEvents, allowRemote = false } = options;
  const isProtected = token !== undefined || guard !== undefined;
  const isProduction = process.env.NODE_ENV === 'production';
  const problems = Object.keys(options).flatMap(unknownOption);
  // A text of the environment, such as 'false', would be taken for yes.
  for (const option of ['enabled', 'allowRemote'] as const) {
    if (!['boolean', 'undefined'].includes(typeof options[option])) problems.push(`${option}: expected true or false`);
  }
  if (token !== undefined && !(typeof token === 'string' && token.length >= MIN_TOKEN_LENGTH))
    problems.push(`token: expected at least ${MIN_TOKEN_LENGTH} characters`);
  if (allowRemote && !isProtected) problems.push('allowRemote: give a token or a guard as well, or anybody could look');
  if (options.enabled === true && isProduction && !isProtected)
    problems.push('enabled: in production give a token or a guard as well');
  if (maxEvents !== undefined && !(Number.isInteger(maxEvents) && maxEvents >= 1 && maxEvents <= MAX_EVENTS))
    problems.push(`maxEvents: expected a whole number from 1 to ${MAX_EVENTS}`);
  if (mask !== undefined && !isMask(mask)) problems.push('mask: expected a list of names and patterns, or a function');
  if (problems.length > 0) {
    throw new PostHogConfigurationError(
      problems.map((problem) => `inspector: ${problem}`),
      name,
    );
  }
  const isOn = options.enabled ?? (!isProduction || isProtected);
  const keys = [...(token === undefined ? [] : ['a token']), ...(guard === undefined ? [] : ['a guard'])].join(' and ');
  const reach = allowRemote ? 'from everywhere' : 'from this machine only';
  const off = options.enabled === false ? 'by option' : 'in production it needs a token or a guard';
  return {
    isOn,
    path,
    token: token ?? null,
    isProtected,
    allowRemote,
    maxEvents,
    mask,
    report: isOn
      ? `The inspector is at ${path}, ${reach}${keys === '' ? '' : `, protected by ${keys}`}${isProduction ? ', in production' : ''}.`
      : `The inspector is off: ${off}.`,
  };
}

/** What is misspelled would be left undone, such as hiding. */
function unknownOption(option: string): string[] {
  if ((OPTION_NAMES as readonly string[]).includes(option)) return [];
  const meant = didYouMean(option, OPTION_NAMES);
  return [`${option}: there is no such option${meant === undefined ? '' : `; did you mean ${meant}?`}`];
}

function isMask(mask: unknown): boolean {
  if (typeof mask === 'function') return true;
  return Array.isArray(mask) && mask.every((rule) => typeof rule === 'string' || rule instanceof RegExp);
}
