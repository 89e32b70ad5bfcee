import { type ConfigurableModuleAsyncOptions } from '@nestjs/common';
import { type PostHogOptions } from 'posthog-node';
import { NAMED_WITH_ALIAS, namedModule } from '../shared/named-module.js';

/** Options of `PostHogNodeModule`. */
export interface PostHogNodeModuleOptions {
  /**
   * Options of posthog-node, e.g. `secretKey` for the local evaluation of flags. `before_send` is called before the event is captured. Key and
   * host are those of the instance. Options of posthog-node's queue have no effect.
   */
  options?: PostHogOptions | undefined;
}

/** Options of the module itself. A factory cannot return them: they are given next to it. */
export interface PostHogNodeModuleExtras {
  /**
   * Name of the instance that captures the events. The client of a named instance is injected with `@InjectPostHog(name)`. Default: none,
   * the default instance, whose client is injected as `PostHog`.
   */
  name?: string | undefined;
  /** @deprecated Use `name`. */
  instance?: string | undefined;
  /** Makes the client injectable in every module without an import. Default: true. */
  isGlobal?: boolean | undefined;
}

/** Implemented by a class for `useClass` or `useExisting` of `PostHogNodeModule.forRootAsync`. */
export interface PostHogNodeOptionsFactory {
  /** Called once, at boot. If it throws or rejects, the boot stops. */
  createPostHogNodeOptions(): PostHogNodeModuleOptions | Promise<PostHogNodeModuleOptions>;
}

/**
 * The options of `PostHogNodeModule.forRootAsync`: `useFactory` (with `inject`), `useClass` or `useExisting`, which provide the options of
 * `forRoot`, and `imports`.
 */
export interface PostHogNodeModuleAsyncOptions
  extends
    ConfigurableModuleAsyncOptions<PostHogNodeModuleOptions, keyof PostHogNodeOptionsFactory>,
    PostHogNodeModuleExtras {}

export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = namedModule<
  PostHogNodeModuleOptions,
  keyof PostHogNodeOptionsFactory,
  PostHogNodeModuleExtras
>({
  token: 'POSTHOG_NODE_MODULE_OPTIONS',
  factoryMethod: 'createPostHogNodeOptions',
  extras: NAMED_WITH_ALIAS,
});
