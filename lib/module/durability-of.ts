import { type DeliveryPipeline } from '../delivery/delivery-pipeline.js';
import { type Durability } from '../delivery/durability/durable-buffer.js';
import { type EventStore, type ReadableStore } from '../delivery/durability/event-store.js';
import { PostHogConfigurationError } from '../shared/configuration-error.js';
import { variableOf } from '../options/environment.js';
import { type PostHogCaptureOptions } from '../options/posthog-capture.options.js';
import { describeStoreError } from '../wire/describe-error.js';
import { reformat } from '../wire/formats.js';
import { type WireFormat } from '../wire/wire-format.js';

/** The settings of a store that are the same for every instance. */
export function useStore(
  store: ReadableStore,
  { apiKey }: Readonly<PostHogCaptureOptions>,
  project: string,
  format: WireFormat,
): Durability {
  return {
    store,
    project,
    adapt: (event) => reformat(event, format),
    describeError: (error, events) => describeStoreError(error, apiKey, events),
  };
}

/**
 * Takes back the events of earlier processes.
 *
 * @throws PostHogConfigurationError if the store cannot be used
 */
export async function recoverFrom(
  delivery: DeliveryPipeline,
  { apiKey }: Readonly<PostHogCaptureOptions>,
  name: string | undefined,
): Promise<void> {
  await delivery.recover().catch((error: unknown) => {
    const { message } = Object(error) as { message?: unknown };
    const problem = `store (${variableOf('store', name) ?? 'store'}): ${apiKey === '' ? String(message) : String(message).replaceAll(apiKey, '***')}`;
    throw new PostHogConfigurationError([problem], name);
  });
}

/** A path is a store with default options. Imported only then. */
export async function openStore(store: EventStore | string): Promise<EventStore> {
  if (typeof store !== 'string') return store;
  const { fileEventStore } = await import('../stores/file-event-store.js');
  return fileEventStore({ path: store });
}
