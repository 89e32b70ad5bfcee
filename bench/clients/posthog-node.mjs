// posthog-node: compresses with gzip in the thread pool at level 6, sends one batch after the other. Its queue drops what exceeds
// `maxQueueSize` (1000), so the producer stays below; what waits can be read from its memory storage. v1 is an environment variable.
import { PostHog } from 'posthog-node';
import { eventOf } from '../support/event.mjs';
import { Progress } from './progress.mjs';

/** Captured in one turn of the producer, before the queue can be looked at again. */
const CHUNK = 100;

export function open({ url, batch, window = 1000 }) {
  const progress = new Progress();
  const client = new PostHog('phc_bench', {
    host: url,
    maxQueueSize: window,
    ...(batch !== undefined && { flushAt: batch, maxBatchSize: batch }),
    fetch: async (...request) => {
      const response = await fetch(...request);
      setImmediate(() => progress.made());
      return response;
    },
  });
  client.on('error', (error) => console.error(error));
  const waiting = () => client.getPersistedProperty('queue')?.length ?? 0;
  return {
    capture: (n) => client.capture(eventOf(n)),
    room: () => progress.until(() => waiting() <= window - 2 * CHUNK),
    async drain() {
      do await client.flush();
      while (waiting() > 0);
    },
    close: () => client.shutdown(),
  };
}
