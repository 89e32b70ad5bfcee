import { Logger } from '@nestjs/common';
import { CaptureService } from '../capture/capture.service.js';
import { DropReporter } from '../capture/report/drop-reporter.js';
import { EventIntake } from '../capture/event/event-intake.js';
import { EventWatchers } from '../capture/report/event-watcher.js';
import { rememberWatchers } from '../capture/report/watch-events.js';
import { type ResolvedOptions } from '../options/resolve-options.js';
import { CallInterpreter } from '../context/call-interpreter.js';
import { type Warn } from '../context/capture-context.js';
import { ContextStorage } from '../context/context-storage.js';
import { type Delivery } from '../delivery/event-delivery.js';
import { rememberSettings } from '../tracking/call/tracking-instance.js';
import { formatOf } from '../wire/formats.js';

/** Who takes the events of an instance, and what its start and its end mean to them. */
export interface Connection {
  readonly delivery: Delivery;
  /** Called when the application starts; may throw. */
  readonly onStart?: () => void;
  /** Called when the application closes. */
  readonly onClose?: () => void;
}

/**
 * Connects an instance.
 *
 * @param reporter is told what becomes of events that do not arrive
 * @param watchers are told what happens to events on their way
 * @param shutDown ends the instance as the application's end would
 */
export type Connect = (
  reporter: DropReporter,
  watchers: EventWatchers,
  shutDown: () => Promise<unknown>,
) => Promise<Connection> | Connection;

const WATCHER_FAILED = 'A watcher of events failed and is told no more. The events are not affected.';

/**
 * Puts one instance together around whoever takes its events.
 *
 * @param name the name of a named instance
 * @param connect called once, unless the instance is disabled
 */
export async function assembleCapture(
  { options, warnings }: ResolvedOptions,
  name: string | undefined,
  connect: Connect,
): Promise<CaptureService> {
  const logger = options.logger ?? new Logger(name === undefined ? 'PostHogCapture' : `PostHogCapture:${name}`);
  const watchers = new EventWatchers(() => reporter.warn('watcher', WATCHER_FAILED));
  const reporter = new DropReporter(logger, options.onDrop, watchers);
  for (const warning of warnings) reporter.warn(`options: ${warning}`, warning);
  const warnOfContext: Warn = (warning) => reporter.warn(`context: ${warning}`, `Context: ${warning}.`);
  const contexts = new ContextStorage(warnOfContext, new CallInterpreter(options, warnOfContext));
  const intake = new EventIntake(contexts, formatOf(options.captureMode), options);
  const shutDown = (): Promise<unknown> => service.onApplicationShutdown();
  const { delivery: pipeline = null, ...hooks } = options.enabled ? await connect(reporter, watchers, shutDown) : {};
  const service: CaptureService = new CaptureService({ contexts, intake, pipeline, reporter, ...hooks });
  rememberWatchers(service, watchers);
  rememberSettings(service, {
    context: options.enabled && options.context,
    requests: options.enabled && options.requests,
    warn: (kind, text) => reporter.warn(kind, text),
  });
  return service;
}
