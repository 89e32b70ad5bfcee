import { getCaptureToken } from '../../capture/inject-capture.decorator.js';
import { INSTANCE_SOURCE, type InstanceSource } from '../../module/instance-module.js';
import { type PostHogCaptureModuleOptions } from '../../options/posthog-capture.options.js';
import { type CaptureRecorder } from './capture-recorder.js';
import { newRecorder, recordCapture } from './record-capture.js';

/** What `Test.createTestingModule` of @nestjs/testing returns. */
export interface CaptureOverridable {
  overrideProvider(token: unknown): {
    useFactory(options: { factory: (source: never) => unknown; inject: unknown[] }): unknown;
  };
}

/** Which instance is to record, and options that count before those of the application. */
export type OverrideCaptureOptions = PostHogCaptureModuleOptions & {
  /** The name of a named instance. Default: the default instance. */
  readonly name?: string | undefined;
};

/**
 * Has an application that imports PostHogCaptureModule record what it captures. Everything but delivery is the application's own,
 * its options too; it needs no key and opens no connection. `POSTHOG_ENABLED` does not count.
 *
 * ```ts
 * const builder = Test.createTestingModule({ imports: [AppModule] });
 * const recorder = overrideCapture(builder);
 * const app = (await builder.compile()).createNestApplication();
 * ```
 *
 * @returns the recorder of the application that the builder compiles to
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
