import { type ModuleRef } from '@nestjs/core';
import { type Connect } from '../module/assemble-capture.js';
import { pipelineOptions } from '../module/connect-posthog.js';
import { useStore } from '../module/durability-of.js';
import { postHogSender } from '../module/posthog-sender.js';
import { DeliveryPipeline } from '../delivery/delivery-pipeline.js';
import { type PostHogCaptureOptions } from '../options/posthog-capture.options.js';
import { openQueue } from '../module/open-queue.js';
import { type CaptureQueue } from '../queue/capture-queue.js';
import { QueueMonitor } from '../queue/queue-monitor.js';
import { describeError } from '../wire/describe-error.js';
import { projectIdOf } from '../wire/ingestion-host.js';

/** Longest interval of a timer, about 25 days. */
const FOREVER_MS = 2 ** 31 - 1;

/**
 * Connects an instance to a shared queue as a relay: takes events from there and sends them to PostHog. It starts when the application
 * does, and keeps the process alive until the application is closed.
 *
 * @param name the name of a named instance, for its variables
 * @param modules finds the application's `HttpService`
 */
export function connectRelay(
  options: Readonly<PostHogCaptureOptions>,
  given: CaptureQueue | string,
  name: string | undefined,
  modules: ModuleRef,
): Connect {
  return async (reporter) => {
    const queue = await openQueue(given);
    const { sender, prepare } = postHogSender(options, name, modules);
    const project = queue.project ?? projectIdOf(options.host, options.apiKey);
    const durability = useStore(queue.source(), options, project);
    const delivery = new DeliveryPipeline(
      { ...pipelineOptions(options), leavesStored: true },
      sender,
      reporter,
      durability,
    );
    const monitor = new QueueMonitor(queue, project, 'relay', reporter);
    let keepAlive: NodeJS.Timeout | undefined;
    const start = (): void => {
      prepare();
      keepAlive = setInterval(() => undefined, FOREVER_MS);
      monitor.start();
      // Not awaited: an application starts while the queue is down.
      delivery.recover().catch((error: unknown) => reporter.storeFailed(describeError(error, options.apiKey)));
    };
    const stop = (): void => {
      clearInterval(keepAlive);
      monitor.stop();
    };
    return { delivery, queueStats: () => monitor.stats, onStart: start, onClose: stop };
  };
}
