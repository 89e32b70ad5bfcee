import { type ConfigurableModuleAsyncOptions } from '@nestjs/common';
import { NAMED, namedModule } from '../shared/named-module.js';
import { type PostHogOutboxModuleOptions } from './outbox.options.js';

/** Options of the module itself. A factory cannot return them: they are given next to it. */
export interface PostHogOutboxModuleExtras {
  /**
   * Name of the instance of PostHogCaptureModule whose events are written. The outbox of a named instance is injected with
   * `@InjectOutbox(name)`. Default: the default instance.
   */
  name?: string | undefined;
  /** Makes CaptureOutbox injectable in every module without an import. Default: true. */
  isGlobal?: boolean | undefined;
}

/** Implemented by a class for `useClass` or `useExisting` of `PostHogOutboxModule.forRootAsync`. */
export interface PostHogOutboxOptionsFactory {
  /** Called once, at boot. If it throws or rejects, the boot stops. */
  createPostHogOutboxOptions(): PostHogOutboxModuleOptions | Promise<PostHogOutboxModuleOptions>;
}

/**
 * The options of `PostHogOutboxModule.forRootAsync`: `useFactory` (with `inject`), `useClass` or `useExisting`, which provide the options
 * of `forRoot`, and `imports`.
 */
export interface PostHogOutboxModuleAsyncOptions
  extends
    ConfigurableModuleAsyncOptions<PostHogOutboxModuleOptions, keyof PostHogOutboxOptionsFactory>,
    PostHogOutboxModuleExtras {}

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN: OUTBOX_OPTIONS_TOKEN } = namedModule<
  PostHogOutboxModuleOptions,
  keyof PostHogOutboxOptionsFactory,
  PostHogOutboxModuleExtras
>({
  token: 'POSTHOG_OUTBOX_OPTIONS',
  factoryMethod: 'createPostHogOutboxOptions',
  extras: NAMED,
});
