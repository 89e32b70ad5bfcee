import { type DeliveryObserver } from '../../lib/delivery/delivery-observer.js';

const ignore = (): void => undefined;

/** Hears nothing; a test overrides what it is about. */
export const SILENT_OBSERVER: DeliveryObserver = {
  delivered: ignore,
  dropped: ignore,
  queued: ignore,
  sending: ignore,
  answered: ignore,
  retrying: ignore,
  stalled: ignore,
  recovered: ignore,
  idle: ignore,
  storeFailed: ignore,
  storeWorks: ignore,
  storeWarned: ignore,
};
