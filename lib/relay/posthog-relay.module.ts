import { type BeforeApplicationShutdown, type DynamicModule, Module, type Provider } from '@nestjs/common';
import { type CaptureService } from '../capture/capture.service.js';
import { getCaptureToken } from '../capture/inject-capture.decorator.js';
import { assembleCapture, type Connect } from '../module/assemble-capture.js';
import { instanceModule, type InstanceSource } from '../module/instance-module.js';
import { extendModule } from '../shared/named-module.js';
import { connectRelay } from './connect-relay.js';
import {
  ConfigurableModuleClass,
  type PostHogRelayModuleAsyncOptions,
  type PostHogRelayModuleExtras,
} from './posthog-relay.module-definition.js';
import { type PostHogRelayModuleOptions, resolveRelayOptions, splitSource } from './relay-options.js';

const DEFAULT_NAME = 'relay';
const RELAY_ENDING = 'POSTHOG_RELAY_ENDING';

/**
 * Takes the events that pods have put into a shared queue, or written into an outbox, and sends them to PostHog: in an application of
 * its own (`NestFactory.createApplicationContext`, with `app.enableShutdownHooks()`), or next to PostHogCaptureModule in the pods. Any
 * number of relays may run: they share the queue, and of an outbox one takes over from the other. Keeps the process alive until the
 * application is closed.
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
    return relayModule(super.forRoot(options), options.name);
  }

  /**
   * Like `forRoot`, with options from a factory.
   *
   * @throws PostHogConfigurationError immediately without `useFactory`, `useClass` and `useExisting`, and at boot, listing every
   * problem with the options
   */
  static override forRootAsync(options: PostHogRelayModuleAsyncOptions): DynamicModule {
    return relayModule(super.forRootAsync(options), options.name);
  }
}

function relayModule(definition: DynamicModule, name = DEFAULT_NAME): DynamicModule {
  const module = instanceModule(definition, name, createRelay, splitSource);
  const ending: Provider = {
    provide: RELAY_ENDING,
    inject: [getCaptureToken(name)],
    useFactory: (capture: CaptureService): BeforeApplicationShutdown => ({
      // Before modules of the application close the database, which is theirs.
      beforeApplicationShutdown: () => capture.onApplicationShutdown(),
    }),
  };
  return extendModule(module, { providers: [ending] });
}

async function createRelay(instance: InstanceSource): Promise<CaptureService> {
  const { name, modules } = instance;
  // The relay of the pods' project reads the pods' variables.
  const variables = name === DEFAULT_NAME ? undefined : name;
  const resolved = resolveRelayOptions(instance, variables);
  const { options, source, handsOnTo } = resolved;
  const connect: Connect = source
    ? connectRelay(options, { source, handsOnTo }, variables, modules)
    : () => Promise.reject(new Error('disabled'));
  const kind = typeof source === 'object' ? source.kind : undefined;
  return assembleCapture(resolved, name, connect, {
    role: 'relay',
    ...(kind && { kind }),
    handsOn: handsOnTo !== undefined,
  });
}
