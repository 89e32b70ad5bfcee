// A client in a process of its own: everything that it does counts, its thread pool too, and nothing else.
import { openClient } from '../clients/index.mjs';
import { age } from '../support/age.mjs';
import { serve } from '../support/processes.mjs';

/** Events that are captured in one turn of the event loop. */
const CHUNK = 100;

let client;

/** A whole turn: timers and sockets have theirs as well. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

serve({
  async open(options) {
    client = await openClient(options);
    await age();
  },
  /** Captures the events from 0 to `count` until all are delivered. */
  async run({ count }) {
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    for (let n = 0; n < count;) {
      await client.room();
      for (const end = Math.min(n + CHUNK, count); n < end; n += 1) client.capture(n);
      await turn();
    }
    await client.drain();
    const seconds = (performance.now() - startedAt) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const peakBytes = process.resourceUsage().maxRSS * 1024;
    return { cpuUs: (user + system) / count, perSecond: count / seconds, peakBytes };
  },
  /** What is in use after a collection. Not between turns that are timed: V8 would forget what it has compiled. */
  heapBytes() {
    globalThis.gc();
    return process.memoryUsage().heapUsed;
  },
  close: () => client.close(),
});
