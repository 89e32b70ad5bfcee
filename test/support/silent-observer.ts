import { type DeliveryObserver, type SendBatch, type Sender } from '../../lib/delivery/delivery.js';

const ignore = (): void => undefined;

/** Ignores everything; a test overrides what it is about. */
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

export function senderOf(send: SendBatch): Sender {
  return {
    send,
    messages: {
      aborted: 'request aborted',
      timedOut: (timeoutMs) => `request timed out after ${timeoutMs} ms`,
      askedAgain: { message: 'asked again', remedy: 'none' },
      refusesEveryEvent: 'refuses every event',
      limited: (bytes) => ({ message: `limited to ${bytes}`, remedy: 'none' }),
    },
    release: ignore,
  };
}
