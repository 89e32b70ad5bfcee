// posthog-node: compresses with gzip level 6 in the thread pool and sends batches sequentially. Its queue drops events above
// `maxQueueSize` (1000), so the producer stays below that. Pending events are read from its memory storage. v1 is an environment variable.
import { PostHog } from 'posthog-node';
import { eventOf } from '../support/event.mjs';
import { Progress } from './progress.mjs';

/** Number of events that the producer captures before it checks the queue again. */
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
