import { Logger } from '@nestjs/common';
import { CaptureService } from '../capture/capture.service.js';
import { type CaptureParts } from '../capture/capture-parts.js';
import { allowDefinitions } from '../capture/event-definitions.js';
import { rememberClientSettings } from '../capture/client-settings.js';
import { Exceptions } from '../capture/exception/exceptions.js';
import { EventReporter } from '../capture/report/event-reporter.js';
import { EventIntake } from '../capture/event/event-intake.js';
import { dedupeProjectOf } from '../capture/limits/dedupe-uuid.js';
import { EventLimits } from '../capture/limits/event-limits.js';
import { routeOf } from '../capture/report/route.js';
import { allowWatching } from '../capture/report/watch-events.js';
import { allowWrapping } from '../capture/wrap-delivery.js';
import { allowResuming } from '../capture/resume-capture.js';
import { callWaitUntil } from '../capture/wait-until.js';
import { type ResolvedOptions } from '../options/resolve-options.js';
import { CallInterpreter } from '../context/call-interpreter.js';
import { EventCatalog } from '../events/event-catalog.js';
import { type PostHogCaptureOptions } from '../options/posthog-capture.options.js';
import { REQUEST_EVENT } from '../tracking/http/request-events.js';
import { type Warn } from '../shared/unknown-fields.js';
import { ContextStorage } from '../context/context-storage.js';
import { type Delivery } from '../delivery/delivery.js';
import { type HandsOver } from '../delivery/hand-over.js';
import { type QueueEnd, type QueueStats } from '../queue/queue-monitor.js';
import { exceptionRulesOf } from '../tracking/call/exception-rules.js';
import { rememberSettings } from '../tracking/call/tracking-instance.js';
import { watchCrashes } from './watch-crashes.js';
import { ingestionHost } from '../wire/ingestion-host.js';

/** Where a mistake should be found: in development, in tests and in CI. */
function isStrict({ NODE_ENV, CI }: NodeJS.ProcessEnv): boolean {
  return NODE_ENV === 'development' || NODE_ENV === 'test' || !/^(?:|0|false)$/i.test(CI ?? '');
}

function catalogOf({ events, requests }: Readonly<PostHogCaptureOptions>): EventCatalog {
  const requestEvent = typeof requests === 'object' ? requests.event : undefined;
  return new EventCatalog(events, isStrict(process.env), [requestEvent ?? REQUEST_EVENT]);
}

function limitsOf({ limits, apiKey, queue }: Readonly<PostHogCaptureOptions>, catalog: EventCatalog): EventLimits {
  // A pod may do without the key, and names the project instead.
  const named = typeof queue === 'object' ? queue.project : undefined;
  const project = dedupeProjectOf(apiKey === '' ? (named ?? '') : apiKey);
  return new EventLimits({ limits, definitions: catalog.definitions, project });
}

export interface Connection {
  readonly delivery: Delivery;
  /** Identifies the project whose events it delivers. Absent if nothing is sent, and on a relay, which captures no events. */
  readonly project?: string;
  /** Gives the pending events away when the process crashes. */
  readonly handOver?: HandsOver;
  /** The process may have been suspended: see `resumeCapture`. */
  readonly resume?: () => void;
  /** The state of the shared queue. Absent without one. */
  readonly queueStats?: () => QueueStats;
  /** Called once when the application starts. If it throws, the start fails. */
  readonly onStart?: () => void;
  /** Called once when the application closes. */
  readonly onClose?: () => void;
}

/**
 * Creates the delivery of an instance.
 *
 * @param reporter must be notified of the fates of the events
 * @param shutDown shuts the instance down, as closing the application does
 */
export type Connect = (reporter: EventReporter, shutDown: () => Promise<unknown>) => Promise<Connection> | Connection;

/**
 * Creates the service of one instance.
 *
 * @param name the name of a named instance
 * @param connect called once, or never if the instance is disabled
 * @param end the end of the shared queue or outbox that it is at, if there is one
 */
export async function assembleCapture(
  { options, warnings, notes }: ResolvedOptions,
  name: string | undefined,
  connect: Connect,
  end?: QueueEnd,
): Promise<CaptureService> {
  const logger = options.logger ?? new Logger(name === undefined ? 'PostHogCapture' : `PostHogCapture:${name}`);
  // It does not know what PostHog accepts.
  const handsOn = end?.role === 'pod' || end?.handsOn === true;
  const callbacks = handsOn ? { ...options, onDelivery: undefined } : options;
  const catalog = catalogOf(options);
  const limits = limitsOf(options, catalog);
  const reporter = new EventReporter(logger, callbacks, routeOf(end), (event) => limits.lost(event));
  for (const warning of warnings) reporter.warn(`options: ${warning}`, warning);
  for (const note of notes) reporter.note(`options: ${note}`, note);
  const warnOfContext: Warn = (warning) => reporter.warn(`context: ${warning}`, `Context: ${warning}.`);
  const contexts = new ContextStorage(warnOfContext, new CallInterpreter(options, warnOfContext));
  const exceptions = new Exceptions(typeof options.exceptions === 'object' ? options.exceptions : {});
  const intake = new EventIntake(contexts, options.captureMode, options, exceptions, catalog, limits);
  const shutDown = (): Promise<unknown> => service.onApplicationShutdown();
  const {
    delivery: pipeline = null,
    handOver,
    project,
    resume,
    ...hooks
  } = options.enabled ? await connect(reporter, shutDown) : {};
  const onClosed = (): void => stopWatching();
  const parts: CaptureParts = { contexts, intake, exceptions, pipeline, reporter, ...hooks, onClosed };
  const service: CaptureService = new CaptureService(parts);
  const stopWatching = handOver ? watchCrashes(options, service, handOver, reporter) : () => undefined;
  allowWatching(service, reporter);
  allowDefinitions(service, catalog);
  if (end?.role !== 'relay')
    allowWrapping(service, {
      project,
      shutdownTimeoutMs: options.shutdownTimeoutMs,
      wrap: (wrap) => {
        if (parts.pipeline) parts.pipeline = wrap(parts.pipeline, reporter);
      },
    });
  if (resume) allowResuming(service, resume);
  if (options.waitUntil && pipeline) callWaitUntil(service, options.waitUntil, reporter);
  // The calls of an application are those of its other instances.
  const isTracking = options.enabled && end?.role !== 'relay';
  const exceptionRules = isTracking ? exceptionRulesOf(options.exceptions) : null;
  rememberSettings(service, {
    context: isTracking && options.context,
    requests: isTracking && options.requests,
    exceptions: exceptionRules,
    warn: (kind, text) => reporter.warn(kind, text),
  });
  rememberClientSettings(service, {
    apiKey: options.apiKey,
    host: ingestionHost(options.host),
    disableGeoip: options.disableGeoip,
    observesErrors: exceptionRules !== null,
    isRecorded: false,
    warn: (kind, text) => reporter.warn(kind, text),
  });
  return service;
}
