import {
  type ConfigurableModuleAsyncOptions,
  ConfigurableModuleBuilder,
  type DynamicModule,
  Module,
  type Provider,
} from '@nestjs/common';
import { type CaptureService } from '../capture/capture.service.js';
import { getCaptureToken } from '../capture/inject-capture.decorator.js';
import { extendModule, requireFactory } from '../shared/named-module.js';
import { inspectorController } from './inspector.controller.js';
import { INSPECTOR, Inspector } from './inspector.js';
import {
  resolveSettings,
  type PostHogCaptureInspectorExtras,
  type PostHogCaptureInspectorModuleOptions,
  type PostHogCaptureInspectorOptions,
} from './inspector.options.js';

const OPTIONS = 'POSTHOG_CAPTURE_INSPECTOR_OPTIONS';

/** Options of `forRootAsync`: `useFactory`, `useClass` or `useExisting`, with `imports` and `inject`. */
export type PostHogCaptureInspectorModuleAsyncOptions = ConfigurableModuleAsyncOptions<
  PostHogCaptureInspectorOptions,
  'createPostHogCaptureInspectorOptions'
> &
  PostHogCaptureInspectorExtras;

/** The builder removes only these keys from the options, so each needs a value. */
const EXTRAS = { path: undefined, name: undefined, guard: undefined, decorators: undefined };

const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<PostHogCaptureInspectorOptions>({
  optionsInjectionToken: OPTIONS,
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createPostHogCaptureInspectorOptions')
  .setExtras<PostHogCaptureInspectorExtras>(EXTRAS, (definition, extras) => {
    const inspector: Provider = {
      provide: INSPECTOR,
      inject: [OPTIONS, getCaptureToken(extras.name)],
      useFactory: (options: PostHogCaptureInspectorOptions, capture: CaptureService) =>
        new Inspector(capture, extras.name, resolveSettings(options, extras)),
    };
    const controllers = [inspectorController(extras.path ?? '/_posthog', extras)];
    return extendModule({ ...definition, controllers }, { providers: [inspector] });
  })
  .build();

/**
 * Serves a live page at `GET /_posthog` that shows each event from capture to PostHog's response, on Express and Fastify. Because it
 * shows event data, it is available from this machine only, and in production only with a token or a guard.
 *
 * ```ts
 * imports: [PostHogCaptureModule.forRoot(), PostHogCaptureInspectorModule.forRoot()]
 * ```
 */
@Module({})
export class PostHogCaptureInspectorModule extends ConfigurableModuleClass {
  /** @throws PostHogConfigurationError at boot, with all invalid options */
  static override forRoot({ imports = [], ...options }: PostHogCaptureInspectorModuleOptions = {}): DynamicModule {
    return extendModule(super.forRoot(options), { imports });
  }

  /** Like `forRoot`, with options from a provider. `path`, `name`, `guard` and `decorators` are passed next to it. */
  static override forRootAsync(options: PostHogCaptureInspectorModuleAsyncOptions): DynamicModule {
    requireFactory(options, Object.keys(EXTRAS));
    return super.forRootAsync(options);
  }
}
