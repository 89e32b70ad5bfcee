import { validateSync, type ValidationError } from 'class-validator';
import { PostHogCaptureOptions } from './posthog-capture.options.js';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { describeKey, describeName, describeUrl, describeValue } from './describe-value.js';
import { describeQueueDefaults } from './queue-defaults.js';
import {
  fieldVariablesOf,
  isGiven,
  mergeOptions,
  OPTION_NAMES,
  parseOption,
  readVariables,
  variableOf,
} from './environment.js';
import { misspeltVariables, notReported, otherKeyVariables } from './misspelt-variables.js';
import { didYouMean } from '../shared/did-you-mean.js';
import { isObject } from '../shared/untrusted-values.js';

export interface OptionSources {
  /** The argument of `forRoot`, or the result of the factory of `forRootAsync`. Not validated. */
  readonly explicit?: unknown;
  /** undefined for the default instance. */
  readonly name?: string | undefined;
  /** Nest's ConfigService, which provides the `posthog` namespace and the variables. */
  readonly config?: { get(path: string): unknown } | undefined;
}

export interface ResolvedOptions {
  /** Valid, complete and frozen. */
  readonly options: Readonly<PostHogCaptureOptions>;
  /** For the log: they do not stop the boot. */
  readonly warnings: readonly string[];
  /** For the log, where nothing is wrong. */
  readonly notes: readonly string[];
}

/** At least one character that a variable can contain, and not a key. */
const USABLE_NAME = /^(?!ph[a-z]_).*[a-z0-9]/i;
const NAME_PROBLEM =
  'name: expected a word such as "billing", with at least one letter from A to Z or digit, because it becomes a part of the ' +
  'environment variables (POSTHOG_BILLING_API_KEY)';

/**
 * Resolves the options of one instance. The sources of each option, by precedence: the explicit option, the `posthog`
 * namespace of ConfigService (default instance only), the variable, the default.
 *
 * @throws PostHogConfigurationError listing every problem
 */
export function resolveOptions({ explicit, name, config }: OptionSources): ResolvedOptions {
  if (name !== undefined && !USABLE_NAME.test(name)) throw new PostHogConfigurationError([NAME_PROBLEM]);
  const problems: string[] = [];
  const warnings: string[] = [];
  const given = mergeOptions(configuredOptions({ name, config }, warnings), readExplicit(explicit, problems));
  const options = Object.assign(new PostHogCaptureOptions(), given);
  const errors = validateSync(options, { whitelist: true, forbidNonWhitelisted: true, stopAtFirstError: true });
  problems.push(...errors.map((error) => describeProblem(error, options.apiKey, name)));

  const misspelt = misspeltVariables(process.env, name);
  if (problems.length > 0) {
    const isKeyMissing = !isGiven(options.apiKey) && errors.some(({ property }) => property === 'apiKey');
    const keys = isKeyMissing ? otherKeyVariables(process.env, name) : [];
    throw new PostHogConfigurationError([...problems, ...misspelt, ...keys], name);
  }
  warnings.push(...notReported(misspelt));
  const note = options.enabled ? describeQueueDefaults(given) : undefined;
  return { options: Object.freeze(options), warnings, notes: note === undefined ? [] : [note] };
}

/** The options that ConfigService and variables set, parsed and not validated. */
export function configuredOptions(
  { name, config }: OptionSources,
  warnings: string[] = [],
): Readonly<Record<string, unknown>> {
  const variables = readVariables((variable) => config?.get(variable), name);
  return name === undefined ? mergeOptions(variables, readNamespace(config?.get('posthog'), warnings)) : variables;
}

/** Only `undefined` means "not given" here. Unknown options are kept, for validation to report. */
function readExplicit(explicit: unknown, problems: string[]): Record<string, unknown> {
  if (explicit === undefined || explicit === null) return {};
  if (!isObject(explicit)) {
    problems.push(`options: got ${describeKey(explicit)}; expected an object`);
    return {};
  }
  const given = Object.entries(explicit).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([option, value]) => [option, parseOption(option, value)]));
}

/** The namespace belongs to the application: other entries are ignored, with a warning for those that resemble an option. */
function readNamespace(namespace: unknown, warnings: string[]): Record<string, unknown> {
  if (!isGiven(namespace)) return {};
  if (!isObject(namespace)) {
    warnings.push('"posthog" of ConfigService is not an object. No option was read from it.');
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
    if (meant !== undefined)
      warnings.push(`"posthog.${option}" of ConfigService is not an option. Did you mean "${meant}"?`);
  }
  return given;
}

/** Options whose values may contain secrets. */
const DESCRIBE: Readonly<Record<string, typeof describeValue>> = {
  apiKey: describeKey,
  host: describeUrl,
  queue: describeUrl,
};

function describeProblem({ property, value, constraints }: ValidationError, apiKey: unknown, name?: string): string {
  if (!OPTION_NAMES.includes(property)) return describeUnknown(property, apiKey);
  const expected = Object.values(constraints ?? {}).join(', ');
  const variable = variableOf(property, name) ?? fieldVariables(property, expected, name);
  const got = DESCRIBE[property]?.(value, apiKey) ?? describeValue(value, apiKey);
  return `${property}${variable === undefined ? '' : ` (${variable})`}: got ${got}; expected ${expected}`;
}

/** The variables of the fields that are wrong. */
function fieldVariables(property: string, expected: string, name?: string): string | undefined {
  const wrong = Object.entries(fieldVariablesOf(property, name)).filter(([field]) =>
    expected.includes(`${field} to be`),
  );
  return wrong.length === 0 ? undefined : wrong.map(([, variable]) => variable).join(', ');
}

/** Does not show the value, which may be the key. */
function describeUnknown(property: string, apiKey: unknown): string {
  const unknown = `${describeName(property, apiKey)}: there is no such option`;
  if (property === 'name' || property === 'isGlobal') {
    return `${unknown}; in forRootAsync pass it next to useFactory, useClass or useExisting`;
  }
  const meant = didYouMean(property, OPTION_NAMES);
  return meant === undefined ? unknown : `${unknown}; did you mean ${meant}?`;
}
