import { type DynamicModule } from '@nestjs/common';
import { readVariables } from './environment.js';
import { loadNestConfig } from './nest-config.js';
import { type PostHogCaptureModuleOptions } from './posthog-capture.options.js';

const NAMESPACE = 'posthog';

/** The type of `posthogConfig`: what `registerAs` of @nestjs/config returns. */
export interface PostHogConfig {
  (): PostHogCaptureModuleOptions;
  /** Injection token of the namespace. */
  readonly KEY: string;
  /** For `forRootAsync` of a module. */
  asProvider(): {
    imports: [Promise<DynamicModule>];
    /** Returns the namespace as it is. */
    useFactory: (config: PostHogCaptureModuleOptions) => PostHogCaptureModuleOptions;
    inject: [string];
  };
}

/**
 * The `POSTHOG_*` environment variables as the `posthog` namespace of @nestjs/config:
 * `ConfigModule.forRoot({ load: [posthogConfig] })`, `ConfigModule.forFeature(posthogConfig)`,
 * `PostHogCaptureModule.forRootAsync(posthogConfig.asProvider())`, or `@Inject(posthogConfig.KEY)`.
 *
 * Contains only the options whose variables are set. Never throws: invalid text is kept, and PostHogCaptureModule reports it
 * at boot.
 */
export const posthogConfig: PostHogConfig = registerAs(() => readVariables((variable) => process.env[variable]));

/** Does what `registerAs` of @nestjs/config does, without loading the package, which may not be installed. */
function registerAs(read: () => PostHogCaptureModuleOptions): PostHogConfig {
  const KEY = `CONFIGURATION(${NAMESPACE})`;
  const asProvider: PostHogConfig['asProvider'] = () => ({
    imports: [configFeature()],
    useFactory: (config) => config,
    inject: [KEY],
  });
  return Object.assign(read, { PARTIAL_CONFIGURATION_KEY: NAMESPACE, KEY, asProvider });
}

function configFeature(): Promise<DynamicModule> {
  const feature = loadNestConfig().then((config) => {
    if (config) return config.ConfigModule.forFeature(posthogConfig);
    throw new Error('posthogConfig.asProvider() needs the package @nestjs/config, which is not installed');
  });
  // Nest, which awaits the module at boot, reports the error.
  feature.catch(() => undefined);
  return feature;
}
