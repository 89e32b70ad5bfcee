import { type ModuleRef } from '@nestjs/core';
import { type EventReporter } from '../capture/report/event-reporter.js';
import { type Connect } from '../module/assemble-capture.js';
import { HOP } from '../module/connect-pod.js';
import { useStore } from '../module/durability-of.js';
import { laneOptions } from '../module/open-lanes.js';
import { openQueue } from '../module/open-queue.js';
import { postHogSender } from '../module/posthog-sender.js';
import { type Sender } from '../delivery/delivery.js';
import { type DeliveryOptions, DeliveryPipeline } from '../delivery/delivery-pipeline.js';
import { LanedDelivery } from '../delivery/lanes/laned-delivery.js';
import { type PostHogCaptureOptions } from '../options/posthog-capture.options.js';
import { aiProjectOf, type CaptureQueue, type RelaySource } from '../queue/capture-queue.js';
import { LaneMonitors } from '../queue/lane-monitors.js';
import { describeError } from '../wire/describe-error.js';
import { aiFormatOf, formatOf, isAiEvent } from '../wire/formats.js';
import { projectIdOf } from '../wire/ingestion-host.js';

/** Longest interval of a timer, about 25 days. */
const FOREVER_MS = 2 ** 31 - 1;

/** Where a relay takes events from, and where it takes them to. */
export interface RelayEnds {
  readonly source: RelaySource | string;
  /** undefined: PostHog. */
  readonly handsOnTo: CaptureQueue | string | undefined;
}

interface Receiver {
  senderOf(isAi: boolean): Sender;
  readonly options: Partial<DeliveryOptions>;
  /** Called once when the application starts. */
  prepare(): void;
}

/**
 * Connects an instance to a shared queue or an outbox as a relay: takes events from there and sends them to PostHog, or puts those of an
 * outbox into a queue. It starts when the application does, and keeps the process alive until the application is closed.
 *
 * @param name the name of a named instance, for its variables
 * @param modules finds the application's `HttpService`
 */
export function connectRelay(
  options: Readonly<PostHogCaptureOptions>,
  { source, handsOnTo }: RelayEnds,
  name: string | undefined,
  modules: ModuleRef,
): Connect {
  return async (reporter) => {
    const queue = typeof source === 'string' ? await openQueue(source) : source;
    await queue.check?.();
    const next = handsOnTo === undefined ? undefined : await openQueue(handsOnTo);
    const project = queue.project ?? next?.project ?? projectIdOf(options.host, options.apiKey);
    const receiver = next ? nextQueue(next, project, reporter) : postHog(options, name, modules, reporter);
    const take = (pipeline: DeliveryPipeline): void =>
      // Not awaited: an application starts while the queue is down.
      void pipeline.recover().catch((error: unknown) => reporter.storeFailed(describeError(error, options.apiKey)));
    const first = new DeliveryPipeline(
      { ...laneOptions(options, false), ...receiver.options, leavesStored: true },
      receiver.senderOf(false),
      reporter,
      useStore(queue.source(), options, project, formatOf(options.captureMode)),
    );
    const delivery = new LanedDelivery(
      first,
      {
        takes: isAiEvent,
        open: (shutdownTimeoutMs, isLate) => {
          const lane = new DeliveryPipeline(
            { ...laneOptions(options, true), ...receiver.options, leavesStored: true, shutdownTimeoutMs },
            receiver.senderOf(true),
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
      receiver.prepare();
      keepAlive = setInterval(() => undefined, FOREVER_MS);
      take(first);
      monitors.watchAi();
      monitors.start();
    };
    const stop = (): void => {
      clearInterval(keepAlive);
      monitors.stop();
    };
    return {
      delivery,
      queueStats: () => (handsOnTo === undefined ? monitors.stats : { ...monitors.stats, handsOn: true }),
      onStart: start,
      onClose: stop,
    };
  };
}

function postHog(
  options: Readonly<PostHogCaptureOptions>,
  name: string | undefined,
  modules: ModuleRef,
  reporter: EventReporter,
): Receiver {
  const { sender, prepare } = postHogSender(options, name, modules, reporter);
  return { senderOf: () => sender, options: {}, prepare };
}

function nextQueue(queue: CaptureQueue, project: string, reporter: EventReporter): Receiver {
  return {
    senderOf: (isAi) => queue.sender(isAi ? aiProjectOf(project) : project, reporter),
    options: HOP,
    prepare: () => undefined,
  };
}
