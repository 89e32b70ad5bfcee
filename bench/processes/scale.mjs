// This package with much to do: many events waiting, or many events and a slow server.
import { open } from '../clients/ours.mjs';
import { age } from '../support/age.mjs';
import { eventOf } from '../support/event.mjs';
import { serve } from '../support/processes.mjs';

const CHUNK = 100;
const turn = () => new Promise((resolve) => setImmediate(resolve));

let client;
let emptyBytes;

/** Nothing that could be freed is counted. */
async function memoryBytes() {
  // What the first collection finalizes, the second frees.
  for (let times = 0; times < 2; times += 1) {
    globalThis.gc();
    await turn();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** As most applications have it: an id that came with a request, and belongs to this event alone. */
const eventOfSomebody = (n) => ({ ...eventOf(n), distinctId: `user_${n}` });

serve({
  async open(options) {
    client = await open(options);
    await age();
  },
  async begin() {
    await client.drain();
    emptyBytes = await memoryBytes();
  },
  /** Captures while nothing is answered: the time inside `capture()`, and what is held for each event that waits. */
  async fill({ first, count }) {
    let captureMs = 0;
    for (let n = first; n < first + count;) {
      const events = Array.from({ length: Math.min(CHUNK, first + count - n) }, (_, index) =>
        eventOfSomebody(n + index),
      );
      const startedAt = performance.now();
      for (const event of events) client.service.capture(event);
      captureMs += performance.now() - startedAt;
      n += events.length;
      await turn();
    }
    const heldBytes = (await memoryBytes()) - emptyBytes;
    const { pending, pendingBytes } = client.service.stats();
    return { captureUs: (captureMs * 1000) / count, pending, pendingBytes, heldBytes };
  },
  /** Bulk work: `ready()` before each event. */
  async pour({ count, samples }) {
    const memory = [];
    const startedAt = performance.now();
    for (let n = 0; n < count; n += 1) {
      await client.service.ready();
      client.service.capture(eventOf(n));
      if (n % (count / samples) === count / samples - 1) memory.push(await memoryBytes());
    }
    const { delivered, dropped, pending } = await client.drain().then(() => client.service.stats());
    const seconds = (performance.now() - startedAt) / 1000;
    return {
      memory,
      peakBytes: process.resourceUsage().maxRSS * 1024,
      perSecond: count / seconds,
      delivered,
      dropped,
      pending,
    };
  },
});
