import { validateSync, type ValidationError } from 'class-validator';
import { PostHogCaptureOptions } from './posthog-capture.options.js';
import { PostHogConfigurationError } from './configuration-error.js';
import { describeKey, describeName, describeUrl, describeValue } from './describe-value.js';
import { isGiven, OPTION_NAMES, parseOption, readVariables, variableOf } from './environment.js';
import { didYouMean } from '../shared/did-you-mean.js';
import { isObject } from '../shared/untrusted-values.js';

/** Where the options of one instance come from. */
export interface OptionSources {
  /** What `forRoot` got, or what the factory of `forRootAsync` answered. Undefined: no option at all. */
  readonly explicit?: unknown;
  /** The name of a named instance; undefined for the default one. */
  readonly name?: string | undefined;
  /** Nest's ConfigService, through which the `posthog` namespace and the variables are read. */
  readonly config?: { get(path: string): unknown } | undefined;
}

/** Options that are valid, complete and frozen, and what deserves a line in the log nevertheless. */
export interface ResolvedOptions {
  readonly options: Readonly<PostHogCaptureOptions>;
  readonly warnings: readonly string[];
}

/** At least one character that survives in a variable's name, and not a key that was taken for a name. */
const USABLE_NAME = /^(?!ph[cx]_).*[a-z0-9]/i;
const NAME_PROBLEM =
  'name: expected a word such as "billing", with a letter from A to Z or a digit in it: the variables of a named instance ' +
  'are named after it (POSTHOG_BILLING_API_KEY)';

/**
 * Settles the options of one instance. Of each option the first of these counts: the explicit one, the `posthog`
 * namespace of ConfigService (default instance only), the variable, the default.
 *
 * @throws PostHogConfigurationError with every problem at once
 */
export function resolveOptions({ explicit, name, config }: OptionSources): ResolvedOptions {
  if (name !== undefined && !USABLE_NAME.test(name)) throw new PostHogConfigurationError([NAME_PROBLEM]);
  const problems: string[] = [];
  const warnings: string[] = [];
  const options = Object.assign(
    new PostHogCaptureOptions(),
    readVariables((variable) => config?.get(variable), name),
    name === undefined ? readNamespace(config?.get('posthog'), warnings) : {},
    readExplicit(explicit, problems),
  );
  const errors = validateSync(options, { whitelist: true, forbidNonWhitelisted: true, stopAtFirstError: true });
  problems.push(...errors.map((error) => describeProblem(error, options.apiKey, name)));

  if (problems.length > 0) throw new PostHogConfigurationError(problems, name);
  return { options: Object.freeze(options), warnings };
}

/** Options that code gave. Nothing but `undefined` counts as "not given" here; unknown names are left for validation. */
function readExplicit(explicit: unknown, problems: string[]): Record<string, unknown> {
  if (explicit === undefined || explicit === null) return {};
  if (!isObject(explicit)) {
    problems.push(`options: got ${describeKey(explicit)}; expected an object`);
    return {};
  }
  const given = Object.entries(explicit).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([option, value]) => [option, parseOption(option, value)]));
}

/** Options of the application's own `posthog` namespace. What else it keeps there is its own business. */
function readNamespace(namespace: unknown, warnings: string[]): Record<string, unknown> {
  if (!isGiven(namespace)) return {};
  if (!isObject(namespace)) {
    warnings.push('"posthog" of ConfigService is not an object, so no option was read from it.');
    return {};
  }
  const given: Record<string, unknown> = {};
  for (const [option, value] of Object.entries(namespace)) {
    if (!isGiven(value)) continue;
    if (OPTION_NAMES.includes(option)) {
      given[option] = parseOption(option, value);
      continue;
    }
    const meant = didYouMean(option, OPTION_NAMES);
    if (meant !== undefined) warnings.push(`"posthog.${option}" of ConfigService is no option; did you mean ${meant}?`);
  }
  return given;
}

/** Options whose values take more care to show than `describeValue` does. */
const DESCRIBE: Readonly<Record<string, typeof describeValue>> = { apiKey: describeKey, host: describeUrl };

/** One problem in one line: the option, its variable, the value it got and what was expected. */
function describeProblem({ property, value, constraints }: ValidationError, apiKey: unknown, name?: string): string {
  if (!OPTION_NAMES.includes(property)) return describeUnknown(property, apiKey);
  const variable = variableOf(property, name);
  const expected = Object.values(constraints ?? {}).join(', ');
  const got = DESCRIBE[property]?.(value, apiKey) ?? describeValue(value, apiKey);
  return `${property}${variable === undefined ? '' : ` (${variable})`}: got ${got}; expected ${expected}`;
}

/** An option that does not exist. Its value may well be the key and is not shown. */
function describeUnknown(property: string, apiKey: unknown): string {
  const unknown = `${describeName(property, apiKey)}: there is no such option`;
  if (property === 'name' || property === 'isGlobal') {
    return `${unknown}; in forRootAsync it belongs beside useFactory, useClass or useExisting, not into their answer`;
  }
  const meant = didYouMean(property, OPTION_NAMES);
  return meant === undefined ? unknown : `${unknown}; did you mean ${meant}?`;
}
