import { type ConfigurableModuleAsyncOptions, ConfigurableModuleBuilder } from '@nestjs/common';
import { type FeatureFlagsModuleOptions } from './feature-flags.options.js';

/** Options of the module itself. A factory cannot return them: they are given next to it. */
export interface FeatureFlagsModuleExtras {
  /**
   * Name of the instance of PostHogCaptureModule whose persons and project the flags are of. The service of a named instance is injected
   * with `@InjectFeatureFlags(name)`. Default: the default instance.
   */
  name?: string | undefined;
  /** An older name of `name`. */
  instance?: string | undefined;
  /** Makes FeatureFlags injectable in every module without an import. Default: true. */
  isGlobal?: boolean | undefined;
}

/** Implemented by a class for `useClass` or `useExisting` of `FeatureFlagsModule.forRootAsync`. */
export interface FeatureFlagsOptionsFactory {
  /** Called once, at boot. If it throws or rejects, the boot stops. */
  createFeatureFlagsOptions(): FeatureFlagsModuleOptions | Promise<FeatureFlagsModuleOptions>;
}

/**
 * The options of `FeatureFlagsModule.forRootAsync`: `useFactory` (with `inject`), `useClass` or `useExisting`, which provide the options
 * of `forRoot`, and `imports`.
 */
export interface FeatureFlagsModuleAsyncOptions
  extends
    ConfigurableModuleAsyncOptions<FeatureFlagsModuleOptions, keyof FeatureFlagsOptionsFactory>,
    FeatureFlagsModuleExtras {}

/** The provider of FLAG_OPTIONS_TOKEN is the options as the application passed them: not validated. */
export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN: FLAG_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<FeatureFlagsModuleOptions>({ optionsInjectionToken: 'POSTHOG_FEATURE_FLAGS_OPTIONS' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createFeatureFlagsOptions')
    // The builder removes these keys from the options of forRoot; without a value they would stay.
    .setExtras<FeatureFlagsModuleExtras>(
      { name: undefined, instance: undefined, isGlobal: true },
      (definition, { isGlobal }) => ({ ...definition, global: isGlobal ?? true }),
    )
    .build();
