import { type ConfigurableModuleAsyncOptions, ConfigurableModuleBuilder } from '@nestjs/common';
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

/** The provider of OUTBOX_OPTIONS_TOKEN is the options as the application passed them: not validated. */
export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN: OUTBOX_OPTIONS_TOKEN } =
  new ConfigurableModuleBuilder<PostHogOutboxModuleOptions>({ optionsInjectionToken: 'POSTHOG_OUTBOX_OPTIONS' })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createPostHogOutboxOptions')
    // The builder removes these keys from the options of forRoot; without a value they would stay.
    .setExtras<PostHogOutboxModuleExtras>({ name: undefined, isGlobal: true }, (definition, { isGlobal }) => ({
      ...definition,
      global: isGlobal ?? true,
    }))
    .build();
