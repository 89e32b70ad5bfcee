import { type ModuleRef } from '@nestjs/core';
import { type Connect } from '../module/assemble-capture.js';
import { useStore } from '../module/durability-of.js';
import { laneOptions } from '../module/open-lanes.js';
import { postHogSender } from '../module/posthog-sender.js';
import { DeliveryPipeline } from '../delivery/delivery-pipeline.js';
import { LanedDelivery } from '../delivery/lanes/laned-delivery.js';
import { type PostHogCaptureOptions } from '../options/posthog-capture.options.js';
import { openQueue } from '../module/open-queue.js';
import { aiProjectOf, type CaptureQueue } from '../queue/capture-queue.js';
import { LaneMonitors } from '../queue/lane-monitors.js';
import { describeError } from '../wire/describe-error.js';
import { aiFormatOf, formatOf, isAiEvent } from '../wire/formats.js';
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
    const { sender, prepare } = postHogSender(options, name, modules, reporter);
    const project = queue.project ?? projectIdOf(options.host, options.apiKey);
    const take = (pipeline: DeliveryPipeline): void =>
      // Not awaited: an application starts while the queue is down.
      void pipeline.recover().catch((error: unknown) => reporter.storeFailed(describeError(error, options.apiKey)));
    const first = new DeliveryPipeline(
      { ...laneOptions(options, false), leavesStored: true },
      sender,
      reporter,
      useStore(queue.source(), options, project, formatOf(options.captureMode)),
    );
    const delivery = new LanedDelivery(
      first,
      {
        takes: isAiEvent,
        open: (shutdownTimeoutMs, isLate) => {
          const lane = new DeliveryPipeline(
            { ...laneOptions(options, true), leavesStored: true, shutdownTimeoutMs },
            sender,
            reporter,
            isLate
              ? undefined
              : useStore(queue.source(), options, aiProjectOf(project), aiFormatOf(options.captureMode)),
            undefined,
            first.requests,
          );
          if (!isLate) take(lane);
          return lane;
        },
      },
      options,
    );
    const monitors = new LaneMonitors(queue, project, 'relay', reporter, () => delivery.openSecond());
    let keepAlive: NodeJS.Timeout | undefined;
    const start = (): void => {
      prepare();
      keepAlive = setInterval(() => undefined, FOREVER_MS);
      monitors.watchAi();
      monitors.start();
      take(first);
    };
    const stop = (): void => {
      clearInterval(keepAlive);
      monitors.stop();
    };
    return { delivery, queueStats: () => monitors.stats, onStart: start, onClose: stop };
  };
}
