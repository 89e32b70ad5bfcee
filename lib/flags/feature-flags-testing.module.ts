import { type DynamicModule, Logger, Module, type Provider } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { type CaptureService } from '../capture/capture.service.js';
import { settingsOf } from '../tracking/call/tracking-instance.js';
import { captureOf } from '../module/capture-of.js';
import { getFeatureFlagsToken } from './feature-flags-token.js';
import { FlagCounts } from './flag-counts.js';
import { FlagDiscovery } from './flag-discovery.js';
import { TestFeatureFlags } from './test-feature-flags.js';
import { type TestFlag, TestFlagSource } from './test-flag-source.js';

/** Options of `FeatureFlagsTestingModule.forRoot`. */
export interface FeatureFlagsTestingOptions {
  /** As of FeatureFlagsModule. Default: `read`. */
  readonly attach?: 'read' | 'none';
  /** Name of the instance. Default: the default instance. */
  readonly name?: string;
}

/**
 * Replaces FeatureFlagsModule in tests: FeatureFlags has the given values, for every person and also where none is known. Needs neither
 * posthog-node nor a connection. A flag that is not given has no value, so that code gets its default.
 *
 * With PostHogCaptureTestingModule, the recorder hears what PostHog would: the exposures, and the values on later events.
 *
 * ```ts
 * const module = await Test.createTestingModule({
 *   imports: [PostHogCaptureTestingModule.forRoot(), FeatureFlagsTestingModule.forRoot({ 'new-checkout': 'blue' })],
 *   providers: [CheckoutService],
 * }).compile();
 * module.get(TestFeatureFlags).set({ 'new-checkout': false });
 * ```
 *
 * In a test of a whole application, use `overrideFeatureFlags`.
 */
@Module({})
export class FeatureFlagsTestingModule {
  /**
   * The module with these flags.
   *
   * @param flags value by key; `{ value, payload }` for a flag with a payload
   */
  static forRoot(
    flags: Readonly<Record<string, TestFlag>> = {},
    { attach = 'read', name }: FeatureFlagsTestingOptions = {},
  ): DynamicModule {
    const token = getFeatureFlagsToken(name);
    const service: Provider = {
      provide: token,
      inject: [ModuleRef],
      useFactory: (modules: ModuleRef) => testFlags(modules, new TestFlagSource(flags), { attach, name }),
    };
    const own = name === undefined ? TestFeatureFlags : `TestFeatureFlags:${name}`;
    return {
      module: FeatureFlagsTestingModule,
      global: true,
      providers: [FlagDiscovery, service, { provide: own, useExisting: token }],
      exports: [token, own],
    };
  }
}

/** The part of a `TestingModuleBuilder` of `@nestjs/testing` that `overrideFeatureFlags` needs. */
export interface FlagsOverridable {
  /** As in Nest. */
  overrideProvider(token: unknown): {
    /** As in Nest. */
    useFactory(options: { factory: (modules: ModuleRef) => unknown; inject: unknown[] }): unknown;
  };
}

/** Changes the flags of a test. */
export type TestFlagControls = Pick<TestFeatureFlags, 'set' | 'reset'>;

/**
 * Gives the flags of an application that imports FeatureFlagsModule values of the test. Must be called before `builder.compile()`.
 *
 * ```ts
 * const builder = Test.createTestingModule({ imports: [AppModule] });
 * const recorder = overrideCapture(builder);
 * const flags = overrideFeatureFlags(builder, { 'new-checkout': 'blue' });
 * const app = (await builder.compile()).createNestApplication();
 * // … send a request
 * flags.set({ 'new-checkout': false });
 * ```
 *
 * @param flags value by key; `{ value, payload }` for a flag with a payload
 */
export function overrideFeatureFlags(
  builder: FlagsOverridable,
  flags: Readonly<Record<string, TestFlag>> = {},
  options: FeatureFlagsTestingOptions = {},
): TestFlagControls {
  const source = new TestFlagSource(flags);
  let service: TestFeatureFlags | undefined;
  builder.overrideProvider(getFeatureFlagsToken(options.name)).useFactory({
    factory: (modules) => (service = testFlags(modules, source, options)),
    inject: [ModuleRef],
  });
  return {
    set: (changed) => {
      source.set(changed);
      service?.forget();
    },
    reset: () => {
      source.reset();
      service?.forget();
    },
  };
}

function testFlags(
  modules: ModuleRef,
  source: TestFlagSource,
  { attach, name }: FeatureFlagsTestingOptions,
): TestFeatureFlags {
  const find = captureOf(modules, name, 'FeatureFlagsTestingModule');
  const capture = (): CaptureService | undefined => {
    try {
      return find();
    } catch {
      return undefined;
    }
  };
  source.connect(capture);
  return new TestFeatureFlags({
    name,
    capture,
    source,
    counts: new FlagCounts(),
    attaches: attach !== 'none',
    declared: () => [],
    warn: (kind, text) => {
      const own = capture();
      if (own === undefined) new Logger('PostHogCapture').warn(text);
      else settingsOf(own).warn(kind, text);
    },
  });
}
