import { ConfigurableModuleBuilder } from '@nestjs/common';
import { type PostHogCaptureModuleOptions } from '../options/posthog-capture.options.js';

/** What is said beside the options: it shapes the module itself, so it cannot come from a factory. */
export interface PostHogCaptureModuleExtras {
  /** Makes a second, independent instance, injected with `@InjectCapture(name)`. Default: the default instance. */
  name?: string | undefined;
  /** Whether the service can be injected without importing the module. Default: true. */
  isGlobal?: boolean | undefined;
}

/** What a class has that answers the options, for `useClass` and `useExisting`. */
export interface PostHogCaptureOptionsFactory {
  /** Called once, at boot. A rejection stops the boot. */
  createPostHogCaptureOptions(): PostHogCaptureModuleOptions | Promise<PostHogCaptureModuleOptions>;
}

/**
 * The base of PostHogCaptureModule with `forRoot` and `forRootAsync`, and the token under which it provides the
 * options as the application gave them: not parsed, not validated.
 */
export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<PostHogCaptureModuleOptions>({
    optionsInjectionToken: 'POSTHOG_CAPTURE_MODULE_OPTIONS',
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createPostHogCaptureOptions')
    // The keys, even without a value, are what the builder takes out of the options of forRoot.
    .setExtras<PostHogCaptureModuleExtras>({ name: undefined, isGlobal: true }, (definition, { isGlobal }) => ({
      ...definition,
      global: isGlobal ?? true,
    }))
    .build();
