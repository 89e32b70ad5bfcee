// A client in its own process, so that all of its CPU time is measured, including its thread pool, and nothing else.
import { openClient } from '../clients/index.mjs';
import { age } from '../support/age.mjs';
import { serve } from '../support/processes.mjs';

/** Number of events captured in one turn of the event loop. */
const CHUNK = 100;

let client;

/** A complete turn of the event loop, including timers and sockets. */
const turn = () => new Promise((resolve) => setImmediate(resolve));

serve({
  async open(options) {
    client = await openClient(options);
    await age();
  },
  /** Captures the events from 0 to `count` and waits for their delivery. */
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
  /** Memory in use after a collection. Not called between measured turns, because V8 may discard compiled code. */
  heapBytes() {
    globalThis.gc();
    return process.memoryUsage().heapUsed;
  },
  close: () => client.close(),
});
