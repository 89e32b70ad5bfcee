import { type ModuleRef } from '@nestjs/core';
import { DeliveryPipeline } from '../delivery/delivery-pipeline.js';
import { type PostHogCaptureOptions } from '../options/posthog-capture.options.js';
import { onBeforeExit } from '../shared/process-hooks.js';
import { projectIdOf } from '../wire/ingestion-host.js';
import { type Connect } from './assemble-capture.js';
import { openLanes } from './open-lanes.js';
import { postHogSender } from './posthog-sender.js';

/**
 * Connects an instance to PostHog: HTTP client, sender, store and delivery.
 *
 * @param name the name of a named instance
 * @param modules finds the application's `HttpService`
 */
export function connectPostHog(
  options: Readonly<PostHogCaptureOptions>,
  name: string | undefined,
  modules: ModuleRef,
): Connect {
  return async (reporter, shutDown) => {
    const { sender, prepare } = postHogSender(options, name, modules, reporter);
    const project = projectIdOf(options.host, options.apiKey);
    const delivery = await openLanes(
      options,
      name,
      project,
      (lane) => new DeliveryPipeline(lane.options, sender, reporter, lane.durability, undefined, lane.requests),
    );
    return {
      delivery,
      project,
      handOver: delivery.handOver,
      resume: () => delivery.resume(),
      onStart: prepare,
      onClose: onBeforeExit(shutDown),
    };
  };
}
