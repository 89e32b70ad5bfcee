import { type ModuleRef } from '@nestjs/core';
import { type Delivery } from '../delivery/delivery.js';
import { type DeliveryOptions, DeliveryPipeline } from '../delivery/delivery-pipeline.js';
import { type EventReporter } from '../capture/report/event-reporter.js';
import { variableOf } from '../options/environment.js';
import { type PostHogCaptureOptions } from '../options/posthog-capture.options.js';
import { openQueue } from './open-queue.js';
import { aiProjectOf, type CaptureQueue } from '../queue/capture-queue.js';
import { LaneMonitors } from '../queue/lane-monitors.js';
import { onBeforeExit } from '../shared/process-hooks.js';
import { projectIdOf } from '../wire/ingestion-host.js';
import { type Connect } from './assemble-capture.js';
import { laneOptions, openLanes } from './open-lanes.js';
import { postHogSender } from './posthog-sender.js';

/**
 * The queue is near and answers within a millisecond: nothing is gained by waiting for more events, or long for the next attempt. Events
 * that are captured before it answers form the next batch, so there are fewer and larger ones than with several in flight.
 */
export const HOP = {
  flushAt: 1,
  lingerMs: 0,
  maxBatchEvents: 500,
  concurrency: 1,
  retryBaseMs: 100,
  retryMaxMs: 1000,
  coolDownMs: 1000,
} satisfies Partial<DeliveryOptions>;

/**
 * Connects an instance to a shared queue: its events go there, and only `captureNow` goes to PostHog itself.
 *
 * @param name the name of a named instance
 * @param modules finds the application's `HttpService`
 */
export function connectPod(
  options: Readonly<PostHogCaptureOptions>,
  given: CaptureQueue | string,
  name: string | undefined,
  modules: ModuleRef,
): Connect {
  return async (reporter, shutDown) => {
    const { apiKey, host } = options;
    const queue = await openQueue(given);
    const project = queue.project ?? projectIdOf(host, apiKey);
    const posthog = apiKey === '' ? null : postHogSender(options, name, modules, reporter);
    // A store names its files after the project, so it must not be a text of any length.
    const storeProject = projectIdOf(host, apiKey === '' ? project : apiKey);
    const monitors = new LaneMonitors(queue, project, 'pod', reporter);
    const lanes = await openLanes(options, name, storeProject, (lane) => {
      if (lane.isAi) monitors.watchAi();
      return new DeliveryPipeline(
        { ...lane.options, ...HOP },
        queue.sender(lane.isAi ? aiProjectOf(project) : project, reporter),
        reporter,
        lane.durability,
        posthog ? { sender: posthog.sender, options: laneOptions(options, lane.isAi) } : undefined,
        lane.requests,
      );
    });
    const endHook = onBeforeExit(shutDown);
    return {
      project,
      delivery: posthog ? lanes : refuseImmediate(lanes, reporter, variableOf('apiKey', name) ?? 'apiKey'),
      // After a crash the queue cannot be reached, so events that are not in it are sent directly to PostHog.
      handOver: lanes.handOver,
      resume: () => lanes.resume(),
      queueStats: () => monitors.stats,
      onStart: () => {
        posthog?.prepare();
        monitors.start();
      },
      onClose: () => {
        endHook();
        monitors.stop();
      },
    };
  };
}

/** Fails `captureNow` of a pod that has no key. */
function refuseImmediate(pipeline: Delivery, reporter: EventReporter, variable: string): Delivery {
  const message = `captureNow bypasses the shared queue and needs the API key: set apiKey (${variable}), or use capture`;
  return {
    stats: () => pipeline.stats(),
    accept: (event) => pipeline.accept(event),
    deliverNow: (event) => {
      reporter.dropped({ reason: 'undelivered', event: event.name, uuid: event.id, detail: message }, event);
      return Promise.resolve({ delivered: false, reason: 'undelivered', message });
    },
    flush: (timeoutMs) => pipeline.flush(timeoutMs),
    ready: (timeoutMs) => pipeline.ready(timeoutMs),
    close: (callsEnded) => pipeline.close(callsEnded),
  };
}
