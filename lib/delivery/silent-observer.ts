import { type DeliveryObserver } from './delivery.js';

const ignore = (): void => undefined;

/** Ignores everything. Users override what they need. */
export const SILENT_OBSERVER: DeliveryObserver = {
  queued: ignore,
  sending: ignore,
  answered: ignore,
  retrying: ignore,
  delivered: ignore,
  dropped: ignore,
  gone: ignore,
  coolingDown: ignore,
  resumed: ignore,
  batchLimited: ignore,
  storeFailed: ignore,
  storeWorks: ignore,
  storeWarned: ignore,
};
