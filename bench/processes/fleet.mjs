// A leg of a fleet in its own process: delivery alone, with events that were created before.
import { once } from 'node:events';
import { age } from '../support/age.mjs';
import { eventOf, EVENT_NAME, personOf } from '../support/event.mjs';
import { quantile } from '../support/numbers.mjs';
import { serve } from '../support/processes.mjs';

const DIST = '../../dist/esm';
const PROJECT = 'bec4';
const PER_TURN = 100;

const ignore = () => undefined;
const OBSERVER = Object.fromEntries(
  [
    'queued sending answered retrying delivered dropped gone coolingDown resumed',
    'batchLimited storeFailed storeWorks storeWarned',
  ]
    .join(' ')
    .split(' ')
    .map((name) => [name, ignore]),
);

const turn = () => new Promise((resolve) => setImmediate(resolve));

function cpuUs() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** An event as capture() hands it to delivery, with its fields in the same order. */
function queued(n) {
  const id = `0190a6f0-0000-7000-8000-${String(n).padStart(12, '0')}`;
  const { event, distinctId, properties } = eventOf(n);
  const timestamp = new Date(1_790_000_000_000 + n).toISOString();
  const payload = JSON.stringify({ event, distinct_id: distinctId, uuid: id, timestamp, properties });
  return {
    id,
    hasOwnId: true,
    name: EVENT_NAME,
    orderKey: personOf(n),
    format: 'v0',
    payload,
    bytes: Buffer.byteLength(payload),
    capturedAt: Date.now(),
  };
}

const eventsFrom = (from, count) => Array.from({ length: count }, (_, index) => queued(from + index));

/** Loads delivery, and returns a function that creates a pipeline. */
async function pipelines() {
  const { DeliveryPipeline } = await import(`${DIST}/delivery/delivery-pipeline.js`);
  const { PostHogCaptureOptions } = await import('nestjs-posthog-capture');
  const defaults = { ...new PostHogCaptureOptions(), maxEventAgeMs: null };
  return (sender, { options, observer, durability } = {}) =>
    new DeliveryPipeline({ ...defaults, ...options }, sender, { ...OBSERVER, ...observer }, durability);
}

async function posthogSender(url) {
  const { BatchSender } = await import(`${DIST}/wire/batch-sender.js`);
  const { privateClient } = await import(`${DIST}/wire/private-client.js`);
  return new BatchSender(privateClient(undefined, url), {
    host: url,
    apiKey: 'phc_bench',
    compression: 'gzip',
    requestTimeoutMs: 10_000,
    historicalMigration: false,
    names: { apiKey: 'apiKey', host: 'host', captureMode: 'captureMode', proxy: ignore },
  });
}

async function queueOf(path) {
  const { redisQueue } = await import(`${DIST}/redis/redis-queue.js`);
  return redisQueue({ connection: { path } });
}

/** Hands events to a pipeline, so many per turn of the event loop, until all are answered for. */
async function deliver(pipeline, events, perTurn) {
  for (let from = 0; from < events.length; from += perTurn) {
    for (let index = from; index < Math.min(from + perTurn, events.length); index += 1) pipeline.accept(events[index]);
    await pipeline.ready();
    await turn();
  }
  await pipeline.flush(60_000);
}

/** Each leg opens and returns what does its work for a number of events. */
const LEGS = {
  async direct({ url }) {
    const pipeline = (await pipelines())(await posthogSender(url));
    return { pipeline, run: (events, perTurn) => deliver(pipeline, events, perTurn) };
  },
  async pod({ path }) {
    const { HOP } = await import(`${DIST}/module/connect-pod.js`);
    const sender = (await queueOf(path)).sender(PROJECT, { warn: ignore });
    const pipeline = (await pipelines())(sender, { options: HOP });
    return { pipeline, run: (events, perTurn) => deliver(pipeline, events, perTurn) };
  },
  /** The pod without its queue: events are accepted, kept, leased in batches and settled, but written nowhere. */
  async discarding() {
    const { HOP } = await import(`${DIST}/module/connect-pod.js`);
    const taken = { kind: 'settled', rejected: [], retry: [] };
    // Responds in a later turn, as Redis does.
    const sender = { send: () => turn().then(() => taken), messages: {}, release: ignore };
    const pipeline = (await pipelines())(sender, { options: HOP });
    return { pipeline, run: (events, perTurn) => deliver(pipeline, events, perTurn) };
  },
  /** Opened anew for each run, as it would take events while they are put. */
  async relay({ url, path }) {
    const sender = await posthogSender(url);
    const queue = await queueOf(path);
    const newPipeline = await pipelines();
    return {
      async run(count) {
        let delivered = 0;
        let finish;
        const finished = new Promise((resolve) => (finish = resolve));
        const pipeline = newPipeline(sender, {
          durability: { store: queue.source(), project: PROJECT, adapt: (event) => event, describeError: String },
          observer: {
            delivered(batch) {
              delivered += batch.length;
              if (delivered >= count) finish();
            },
          },
        });
        await pipeline.recover();
        await finished;
        return () => pipeline.close();
      },
    };
  },
  async bullAdd({ path, kind }) {
    const { Queue } = await import('bullmq');
    const queue = new Queue(kind, { connection: { path } });
    const opts = { removeOnComplete: true };
    await queue.waitUntilReady();
    const add = {
      bulk: (payloads) => queue.addBulk(payloads.map((data) => ({ name: 'event', data: { data }, opts }))),
      single: (payloads) => Promise.all(payloads.map((data) => queue.add('event', { data }, opts))),
      hundred: (payloads) => queue.add('events', { payloads }, opts),
    }[kind];
    return {
      async run(events, perTurn) {
        for (let from = 0; from < events.length; from += perTurn)
          await add(events.slice(from, from + perTurn).map(({ payload }) => payload));
      },
    };
  },
  /** Does nothing with the jobs: only what taking them costs. */
  async bullWork({ path, kind }) {
    const { Worker } = await import('bullmq');
    const perJob = kind === 'hundred' ? PER_TURN : 1;
    const worker = new Worker(kind, async () => undefined, {
      connection: { path },
      concurrency: 100,
      autorun: false,
    });
    await worker.waitUntilReady();
    void worker.run();
    worker.pause(true);
    return {
      async run(events) {
        let left = events / perJob;
        const finished = new Promise((resolve) => {
          const completed = () => {
            left -= 1;
            if (left > 0) return;
            worker.off('completed', completed);
            resolve();
          };
          worker.on('completed', completed);
        });
        worker.resume();
        await finished;
        await worker.pause(true);
      },
    };
  },
};

let leg;
let made = [];

serve({
  async open({ name, ...options }) {
    await age();
    leg = await LEGS[name](options);
  },
  make({ from = 0, count }) {
    made = eventsFrom(from, count);
    return made.reduce((sum, { bytes }) => sum + bytes, 0) / count;
  },
  /** Works through the events that were made, or as many of the queue. */
  async run({ count, perTurn = PER_TURN }) {
    const cpu = cpuUs();
    const startedAt = performance.now();
    const end = await leg.run(made.length > 0 ? made : count, perTurn);
    const result = { cpuUs: (cpuUs() - cpu) / count, perSecond: (count * 1000) / (performance.now() - startedAt) };
    await end?.();
    return result;
  },
  /** The time that callers spend in accept(), in microseconds. */
  async accept({ perTurn = 10 }) {
    const times = [];
    for (let from = 0; from < made.length; from += perTurn) {
      const startedAt = performance.now();
      for (let index = from; index < from + perTurn; index += 1) leg.pipeline.accept(made[index]);
      times.push(((performance.now() - startedAt) * 1000) / perTurn);
      await turn();
    }
    return { p50Us: quantile(times, 0.5), p99Us: quantile(times, 0.99) };
  },
  async flush() {
    await leg.pipeline.flush(60_000);
    if (leg.pipeline.stats().pending > 0) await once(process, 'never');
  },
});
