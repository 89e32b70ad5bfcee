import { type DynamicModule, type Provider } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { type CaptureService } from '../capture/capture.service.js';
import { getCaptureToken } from '../capture/inject-capture.decorator.js';
import { extendModule } from '../shared/named-module.js';
import { CONFIG_SOURCE, type ConfigSource, configSourceModule } from './config-source.js';
import { MODULE_OPTIONS_TOKEN } from './posthog-capture.module-definition.js';
import { registerInstance, TrackingModule } from '../tracking/tracking.module.js';

export interface InstanceSource {
  /** The options as the application passed them: not parsed, not validated. */
  readonly explicit: unknown;
  /** undefined for the default instance. */
  readonly name: string | undefined;
  readonly config: ConfigSource;
  readonly modules: ModuleRef;
  /** The queue of a relay, as the application passed it: an option that other instances do not have. */
  readonly queue?: unknown;
}

/** The token of the InstanceSource in the module of an instance. A string, so that it is the same in both builds. */
export const INSTANCE_SOURCE = 'POSTHOG_CAPTURE_INSTANCE_SOURCE';

/**
 * Completes the module of one instance, which provides and exports its service.
 *
 * @param definition provides MODULE_OPTIONS_TOKEN
 * @param name the name of a named instance
 * @param split takes options apart that other instances do not have
 */
export function instanceModule(
  definition: DynamicModule,
  name: string | undefined,
  create: (source: InstanceSource) => Promise<CaptureService>,
  split = (explicit: unknown): Pick<InstanceSource, 'explicit' | 'queue'> => ({ explicit }),
): DynamicModule {
  const token = getCaptureToken(name);
  const source: Provider = {
    provide: INSTANCE_SOURCE,
    inject: [MODULE_OPTIONS_TOKEN, CONFIG_SOURCE, ModuleRef],
    useFactory: (explicit: unknown, config: ConfigSource, modules: ModuleRef): InstanceSource => ({
      ...split(explicit),
      name,
      config,
      modules,
    }),
  };
  const capture: Provider = { provide: token, inject: [INSTANCE_SOURCE], useFactory: create };
  return extendModule(definition, {
    imports: [configSourceModule(definition.imports), TrackingModule],
    providers: [source, capture, registerInstance(name)],
    exports: [token],
  });
}
