import { type ConfigurableModuleAsyncOptions } from '@nestjs/common';
import { MODULE_OPTIONS_TOKEN } from '../module/posthog-capture.module-definition.js';
import { NAMED, namedModule } from '../shared/named-module.js';
import { type PostHogRelayModuleOptions } from './relay-options.js';

/** Options of the relay module itself. A factory cannot return them: they are given next to it. */
export interface PostHogRelayModuleExtras {
  /**
   * Name of the relay's instance, for `@InjectCapture(name)`, the health check, metrics and the inspector. A relay with another name than
   * the default reads variables of its own, such as `POSTHOG_BILLING_API_KEY` for `billing`. Default: `relay`, which reads `POSTHOG_API_KEY`
   * and so on.
   */
  name?: string | undefined;
  /** Makes the instance injectable in every module without an import. Default: true. */
  isGlobal?: boolean | undefined;
}

/** Implemented by a class for `useClass` or `useExisting` of `PostHogRelayModule.forRootAsync`. */
export interface PostHogRelayOptionsFactory {
  /** Called once, at boot. If it throws or rejects, the boot stops. */
  createPostHogRelayOptions(): PostHogRelayModuleOptions | Promise<PostHogRelayModuleOptions>;
}

/**
 * The options of `PostHogRelayModule.forRootAsync`: `useFactory` (with `inject`), `useClass` or `useExisting`, which provide the options
 * of `forRoot`, and `imports`.
 */
export interface PostHogRelayModuleAsyncOptions
  extends
    ConfigurableModuleAsyncOptions<PostHogRelayModuleOptions, keyof PostHogRelayOptionsFactory>,
    PostHogRelayModuleExtras {}

/** The same token as that of PostHogCaptureModule: each module has its own provider of it. */
export const { ConfigurableModuleClass } = namedModule<
  PostHogRelayModuleOptions,
  keyof PostHogRelayOptionsFactory,
  PostHogRelayModuleExtras
>({
  token: MODULE_OPTIONS_TOKEN,
  factoryMethod: 'createPostHogRelayOptions',
  extras: NAMED,
});
