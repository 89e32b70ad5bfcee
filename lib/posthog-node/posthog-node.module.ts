import { type DynamicModule, Inject, Module, type Provider } from '@nestjs/common';
import { type CaptureService } from '../capture/capture.service.js';
import { getCaptureToken } from '../capture/inject-capture.decorator.js';
import { extendModule, instanceNameOf } from '../shared/named-module.js';
import type * as bridge from './bridge.js';
import { cannotBeLoaded } from './posthog-node-package.js';
import {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN,
  type PostHogNodeModuleAsyncOptions,
  type PostHogNodeModuleExtras,
  type PostHogNodeModuleOptions,
} from './posthog-node.module-definition.js';

/** Has the providers: posthog-node is loaded when the application boots, so that the package loads without it. */
@Module({})
class PostHogNodeClientModule {}

/**
 * Provides the client of posthog-node, `PostHog`, whose events are captured by CaptureService: they get its context, are queued in order with
 * its events, and count in its `stats()`. Flags are evaluated by posthog-node. Global by default.
 *
 * The client is shut down with the application. It never closes the instance.
 *
 * ```ts
 * imports: [PostHogCaptureModule.forRoot(), PostHogNodeModule.forRoot()]
 * constructor(private readonly posthog: PostHog) {} // of posthog-node
 * ```
 */
@Module({})
export class PostHogNodeModule extends ConfigurableModuleClass {
  /** The boot stops if posthog-node is not installed, or has another version than 5.61.1 or later of 5. */
  static override forRoot(options: PostHogNodeModuleOptions & PostHogNodeModuleExtras = {}): DynamicModule {
    return clientModule(super.forRoot(options), instanceNameOf(options));
  }

  /** Like `forRoot`, with options from a factory. */
  static override forRootAsync(options: PostHogNodeModuleAsyncOptions): DynamicModule {
    return clientModule(super.forRootAsync(options), instanceNameOf(options));
  }
}

/** The injection token of the client of a named instance. */
export function getPostHogToken(name: string): string {
  return `PostHog:${name}`;
}

/** Injects the client of a named instance. That of the default instance is injected as `PostHog`, the class of posthog-node. */
export const InjectPostHog = (name: string): ParameterDecorator & PropertyDecorator => Inject(getPostHogToken(name));

function clientModule(definition: DynamicModule, name: string | undefined): DynamicModule {
  const loaded = load().then(({ PostHog, bridgePostHog }): DynamicModule => {
    const token = name === undefined ? PostHog : getPostHogToken(name);
    const client: Provider = {
      provide: token,
      inject: [getCaptureToken(name), MODULE_OPTIONS_TOKEN],
      useFactory: (capture: CaptureService, { options }: PostHogNodeModuleOptions) => bridgePostHog(capture, options),
    };
    return extendModule({ ...definition, module: PostHogNodeClientModule }, { providers: [client], exports: [token] });
  });
  // Nest awaits it when the application boots.
  loaded.catch(() => undefined);
  return { module: PostHogNodeModule, imports: [loaded], exports: [PostHogNodeClientModule] };
}

async function load(): Promise<typeof bridge> {
  try {
    return await import('./bridge.js');
  } catch (error) {
    throw cannotBeLoaded('PostHogNodeModule', error);
  }
}
