import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { ConfigModule, ConfigService } from '@nestjs/config';
import { ModuleRef } from '@nestjs/core';
import { type CaptureService } from '../capture/capture.service.js';
import { getCaptureToken } from '../capture/inject-capture.decorator.js';
import { PostHogConfigurationError } from '../options/configuration-error.js';
import { type ASYNC_OPTIONS_TYPE, MODULE_OPTIONS_TOKEN } from './posthog-capture.module-definition.js';
import { registerInstance, TrackingModule } from '../tracking/tracking.module.js';

/** What one instance is made from. */
export interface InstanceSource {
  /** The options as the application gave them: not parsed, not validated. */
  readonly explicit: unknown;
  /** The name of a named instance; undefined for the default one. */
  readonly name: string | undefined;
  readonly config: ConfigService;
  readonly modules: ModuleRef;
}

/** The token of the InstanceSource, within the module of the instance. A text, so that it is the same in both builds. */
export const INSTANCE_SOURCE = 'POSTHOG_CAPTURE_INSTANCE_SOURCE';

const FALLBACK_CONFIG = Symbol('ConfigService of last resort');

/** A ConfigService for applications whose own is not visible here, or that have none: it still reads the variables. */
@Module({
  imports: [ConfigModule],
  providers: [{ provide: FALLBACK_CONFIG, useExisting: ConfigService }],
  exports: [FALLBACK_CONFIG],
})
class FallbackConfigModule {}

/**
 * The module of one instance.
 *
 * @param definition what ConfigurableModuleBuilder made of the options
 * @param name the name of a named instance
 * @param create makes the service
 */
export function instanceModule(
  definition: DynamicModule,
  name: string | undefined,
  create: (source: InstanceSource) => Promise<CaptureService>,
): DynamicModule {
  const token = getCaptureToken(name);
  const source: Provider = {
    provide: INSTANCE_SOURCE,
    inject: [MODULE_OPTIONS_TOKEN, { token: ConfigService, optional: true }, FALLBACK_CONFIG, ModuleRef],
    useFactory: (
      explicit: unknown,
      config: ConfigService | undefined,
      fallback: ConfigService,
      modules: ModuleRef,
    ): InstanceSource => ({ explicit, name, config: config ?? fallback, modules }),
  };
  const capture: Provider = { provide: token, inject: [INSTANCE_SOURCE], useFactory: create };
  return {
    ...definition,
    imports: [...(definition.imports ?? []), FallbackConfigModule, TrackingModule],
    providers: [...(definition.providers ?? []), source, capture, registerInstance(name)],
    exports: [...(definition.exports ?? []), token],
  };
}

/** @throws PostHogConfigurationError for options of `forRootAsync` that name no factory */
export function requireFactory({ useFactory, useClass, useExisting, name }: typeof ASYNC_OPTIONS_TYPE): void {
  if (useFactory || useClass || useExisting) return;
  throw new PostHogConfigurationError(['forRootAsync: expected useFactory, useClass or useExisting'], name);
}
