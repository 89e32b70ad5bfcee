import { type CaptureService } from '../capture/capture.service.js';

/** The evaluation context of OpenFeature that PostHog's provider reads. */
export interface OpenFeatureContext {
  [key: string]: string | Record<string, string> | undefined;
  /** The person; absent while it is not known. */
  targetingKey?: string;
  /** Group type to group key. */
  groups?: Record<string, string>;
}

/**
 * Makes a function that returns the current person and groups for OpenFeature, for instance as `contextFactory` of
 * `@openfeature/nestjs-sdk`.
 *
 * @see https://posthog.com/docs/feature-flags/installation/openfeature
 */
export function openFeatureContext(capture: CaptureService): () => OpenFeatureContext {
  return () => {
    const { distinctId, groups } = capture.context.get();
    return {
      ...(distinctId !== undefined && { targetingKey: String(distinctId) }),
      ...(groups !== undefined && { groups: groups as Record<string, string> }),
    };
  };
}
