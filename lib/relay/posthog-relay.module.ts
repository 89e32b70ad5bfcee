import { type DynamicModule, Module } from '@nestjs/common';
import { type CaptureService } from '../capture/capture.service.js';
import { assembleCapture, type Connect } from '../module/assemble-capture.js';
import { instanceModule, type InstanceSource, requireFactory } from '../module/instance-module.js';
import { connectRelay } from './connect-relay.js';
import {
  ConfigurableModuleClass,
  type PostHogRelayModuleAsyncOptions,
  type PostHogRelayModuleExtras,
} from './posthog-relay.module-definition.js';
import { type PostHogRelayModuleOptions, resolveRelayOptions, splitSource } from './relay-options.js';

const DEFAULT_NAME = 'relay';

/**
 * Takes the events that pods have put into a shared queue, and sends them to PostHog: in an application of its own
 * (`NestFactory.createApplicationContext`, with `app.enableShutdownHooks()`), or next to PostHogCaptureModule in the pods. Any number of
 * relays may run: they share the queue. Keeps the process alive until the application is closed.
 *
 * Provides a CaptureService for its statistics, under the name `relay`: `@InjectCapture('relay')`.
 *
 * ```ts
 * imports: [PostHogRelayModule.forRoot({ source: redisQueue({ connection: 'redis://redis:6379' }) })]
 * ```
 */
@Module({})
export class PostHogRelayModule extends ConfigurableModuleClass {
  /**
   * Options that are not given are read from ConfigService and the environment, as those of PostHogCaptureModule.
   *
   * @throws PostHogConfigurationError at boot, listing every problem with the options
   */
  static override forRoot(options: PostHogRelayModuleOptions & PostHogRelayModuleExtras = {}): DynamicModule {
    return instanceModule(super.forRoot(options), options.name ?? DEFAULT_NAME, createRelay, splitSource);
  }

  /**
   * Like `forRoot`, with options from a factory.
   *
   * @throws PostHogConfigurationError immediately without `useFactory`, `useClass` and `useExisting`, and at boot, listing every
   * problem with the options
   */
  static override forRootAsync(options: PostHogRelayModuleAsyncOptions): DynamicModule {
    requireFactory(options);
    return instanceModule(super.forRootAsync(options), options.name ?? DEFAULT_NAME, createRelay, splitSource);
  }
}

async function createRelay(instance: InstanceSource): Promise<CaptureService> {
  const { name, modules } = instance;
  // The relay of the pods' project reads the pods' variables.
  const variables = name === DEFAULT_NAME ? undefined : name;
  const resolved = resolveRelayOptions(instance, variables);
  const { options, queue } = resolved;
  const connect: Connect = queue
    ? connectRelay(options, queue, variables, modules)
    : () => Promise.reject(new Error('disabled'));
  return assembleCapture(resolved, name, connect, 'relay');
}
