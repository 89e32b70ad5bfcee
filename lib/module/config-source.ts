import { type DynamicModule, Module, type ModuleMetadata } from '@nestjs/common';
import { loadNestConfig } from '../options/nest-config.js';

/** Nest's ConfigService, or the environment. */
export interface ConfigSource {
  get(path: string): unknown;
}

/** The token of the ConfigSource of an instance. A string, so that it is the same in both builds. */
export const CONFIG_SOURCE = 'POSTHOG_CAPTURE_CONFIG_SOURCE';

const ENVIRONMENT: ConfigSource = { get: (variable) => process.env[variable] };
const FALLBACK_CONFIG = Symbol('fallback ConfigService');

@Module({})
class ConfigSourceModule {}

@Module({})
class FallbackConfigModule {}

/**
 * A module that provides CONFIG_SOURCE: the application's ConfigService if there is one, also if it is not global, or is visible in
 * `imports` only. A promise, because @nestjs/config is an optional peer, and ES modules cannot load one synchronously.
 */
export function configSourceModule(imports: ModuleMetadata['imports'] = []): Promise<DynamicModule> {
  const source = provideConfig(imports);
  // Nest, which awaits the module at boot, reports the error.
  source.catch(() => undefined);
  return source;
}

async function provideConfig(imports: NonNullable<ModuleMetadata['imports']>): Promise<DynamicModule> {
  const module = { module: ConfigSourceModule, exports: [CONFIG_SOURCE] };
  const config = await loadNestConfig();
  if (!config) return { ...module, providers: [{ provide: CONFIG_SOURCE, useValue: ENVIRONMENT }] };
  const { ConfigModule, ConfigService } = config;
  // Reads what any ConfigModule of the application has loaded, in a module of its own, so that it does not hide the application's.
  const fallback = {
    module: FallbackConfigModule,
    imports: [ConfigModule],
    providers: [{ provide: FALLBACK_CONFIG, useExisting: ConfigService }],
    exports: [FALLBACK_CONFIG],
  };
  const source = {
    provide: CONFIG_SOURCE,
    inject: [{ token: ConfigService, optional: true }, FALLBACK_CONFIG],
    useFactory: (own: ConfigSource | undefined, other: ConfigSource): ConfigSource => own ?? other,
  };
  return { ...module, imports: [...imports, fallback], providers: [source] };
}
