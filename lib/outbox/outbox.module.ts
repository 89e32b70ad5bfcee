import { type DynamicModule, Module, type Provider } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { captureOf } from '../module/capture-of.js';
import { extendModule } from '../shared/named-module.js';
import { CaptureOutbox } from './capture-outbox.js';
import {
  ConfigurableModuleClass,
  OUTBOX_OPTIONS_TOKEN,
  type PostHogOutboxModuleAsyncOptions,
  type PostHogOutboxModuleExtras,
} from './outbox.module-definition.js';
import { type PostHogOutboxModuleOptions, resolveOutboxOptions } from './outbox.options.js';
import { getOutboxToken } from './outbox-token.js';

/**
 * Provides CaptureOutbox, beside PostHogCaptureModule, whose events it writes into a table of the application's database. A relay
 * (PostHogRelayModule) sends them. Global by default.
 *
 * ```ts
 * imports: [PostHogCaptureModule.forRoot(), PostHogOutboxModule.forRoot({ dialect: 'postgres' })]
 * ```
 */
@Module({})
export class PostHogOutboxModule extends ConfigurableModuleClass {
  /** @throws PostHogConfigurationError at boot, listing every problem with the options */
  static override forRoot(options: PostHogOutboxModuleOptions & PostHogOutboxModuleExtras): DynamicModule {
    return outboxModule(super.forRoot(options), options.name);
  }

  /**
   * Like `forRoot`, with options from a factory.
   *
   * @throws PostHogConfigurationError immediately without `useFactory`, `useClass` and `useExisting`, and at boot, listing every
   * problem with the options
   */
  static override forRootAsync(options: PostHogOutboxModuleAsyncOptions): DynamicModule {
    return outboxModule(super.forRootAsync(options), options.name);
  }
}

function outboxModule(definition: DynamicModule, name: string | undefined): DynamicModule {
  const token = getOutboxToken(name);
  const outbox: Provider = {
    provide: token,
    inject: [OUTBOX_OPTIONS_TOKEN, ModuleRef],
    useFactory: (explicit: unknown, modules: ModuleRef): CaptureOutbox =>
      new CaptureOutbox({
        tables: resolveOutboxOptions(explicit, name),
        name,
        capture: captureOf(modules, name, 'PostHogOutboxModule'),
      }),
  };
  return extendModule(definition, { providers: [outbox], exports: [token] });
}
