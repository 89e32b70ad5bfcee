import { captureCaught } from '../capture/capture-caught.js';
import { type CaptureService } from '../capture/capture.service.js';
import { type EventReporter } from '../capture/report/event-reporter.js';
import { observeCrashes } from '../crash/crash-monitor.js';
import { childProblem } from '../crash/send-from-child.js';
import { type HandsOver } from '../delivery/hand-over.js';
import { type PostHogCaptureOptions } from '../options/posthog-capture.options.js';
import { ingestionHost } from '../wire/ingestion-host.js';
import { portableSettings } from '../wire/portable-settings.js';

/**
 * Captures crashes of the process with an instance, until the returned function is called.
 *
 * @param capture the service of the instance
 * @param handOver gives its pending events away when the process ends
 */
export function watchCrashes(
  options: Readonly<PostHogCaptureOptions>,
  capture: CaptureService,
  handOver: HandsOver,
  reporter: EventReporter,
): () => void {
  const crashes = crashesOf(options.exceptions);
  if (crashes === false) return () => undefined;
  const { apiKey, compression, historicalMigration, maxBatchEvents, maxBatchBytes, concurrency } = options;
  const usesStore = crashes !== 'child';
  const problem = childProblem();
  if (problem !== undefined && (options.store === undefined || !usesStore))
    reporter.warn('crashes', `Events in memory are lost when the process crashes, because ${problem}, or use a store.`);
  const host = ingestionHost(options.host);
  const http = portableSettings(options.http);
  const common = { host, apiKey, compression, historicalMigration, maxBatchEvents, concurrency, http };
  return observeCrashes({
    usesStore,
    handOver,
    capture: (error, boundary) => captureCaught(capture, error, boundary),
    settings: () =>
      apiKey === '' ? null : { ...common, maxBatchBytes: capture.stats().batchLimit?.bytes ?? maxBatchBytes },
  });
}

/** Default: the store, if there is one. */
function crashesOf(exceptions: PostHogCaptureOptions['exceptions']): 'store' | 'child' | false {
  const { observe, crashes = 'store' } = typeof exceptions === 'object' ? exceptions : { observe: exceptions };
  return observe !== false && crashes;
}
