/**
 * The module, the service that captures events, and the decorators.
 *
 * @module nestjs-posthog-capture
 */
export { PostHogCaptureModule } from './module/posthog-capture.module.js';
export {
  type PostHogCaptureModuleAsyncOptions,
  type PostHogCaptureModuleExtras,
  type PostHogCaptureOptionsFactory,
} from './module/posthog-capture.module-definition.js';
export {
  type BeforeSend,
  type EventDelivery,
  type HttpServiceToken,
  type PostHogCaptureModuleOptions,
  PostHogCaptureOptions,
  type RequestTrackingOptions,
} from './options/posthog-capture.options.js';
export {
  type ExceptionLimitOptions,
  type ExceptionOptions,
  type FailedCall,
  type IgnoreRule,
} from './options/exception-options.js';
export { posthogConfig, type PostHogConfig } from './options/posthog-capture.config.js';
export { PostHogConfigurationError } from './shared/configuration-error.js';

export { CaptureService } from './capture/capture.service.js';
export { type CaptureStats } from './capture/capture-stats.js';
export { type EventStats } from './capture/event-stats.js';
export { type FlagError, type FlagRead, type FlagStats } from './capture/flag-stats.js';
export { getCaptureToken, InjectCapture } from './capture/inject-capture.decorator.js';
export {
  type AliasInput,
  type CaptureEvent,
  type CaptureNowOptions,
  type ExceptionDetails,
  type GroupIdentifyInput,
  type IdentifyInput,
  type SetPersonPropertiesInput,
  type UnsetPersonPropertiesInput,
} from './capture/capture-event.js';
export { type EvaluatedFlags } from './events/evaluated-flags.js';
export { type ExceptionLevel } from './capture/exception/capture-boundary.js';
export { CaptureEventDto, captureEventOf, CaptureEventOptionsDto } from './capture/input/capture-event.dto.js';
export { CaptureResult } from './capture/capture-result.js';

export { type CaptureContext, type SerializedContext } from './context/capture-context.js';
export { type CallSource, type Transport } from './context/call-source.js';
export { type Identity } from './context/call-interpreter.js';
export { type RequestPropertySet } from './context/request-context.js';
export { type Outcome, type Outcomes, type TrackContext } from './context/track-context.js';

export {
  defineEvent,
  type EventArguments,
  type EventDefinition,
  type ReservedProperties,
  type TypedEvent,
} from './events/define-event.js';
export { type EventClass, type EventInfo } from './events/defined-event.js';
export { type ProfileMode } from './context/profile-mode.js';
export { type EventLimit } from './events/event-limit.js';
export { Event, Pii, type Props } from './events/event-class.js';
export { type CaptureEventOptions, type EventDetails, type EventEnvelope } from './events/event-envelope.js';
export { type CatalogEntry, type EventsOptions } from './events/events-options.js';
export { type PiiMode } from './events/personal-data.js';
export {
  type SchemaInput,
  type SchemaIssue,
  type SchemaOutput,
  type SchemaResult,
  type StandardSchema,
} from './shared/standard-schema.js';

export { TrackEvent, type TrackEventArguments } from './tracking/track-event.decorator.js';
export { TrackEventInterceptor } from './tracking/track-event.interceptor.js';
export {
  type TrackCallback,
  type Tracked,
  type TrackEventOptions,
  type TypedTrackEventOptions,
} from './tracking/call/track-event.options.js';
export { attachContext, type WithCarriedContext, withJobContext } from './tracking/propagation/carried-context.js';
export { RestoreContext } from './tracking/restore-context.decorator.js';

export {
  type CaptureQueue,
  type QueueLog,
  type QueueProblem,
  type QueueSample,
  type QueueSource,
  type RelaySource,
} from './queue/capture-queue.js';
export { type QueueRole, type QueueStats } from './queue/queue-monitor.js';

export {
  type Attempt,
  type Batch,
  type BatchLimit,
  type BatchOutcome,
  type DeliveryReport,
  type DropReason,
  type EventDrop,
  type PendingLimits,
  type QueuedEvent,
  type RequestStats,
  type SendBatch,
  type Sender,
  type SenderMessages,
  type SendFailure,
} from './delivery/delivery.js';
export { type EventStore, type Recovery, type RecoveryRequest } from './delivery/durability/event-store.js';
export { type CaptureMode } from './wire/wire-format.js';
export { type HttpServiceLike } from './wire/http-service.js';
export { type PostHogEvent } from './wire/posthog-event.js';
