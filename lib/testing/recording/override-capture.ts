import { getCaptureToken } from '../../capture/inject-capture.decorator.js';
import { INSTANCE_SOURCE, type InstanceSource } from '../../module/instance-module.js';
import { type PostHogCaptureModuleOptions } from '../../options/posthog-capture.options.js';
import { type CaptureRecorder } from './capture-recorder.js';
import { newRecorder, recordCapture } from './record-capture.js';

/** The part of a `TestingModuleBuilder` of `@nestjs/testing` that `overrideCapture` needs. */
export interface CaptureOverridable {
  /** As in Nest. */
  overrideProvider(token: unknown): {
    /** As in Nest. */
    useFactory(options: { factory: (source: never) => unknown; inject: unknown[] }): unknown;
  };
}

/** Options that override those of the application, and the instance that they apply to. */
export type OverrideCaptureOptions = PostHogCaptureModuleOptions & {
  /** Name of a named instance. Default: the default instance. */
  readonly name?: string | undefined;
};

/**
 * Records what an application that imports PostHogCaptureModule captures. The application keeps its configuration; only delivery is
 * replaced. It needs no API key and opens no connection. `POSTHOG_ENABLED` is ignored. Must be called before `builder.compile()`.
 *
 * ```ts
 * const builder = Test.createTestingModule({ imports: [AppModule] });
 * const recorder = overrideCapture(builder);
 * const app = (await builder.compile()).createNestApplication();
 * // … send a request
 * expect(recorder).toHaveCaptured('purchase_completed', { distinctId: 'user_1' });
 * ```
 *
 * @returns the recorder of the application that the builder compiles
 */
export function overrideCapture(builder: CaptureOverridable, overrides: OverrideCaptureOptions = {}): CaptureRecorder {
  const { name, ...options } = overrides;
  const parts = newRecorder(name);
  builder.overrideProvider(getCaptureToken(name)).useFactory({
    factory: (source: InstanceSource) => recordCapture(source, parts, options),
    inject: [INSTANCE_SOURCE],
  });
  return parts.recorder;
}
