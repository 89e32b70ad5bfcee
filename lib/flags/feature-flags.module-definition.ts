import { type ConfigurableModuleAsyncOptions } from '@nestjs/common';
import { NAMED_WITH_ALIAS, namedModule } from '../shared/named-module.js';
import { type FeatureFlagsModuleOptions } from './feature-flags.options.js';

/** Options of the module itself. A factory cannot return them: they are given next to it. */
export interface FeatureFlagsModuleExtras {
  /**
   * Name of the instance of PostHogCaptureModule that determines the person and the project. The service of a named instance is injected
   * with `@InjectFeatureFlags(name)`. Default: the default instance.
   */
  name?: string | undefined;
  /** @deprecated Use `name`. */
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

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN: FLAG_OPTIONS_TOKEN } = namedModule<
  FeatureFlagsModuleOptions,
  keyof FeatureFlagsOptionsFactory,
  FeatureFlagsModuleExtras
>({
  token: 'POSTHOG_FEATURE_FLAGS_OPTIONS',
  factoryMethod: 'createFeatureFlagsOptions',
  extras: NAMED_WITH_ALIAS,
});
