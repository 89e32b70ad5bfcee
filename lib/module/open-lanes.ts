import { type DeliveryOptions, type DeliveryPipeline } from '../delivery/delivery-pipeline.js';
import { type Durability } from '../delivery/durability/durable-buffer.js';
import { type EventStore } from '../delivery/durability/event-store.js';
import { LanedDelivery } from '../delivery/lanes/laned-delivery.js';
import { SharedStore } from '../delivery/lanes/shared-store.js';
import { type RequestStatsCollector } from '../delivery/sending/request-stats.js';
import { type PostHogCaptureOptions } from '../options/posthog-capture.options.js';
import { MAX_AI_BATCH_BYTES } from '../wire/ai-events.js';
import { aiFormatOf, formatOf, isAiEvent } from '../wire/formats.js';
import { type WireFormat } from '../wire/wire-format.js';
import { openStore, recoverFrom, useStore } from './durability-of.js';

export interface LaneParts {
  /** true: for events that are sent to PostHog's endpoint for AI events; false: for all others. */
  readonly isAi: boolean;
  readonly options: DeliveryOptions;
  readonly durability: Durability | undefined;
  /** Those of the other pipeline. */
  readonly requests?: RequestStatsCollector;
}

/** The settings of a pipeline. AI events have the same bounds as all others together, except those of PostHog's endpoint for them. */
export function laneOptions(options: Readonly<PostHogCaptureOptions>, isAi: boolean): DeliveryOptions {
  const { maxEventAgeMs = null, maxBatchBytes } = options;
  return {
    ...options,
    maxEventAgeMs,
    maxBatchBytes: isAi ? Math.min(maxBatchBytes, MAX_AI_BATCH_BYTES) : maxBatchBytes,
  };
}

/**
 * Creates the delivery of an instance, with the pipeline of all events but AI events; that of AI events is created with the first of them,
 * captured or from the store. Both use the store, if there is one, from which the events of earlier processes are recovered.
 *
 * @param name the name of a named instance
 * @param project identifies the events in the store
 * @throws PostHogConfigurationError if the store cannot be used
 */
export async function openLanes(
  options: Readonly<PostHogCaptureOptions>,
  name: string | undefined,
  project: string,
  create: (lane: LaneParts) => DeliveryPipeline,
): Promise<LanedDelivery> {
  const { captureMode } = options;
  const whole = options.store === undefined ? undefined : await openStore(options.store);
  const shared = whole && new SharedStore(whole, isAiEvent, () => delivery.openSecond().recoverMore());
  const durabilityOf = (part: EventStore | null | undefined, format: WireFormat): Durability | undefined =>
    part && whole ? { ...useStore(part, options, project, format), whole } : undefined;
  const first = create({
    isAi: false,
    options: laneOptions(options, false),
    durability: durabilityOf(shared?.first, formatOf(captureMode)),
  });
  const delivery: LanedDelivery = new LanedDelivery(
    first,
    {
      takes: isAiEvent,
      open: (shutdownTimeoutMs, isLate) => {
        const lane = create({
          isAi: true,
          options: { ...laneOptions(options, true), shutdownTimeoutMs },
          durability: durabilityOf(isLate ? null : shared?.openSecond(), aiFormatOf(captureMode)),
          requests: first.requests,
        });
        // Never rejects: the store has been read.
        void lane.recover();
        return lane;
      },
    },
    options,
  );
  await recoverFrom(first, options, name);
  return delivery;
}
