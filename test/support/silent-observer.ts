import { type SendBatch, type Sender } from '../../lib/delivery/delivery.js';

export { SILENT_OBSERVER } from '../../lib/delivery/silent-observer.js';

const ignore = (): void => undefined;

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
