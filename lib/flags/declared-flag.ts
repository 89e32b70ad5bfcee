import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { didYouMean } from '../shared/did-you-mean.js';
import { processSingleton } from '../shared/process-singleton.js';
import { isNonBlank, isObject } from '../shared/untrusted-values.js';

/** A flag that a decorator asks for. */
export interface DeclaredFlag {
  readonly by: '@RequireFlag' | '@Flag';
  readonly key: string;
  /** Name of the instance. */
  readonly name: string | undefined;
}

/** By the guard or pipe that a decorator binds, of both builds. */
const declared = processSingleton('declared-flags', () => new WeakMap<object, DeclaredFlag>());

export function rememberFlag(enhancer: object, flag: DeclaredFlag): void {
  declared.set(enhancer, flag);
}

/** undefined for a guard or pipe that is not ours. */
export function declaredBy(enhancer: unknown): DeclaredFlag | undefined {
  return typeof enhancer === 'function' ? declared.get(enhancer) : undefined;
}

/** By option, whether a value is allowed. */
export type OptionRules = Readonly<Record<string, readonly [isValid: (value: unknown) => boolean, expected: string]>>;

/** @throws PostHogConfigurationError with all problems: a mistake in a decorator must stop the boot */
export function checkDecorator(by: DeclaredFlag['by'], key: unknown, options: unknown, rules: OptionRules): void {
  const where = `${by}(${typeof key === 'string' ? JSON.stringify(key) : typeof key})`;
  const problems = isNonBlank(key) ? [] : [`${where}: the key of the flag must be a non-blank string`];
  if (isObject(options)) problems.push(...optionProblems(options, rules).map((problem) => `${where}: ${problem}`));
  else problems.push(`${where}: the options must be an object`);
  if (problems.length > 0) throw new PostHogConfigurationError(problems);
}

function optionProblems(options: Readonly<Record<string, unknown>>, rules: OptionRules): string[] {
  return Object.entries(options).flatMap(([option, value]) => {
    const rule = Object.hasOwn(rules, option) ? rules[option] : undefined;
    if (rule !== undefined) {
      const [isValid, expected] = rule;
      return value === undefined || isValid(value) ? [] : [`${option}: expected ${expected}`];
    }
    const meant = didYouMean(option, Object.keys(rules));
    return [`there is no option ${option}${meant === undefined ? '' : `; did you mean ${meant}?`}`];
  });
}
