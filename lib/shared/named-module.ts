import {
  type ConfigurableModuleAsyncOptions,
  ConfigurableModuleBuilder,
  type ConfigurableModuleHost,
  type DynamicModule,
  type ModuleMetadata,
} from '@nestjs/common';
import { PostHogConfigurationError } from './configuration-error.js';

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
      const conflict = nameConflict({ name, instance });
      if (conflict !== undefined) throw new PostHogConfigurationError([`${definition.module.name}: ${conflict}`]);
      return { ...definition, global: isGlobal ?? true };
    })
    .build();
  class NamedModuleClass extends ConfigurableModuleClass {
    static override forRootAsync(
      options: ConfigurableModuleAsyncOptions<Options, FactoryMethod> & Partial<Extras>,
    ): DynamicModule {
      requireFactory(options);
      return super.forRootAsync(options);
    }
  }
  return { ConfigurableModuleClass: NamedModuleClass, MODULE_OPTIONS_TOKEN };
}

export function instanceNameOf({ name, instance }: Pick<NamedModuleExtras, 'name' | 'instance'>): string | undefined {
  return name ?? instance;
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

interface FactoryOptions {
  readonly useFactory?: unknown;
  readonly useClass?: unknown;
  readonly useExisting?: unknown;
  readonly name?: string | undefined;
}

/** @throws PostHogConfigurationError without `useFactory`, `useClass` and `useExisting` */
export function requireFactory({ useFactory, useClass, useExisting, name }: FactoryOptions): void {
  if (useFactory || useClass || useExisting) return;
  throw new PostHogConfigurationError(['forRootAsync: expected useFactory, useClass or useExisting'], name);
}

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
