export { FakePostHog, type FakePostHogOptions, type WaitOptions } from './fake-posthog.js';
export {
  type Delay,
  type DelayFault,
  type Fault,
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
} from './faults.js';
export { type EventResult } from './judgement.js';
export { type CaptureFormat, type RecordedRequest, type StoredEvent, type Violation } from './recorded.js';
