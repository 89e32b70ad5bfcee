import { type ConfigurableModuleAsyncOptions } from '@nestjs/common';
import { type PostHogCaptureModuleOptions } from '../options/posthog-capture.options.js';
import { NAMED, namedModule } from '../shared/named-module.js';

/** Options of the module itself. A factory cannot return them: they are given next to it. */
export interface PostHogCaptureModuleExtras {
  /**
   * Name of a second, independent instance, which is injected with `@InjectCapture(name)` and reads only its own variables,
   * such as `POSTHOG_BILLING_API_KEY` for `billing`. Default: none, the default instance.
   */
  name?: string | undefined;
  /** Makes the instance injectable in every module without an import. Default: true. */
  isGlobal?: boolean | undefined;
}

/** Implemented by a class for `useClass` or `useExisting` of `forRootAsync`. */
export interface PostHogCaptureOptionsFactory {
  /** Called once, at boot. If it throws or rejects, the boot stops. */
  createPostHogCaptureOptions(): PostHogCaptureModuleOptions | Promise<PostHogCaptureModuleOptions>;
}

/**
 * The options of `forRootAsync`: `useFactory` (with `inject`), `useClass` or `useExisting`, which provide the options of
 * `forRoot`, and `imports`.
 */
export interface PostHogCaptureModuleAsyncOptions
  extends
    ConfigurableModuleAsyncOptions<PostHogCaptureModuleOptions, keyof PostHogCaptureOptionsFactory>,
    PostHogCaptureModuleExtras {}

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = namedModule<
  PostHogCaptureModuleOptions,
  keyof PostHogCaptureOptionsFactory,
  PostHogCaptureModuleExtras
>({
  token: 'POSTHOG_CAPTURE_MODULE_OPTIONS',
  factoryMethod: 'createPostHogCaptureOptions',
  extras: NAMED,
});
