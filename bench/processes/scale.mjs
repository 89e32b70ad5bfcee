// This package under load: many pending events, or many events and a slow server.
import { open } from '../clients/ours.mjs';
import { age } from '../support/age.mjs';
import { eventOf } from '../support/event.mjs';
import { serve } from '../support/processes.mjs';

const CHUNK = 100;
const turn = () => new Promise((resolve) => setImmediate(resolve));

let client;
let emptyBytes;

/** Collects everything that can be freed before measuring memory. */
async function memoryBytes() {
  // The second collection frees objects finalized by the first.
  for (let times = 0; times < 2; times += 1) {
    globalThis.gc();
    await turn();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** A new distinct id string for each event, as in most applications, where it comes from a request. */
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
  /** Captures while the server does not respond: measures the time inside `capture()` and the memory per pending event. */
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
