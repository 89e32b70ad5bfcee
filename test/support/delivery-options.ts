import { type DeliveryOptions } from '../../lib/delivery/delivery-pipeline.js';

/** Options of a pipeline whose tests override what they are about. */
export const DELIVERY_OPTIONS: DeliveryOptions = {
  flushAt: 100,
  flushIntervalMs: 1000,
  maxBatchEvents: 500,
  maxBatchBytes: 100_000,
  maxQueueEvents: 1000,
  maxQueueBytes: 1_000_000,
  concurrency: 4,
  maxRetries: 3,
  retryBaseMs: 1000,
  retryMaxMs: 30_000,
  coolDownMs: 30_000,
  maxEventAgeMs: null,
  shutdownTimeoutMs: 10_000,
};
