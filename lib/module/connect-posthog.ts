import { type ModuleRef } from '@nestjs/core';
import { DeliveryPipeline } from '../delivery/delivery-pipeline.js';
import { type Durability } from '../delivery/durability/durable-buffer.js';
import { type EventStore } from '../delivery/durability/event-store.js';
import { PostHogConfigurationError } from '../options/configuration-error.js';
import { variableOf } from '../options/environment.js';
import { type PostHogCaptureOptions } from '../options/posthog-capture.options.js';
import { onBeforeExit } from '../shared/process-hooks.js';
import { BatchSender } from '../wire/batch-sender.js';
import { describeStoreError } from '../wire/describe-error.js';
import { formatOf, reformat } from '../wire/formats.js';
import { ingestionHost, projectIdOf } from '../wire/ingestion-host.js';
import { type Connect } from './assemble-capture.js';
import { httpClientOf } from './http-client-of.js';

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
  const variable = (option: keyof PostHogCaptureOptions): string => variableOf(option, name) ?? option;
  return async (reporter, shutDown) => {
    const { client, proxy } = httpClientOf(options, name, modules);
    const sender = new BatchSender(client, {
      ...options,
      host: ingestionHost(options.host),
      names: { apiKey: variable('apiKey'), host: variable('host'), captureMode: variable('captureMode'), proxy },
    });
    const deliveryOptions = { ...options, maxEventAgeMs: options.maxEventAgeMs ?? null };
    const delivery = new DeliveryPipeline(deliveryOptions, sender, reporter, await durabilityOf(options));
    await delivery.recover().catch((error: unknown) => {
      const { message } = Object(error) as { message?: unknown };
      const problem = String(message).replaceAll(options.apiKey, '***');
      throw new PostHogConfigurationError([`store (${variable('store')}): ${problem}`], name);
    });
    return { delivery, handOver: delivery.handOver, onStart: () => client.prepare(), onClose: onBeforeExit(shutDown) };
  };
}

async function durabilityOf({
  store,
  captureMode,
  host,
  apiKey,
}: Readonly<PostHogCaptureOptions>): Promise<Durability | undefined> {
  if (store === undefined) return undefined;
  return {
    store: await openStore(store),
    project: projectIdOf(host, apiKey),
    adapt: (event) => reformat(event, formatOf(captureMode)),
    describeError: (error, events) => describeStoreError(error, apiKey, events),
  };
}

/** A path is an LMDB store with default options. Imported only then: it needs the optional package. */
async function openStore(store: EventStore | string): Promise<EventStore> {
  if (typeof store !== 'string') return store;
  const { fileEventStore } = await import('../stores/file-event-store.js');
  return fileEventStore({ path: store });
}
