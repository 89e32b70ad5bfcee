import {
  type ConfigurableModuleAsyncOptions,
  ConfigurableModuleBuilder,
  type DynamicModule,
  Module,
} from '@nestjs/common';
import { type CaptureService } from '../capture/capture.service.js';
import { getCaptureToken } from '../capture/inject-capture.decorator.js';
import { inspectorController } from './inspector.controller.js';
import { INSPECTOR, Inspector } from './inspector.js';
import {
  resolveSettings,
  type PostHogCaptureInspectorExtras,
  type PostHogCaptureInspectorModuleOptions,
  type PostHogCaptureInspectorOptions,
} from './inspector.options.js';

const OPTIONS = 'POSTHOG_CAPTURE_INSPECTOR_OPTIONS';

/** The options of `forRootAsync`: `useFactory`, `useClass` or `useExisting`, with `imports` and `inject`. */
export type PostHogCaptureInspectorModuleAsyncOptions = ConfigurableModuleAsyncOptions<
  PostHogCaptureInspectorOptions,
  'createPostHogCaptureInspectorOptions'
> &
  PostHogCaptureInspectorExtras;

const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<PostHogCaptureInspectorOptions>({
  optionsInjectionToken: OPTIONS,
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createPostHogCaptureInspectorOptions')
  .setExtras<PostHogCaptureInspectorExtras>(
    { path: undefined, name: undefined, guard: undefined, decorators: undefined },
    (definition, extras) => ({
      ...definition,
      controllers: [inspectorController(extras.path ?? '/_posthog', extras)],
      providers: [
        ...(definition.providers ?? []),
        {
          provide: INSPECTOR,
          inject: [OPTIONS, getCaptureToken(extras.name)],
          useFactory: (options: PostHogCaptureInspectorOptions, capture: CaptureService) =>
            new Inspector(capture, extras.name, resolveSettings(options, extras)),
        },
      ],
    }),
  )
  .build();

/**
 * A live page of what happens to the events of an instance: `GET /_posthog`, on Express and Fastify. It shows the events themselves, so
 * it answers this machine only, and is off in production, unless a token or a guard is given.
 *
 * ```ts
 * imports: [PostHogCaptureModule.forRoot(), PostHogCaptureInspectorModule.forRoot()]
 * ```
 */
@Module({})
export class PostHogCaptureInspectorModule extends ConfigurableModuleClass {
  /** @throws PostHogConfigurationError at boot, naming every problem at once */
  static override forRoot({ imports = [], ...options }: PostHogCaptureInspectorModuleOptions = {}): DynamicModule {
    const definition = super.forRoot(options);
    return { ...definition, imports: [...(definition.imports ?? []), ...imports] };
  }

  /** Like `forRoot`, with options from a factory; `path`, `name`, `guard` and `decorators` stand beside it. */
  static override forRootAsync(options: PostHogCaptureInspectorModuleAsyncOptions): DynamicModule {
    return super.forRootAsync(options);
  }
}
