import { processClass } from '../shared/process-singleton.js';
import { FeatureFlags } from './feature-flags.service.js';
import { type TestFlag, type TestFlagSource } from './test-flag-source.js';

class TestFeatureFlagsClass extends FeatureFlags {
  readonly #source: TestFlagSource;

  /** @internal */
  constructor(parts: ConstructorParameters<typeof FeatureFlags>[0] & { readonly source: TestFlagSource }) {
    super(parts);
    this.#source = parts.source;
  }

  /** Changes some flags, also for calls that have read them already. */
  set(flags: Readonly<Record<string, TestFlag>>): void {
    this.#source.set(flags);
    this.forget();
  }

  /** Goes back to the flags of `forRoot`, and forgets which exposures were captured. */
  reset(): void {
    this.#source.reset();
    this.forget();
  }
}

/**
 * The FeatureFlags of a test: `module.get(TestFeatureFlags)`. One class per process.
 *
 * @class
 */
export const TestFeatureFlags = processClass('TestFeatureFlags', TestFeatureFlagsClass);
export interface TestFeatureFlags extends TestFeatureFlagsClass {}
