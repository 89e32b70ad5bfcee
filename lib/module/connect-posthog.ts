import { type ModuleRef } from '@nestjs/core';
import { DeliveryPipeline } from '../delivery/delivery-pipeline.js';
import { type PostHogCaptureOptions } from '../options/posthog-capture.options.js';
import { onBeforeExit } from '../shared/process-hooks.js';
import { projectIdOf } from '../wire/ingestion-host.js';
import { type Connect } from './assemble-capture.js';
import { durabilityOf, recoverFrom } from './durability-of.js';
import { postHogSender } from './posthog-sender.js';

/**
 * Connects an instance to PostHog: HTTP client, sender, store and delivery pipeline.
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
    const { sender, prepare } = postHogSender(options, name, modules);
    const durability = await durabilityOf(options, projectIdOf(options.host, options.apiKey));
    const delivery = new DeliveryPipeline(pipelineOptions(options), sender, reporter, durability);
    await recoverFrom(delivery, options, name);
    return { delivery, handOver: delivery.handOver, onStart: prepare, onClose: onBeforeExit(shutDown) };
  };
}

export function pipelineOptions(options: Readonly<PostHogCaptureOptions>) {
  return { ...options, maxEventAgeMs: options.maxEventAgeMs ?? null };
}
