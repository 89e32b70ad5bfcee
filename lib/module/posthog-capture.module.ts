import { type DynamicModule, Module } from '@nestjs/common';
import { type CaptureService } from '../capture/capture.service.js';
import { resolveOptions } from '../options/resolve-options.js';
import { type PostHogCaptureModuleOptions } from '../options/posthog-capture.options.js';
import { assembleCapture } from './assemble-capture.js';
import { connectPod } from './connect-pod.js';
import { connectPostHog } from './connect-posthog.js';
import { instanceModule, type InstanceSource } from './instance-module.js';
import {
  ConfigurableModuleClass,
  type PostHogCaptureModuleAsyncOptions,
  type PostHogCaptureModuleExtras,
} from './posthog-capture.module-definition.js';

/**
 * Provides CaptureService, which sends events to PostHog. Options that are not given are read from ConfigService and the
 * environment. Global by default. With `name` it provides a second, independent instance.
 */
@Module({})
export class PostHogCaptureModule extends ConfigurableModuleClass {
  /**
   * Without options, everything is read from ConfigService and the environment.
   *
   * @throws PostHogConfigurationError at boot, listing every problem with the options
   */
  static override forRoot(options: PostHogCaptureModuleOptions & PostHogCaptureModuleExtras = {}): DynamicModule {
    return instanceModule(super.forRoot(options), options.name, createCapture);
  }

  /**
   * Like `forRoot`, with options from a factory.
   *
   * @throws PostHogConfigurationError immediately without `useFactory`, `useClass` and `useExisting`, and at boot, listing every
   * problem with the options
   */
  static override forRootAsync(options: PostHogCaptureModuleAsyncOptions): DynamicModule {
    return instanceModule(super.forRootAsync(options), options.name, createCapture);
  }
}

function createCapture({ explicit, name, config, modules }: InstanceSource): Promise<CaptureService> {
  const resolved = resolveOptions({ explicit, name, config });
  const { options } = resolved;
  return options.queue === undefined
    ? assembleCapture(resolved, name, connectPostHog(options, name, modules))
    : assembleCapture(resolved, name, connectPod(options, options.queue, name, modules), { role: 'pod' });
}
