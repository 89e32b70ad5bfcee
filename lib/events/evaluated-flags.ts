/**
 * Evaluated feature flags of one person: the result of `evaluateFlags()` of posthog-node (5.61.1 or later), also narrowed by `only()` or
 * `onlyAccessed()`, or of `FeatureFlags.evaluate()`.
 */
export interface EvaluatedFlags {
  /** The keys of the flags. */
  readonly keys: readonly string[];
  /** posthog-node: a copy with some of the flags. The values are read from it, so that no flag counts as accessed. */
  only?(keys: string[]): EvaluatedFlags;
  /** The value of a flag. Called with `{ sendFeatureFlagEvents: false }`. */
  getFlag?(key: string, options?: { sendFeatureFlagEvents?: boolean }): boolean | string | undefined;
}
