/**
 * Feature flags of the current person. Needs the package `posthog-node`, except in tests.
 *
 * @module nestjs-posthog-capture/flags
 */
export { FeatureFlagsModule } from './feature-flags.module.js';
export {
  type FeatureFlagsModuleAsyncOptions,
  type FeatureFlagsModuleExtras,
  type FeatureFlagsOptionsFactory,
} from './feature-flags.module-definition.js';
export { type FeatureFlagsModuleOptions, type FlagDefinitionsOptions } from './feature-flags.options.js';
export { FeatureFlags } from './feature-flags.service.js';
export { getFeatureFlagsToken, InjectFeatureFlags } from './feature-flags-token.js';
export { RequireFlag } from './require-flag.decorator.js';
export { type FlagDenial, type RequireFlagOptions } from './flag-guard.js';
export { Flag } from './flag.decorator.js';
export { type FlagOptions } from './flag.pipe.js';
export { Flags } from './flags.js';
export { type FlagQuery } from './flag-query.js';
export { type FlagDegradation, type FlagSnapshot, type FlagValue } from './flag-snapshot.js';
export { type FlagGroup, type FlagSubject, type SubjectProperties } from './flag-subject.js';
export { type EvaluateOptions, type FlagClient } from './flag-client.js';
export { type FlagDefinitionCache } from './flag-definitions.js';
export { type SchemaIssue, type SchemaResult, type StandardSchema } from '../shared/standard-schema.js';
export { openFeatureContext, type OpenFeatureContext } from './open-feature-context.js';
export {
  FeatureFlagsTestingModule,
  type FeatureFlagsTestingOptions,
  type FlagsOverridable,
  overrideFeatureFlags,
  type TestFlagControls,
} from './feature-flags-testing.module.js';
export { TestFeatureFlags } from './test-feature-flags.js';
export { type TestFlag } from './test-flag-source.js';
