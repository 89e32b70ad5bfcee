/**
 * Records captured events in tests, and runs a local PostHog.
 *
 * @module nestjs-posthog-capture/testing
 */
export { PostHogCaptureTestingModule } from './recording/posthog-capture-testing.module.js';
export { type CaptureOverridable, overrideCapture, type OverrideCaptureOptions } from './recording/override-capture.js';
export { recorderOf } from './recording/record-capture.js';
export { CaptureRecorder, type WaitForOptions } from './recording/capture-recorder.js';
export { type RecordedEvent } from './recording/recording.js';
export { type ExpectedEvent, type ExpectedFields } from './recording/expected-event.js';
export { type ExpectedException } from './matchers/expected-exception.js';
export { type AsymmetricMatcher } from './recording/expected-event.js';
export {
  type CaptureMatchers,
  captureMatchers,
  type MatcherContext,
  type MatcherResult,
} from './matchers/capture-matchers.js';

export { FakePostHog, type FakePostHogOptions, type WaitOptions } from './fake-posthog/fake-posthog.js';
export {
  type Delay,
  type DelayFault,
  type Fault,
  type FlagsFault,
  type HalfAnswerFault,
  type HangFault,
  type InvalidJsonFault,
  type MaxEventsFault,
  type PoisonFault,
  type RedirectFault,
  type ResetFault,
  type ResultsFault,
  type SlowBodyFault,
  type StatusFault,
} from './fake-posthog/faults.js';
export { type EventResult } from './fake-posthog/validation.js';
export { FakeEndpoint, FakeFlagDefinitions, FakeFlags } from './fake-posthog/flags/fake-flags.js';
export {
  type FakeEventDefinition,
  type FakeEventSchema,
  type FakeGroupProperty,
  FakeProject,
  type FakePropertyGroup,
  type NewEventDefinition,
  type NewPropertyGroup,
} from './fake-posthog/project/fake-project.js';
export {
  type FakeFlag,
  type FakeFlagQuery,
  type FakeFlagResult,
  type FakeFlagValue,
} from './fake-posthog/flags/fake-flag.js';
export {
  type CaptureFormat,
  type EndpointName,
  type RecordedRequest,
  type StoredEvent,
  type Violation,
} from './fake-posthog/recorded.js';
