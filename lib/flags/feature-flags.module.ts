import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { CONFIG_SOURCE, type ConfigSource, configSourceModule } from '../module/config-source.js';
import { captureOf } from '../module/capture-of.js';
import { extendModule, instanceNameOf } from '../shared/named-module.js';
import { settingsOf } from '../tracking/call/tracking-instance.js';
import { type FeatureFlagsModuleOptions, resolveFlagOptions } from './feature-flags.options.js';
import {
  ConfigurableModuleClass,
  type FeatureFlagsModuleAsyncOptions,
  type FeatureFlagsModuleExtras,
  FLAG_OPTIONS_TOKEN,
} from './feature-flags.module-definition.js';
import { FeatureFlags } from './feature-flags.service.js';
import { getFeatureFlagsToken } from './feature-flags-token.js';
import { FlagCounts } from './flag-counts.js';
import { FlagDiscovery } from './flag-discovery.js';
import { PostHogFlagSource } from './posthog-flag-source.js';

/**
 * Provides FeatureFlags, beside PostHogCaptureModule, whose project, persons and delivery it uses. Evaluates with the package posthog-node,
 * which must be installed. Global by default. While the instance is disabled, flags have their default values and nothing is requested.
 *
 * ```ts
 * imports: [PostHogCaptureModule.forRoot(), FeatureFlagsModule.forRoot()]
 * ```
 */
@Module({})
export class FeatureFlagsModule extends ConfigurableModuleClass {
  /** @throws PostHogConfigurationError at boot, listing every problem with the options */
  static override forRoot(options: FeatureFlagsModuleOptions & FeatureFlagsModuleExtras = {}): DynamicModule {
    return flagsModule(super.forRoot(options), instanceNameOf(options));
  }

  /**
   * Like `forRoot`, with options from a factory.
   *
   * @throws PostHogConfigurationError immediately without `useFactory`, `useClass` and `useExisting`, and at boot, listing every
   * problem with the options
   */
  static override forRootAsync(options: FeatureFlagsModuleAsyncOptions): DynamicModule {
    return flagsModule(super.forRootAsync(options), instanceNameOf(options));
  }
}

function flagsModule(definition: DynamicModule, name: string | undefined): DynamicModule {
  const token = getFeatureFlagsToken(name);
  const flags: Provider = {
    provide: token,
    inject: [FLAG_OPTIONS_TOKEN, CONFIG_SOURCE, ModuleRef, FlagDiscovery],
    useFactory: (
      explicit: unknown,
      config: ConfigSource,
      modules: ModuleRef,
      discovery: FlagDiscovery,
    ): FeatureFlags => {
      const options = resolveFlagOptions(explicit, { name, config });
      const capture = captureOf(modules, name, 'FeatureFlagsModule');
      const warn = (kind: string, text: string): void => settingsOf(capture()).warn(kind, text);
      const counts = new FlagCounts();
      return new FeatureFlags({
        name,
        capture,
        source: new PostHogFlagSource(capture, options, counts, warn),
        counts,
        attaches: options.attaches,
        declared: () => [...options.keys, ...discovery.keysOf(name)],
        warn,
      });
    },
  };
  return extendModule(definition, {
    imports: [configSourceModule(definition.imports)],
    providers: [FlagDiscovery, flags],
    exports: [token],
  });
}
