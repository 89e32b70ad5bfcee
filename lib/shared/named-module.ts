import {
  type ConfigurableModuleAsyncOptions,
  ConfigurableModuleBuilder,
  type ConfigurableModuleHost,
  type DynamicModule,
  type ModuleMetadata,
} from '@nestjs/common';
import { PostHogConfigurationError } from './configuration-error.js';
import { describe, isObject } from './untrusted-values.js';

interface NamedModuleExtras {
  readonly name?: string | undefined;
  /** Deprecated alias of `name`. */
  readonly instance?: string | undefined;
  readonly isGlobal?: boolean | undefined;
}

/** The options of a named module itself, with their defaults. */
export const NAMED = { name: undefined, isGlobal: true };
/** With `instance`, the deprecated alias of `name`. */
export const NAMED_WITH_ALIAS = { ...NAMED, instance: undefined };

interface NamedModule<FactoryMethod, Extras> {
  /** Token of the options as the application passed them: not parsed, not validated. */
  readonly token: string | symbol;
  /** Method of the class that is passed as `useClass` or `useExisting`. */
  readonly factoryMethod: FactoryMethod;
  /** NAMED or NAMED_WITH_ALIAS. The builder removes only these keys from the options of `forRoot`. */
  readonly extras: Extras;
}

/** Creates the base class of a module with `forRoot` and `forRootAsync`, which exists once per name and is global by default. */
export function namedModule<Options, FactoryMethod extends string, Extras extends NamedModuleExtras>({
  token,
  factoryMethod,
  extras,
}: NamedModule<FactoryMethod, Extras>): Pick<
  ConfigurableModuleHost<Options, 'forRoot', FactoryMethod, Extras>,
  'ConfigurableModuleClass' | 'MODULE_OPTIONS_TOKEN'
> {
  const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<Options>({
    optionsInjectionToken: token,
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName(factoryMethod)
    .setExtras<Extras>(extras, (definition, { name, instance, isGlobal }) => {
      const conflict = invalidName({ name, instance }) ?? nameConflict({ name, instance });
      if (conflict !== undefined) throw new PostHogConfigurationError([`${definition.module.name}: ${conflict}`]);
      return { ...definition, global: isGlobal ?? true };
    })
    .build();
  class NamedModuleClass extends ConfigurableModuleClass {
    static override forRoot(options: Options & Partial<Extras>): DynamicModule {
      requireOptions('forRoot', options);
      return super.forRoot(options);
    }

    static override forRootAsync(
      options: ConfigurableModuleAsyncOptions<Options, FactoryMethod> & Partial<Extras>,
    ): DynamicModule {
      requireFactory(options, Object.keys(extras));
      return super.forRootAsync(options);
    }
  }
  return { ConfigurableModuleClass: NamedModuleClass, MODULE_OPTIONS_TOKEN };
}

export function instanceNameOf({ name, instance }: Pick<NamedModuleExtras, 'name' | 'instance'>): string | undefined {
  return name ?? instance;
}

/** The types allow strings only; a program in JavaScript may pass anything. */
function invalidName(names: Readonly<Record<string, unknown>>): string | undefined {
  const invalid = Object.keys(names).find((field) => names[field] !== undefined && typeof names[field] !== 'string');
  return invalid && `expected ${invalid} to be a string, but it is ${describe(names[invalid])}`;
}

/** @returns the problem if `name` and its deprecated alias `instance` differ */
export function nameConflict({
  name,
  instance = name,
}: Pick<NamedModuleExtras, 'name' | 'instance'>): string | undefined {
  return name === undefined || name === instance
    ? undefined
    : `name is "${name}", but instance, its deprecated alias, is "${instance}": give name only`;
}

/** The fields of `forRootAsync` that Nest knows. */
const ASYNC_FIELDS = ['imports', 'inject', 'provideInjectionTokensFrom', 'useFactory', 'useClass', 'useExisting'];

/**
 * Checks the argument of `forRootAsync`, of which Nest ignores what it does not know.
 *
 * @param extras the options of the module itself, which are passed next to the factory
 * @throws PostHogConfigurationError
 */
export function requireFactory(options: unknown, extras: readonly string[]): void {
  requireOptions('forRootAsync', options);
  const given = Object.keys(options).filter((field) => options[field] !== undefined);
  const name = typeof options['name'] === 'string' ? options['name'] : undefined;
  const { useFactory, useClass, useExisting } = options;
  const sources = [useFactory, useClass, useExisting].filter(Boolean);
  const problems = given
    .filter((field) => !ASYNC_FIELDS.includes(field) && !extras.includes(field))
    .map(
      (field) => `${shownName(field)} has no effect next to useFactory, useClass or useExisting: return it from there`,
    );
  if (sources.length === 0) problems.unshift('expected useFactory, useClass or useExisting');
  if (sources.length > 1) problems.push('expected one of useFactory, useClass and useExisting, but there are several');
  if (useFactory && typeof useFactory !== 'function') {
    problems.push(`expected useFactory to be a function, but it is ${describe(useFactory)}`);
  }
  if (problems.length > 0) {
    throw new PostHogConfigurationError(
      problems.map((problem) => `forRootAsync: ${problem}`),
      name,
    );
  }
}

function requireOptions(method: string, options: unknown): asserts options is Record<string, unknown> {
  if (isObject(options)) return;
  throw new PostHogConfigurationError([`${method}: expected an object of options, but it is ${describe(options)}`]);
}

/** A name that is no identifier, or begins like a key, may be a key. */
const shownName = (name: string): string =>
  /^(?!ph[a-z]_)[a-z]\w*$/i.test(name) ? name : `a field with a name of ${name.length} characters`;

/** Adds to what a dynamic module imports, provides and exports. */
export function extendModule(
  definition: DynamicModule,
  { imports = [], providers = [], exports = [] }: ModuleMetadata,
): DynamicModule {
  return {
    ...definition,
    imports: [...(definition.imports ?? []), ...imports],
    providers: [...(definition.providers ?? []), ...providers],
    exports: [...(definition.exports ?? []), ...exports],
  };
}
