// @segment/analytics-node: sends uncompressed JSON in any number of concurrent requests. Its queue is unbounded.
import { Analytics } from '@segment/analytics-node';
import { EVENT_NAME, personOf, propertiesOf } from '../support/event.mjs';
import { Progress } from './progress.mjs';

export function open({ url, batch, window = 10_000 }) {
  const progress = new Progress();
  let pending = 0;
  const analytics = new Analytics({ writeKey: 'bench', host: url, ...(batch !== undefined && { flushAt: batch }) });
  analytics.on('error', (error) => console.error(error));
  analytics.on('track', () => {
    pending -= 1;
    progress.made();
  });
  return {
    capture(n) {
      pending += 1;
      analytics.track({ userId: personOf(n), event: EVENT_NAME, properties: propertiesOf(n) });
    },
    room: () => progress.until(() => pending < window),
    drain: () => analytics.flush(),
    close: () => analytics.closeAndFlush(),
  };
}
