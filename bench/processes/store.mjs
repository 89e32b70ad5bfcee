// A store in its own process.
import { mkdirSync, openSync, readdirSync, writeSync } from 'node:fs';
import { age } from '../support/age.mjs';
import { EVENT_NAME, eventOf, personOf } from '../support/event.mjs';
import { quantile } from '../support/numbers.mjs';
import { serve } from '../support/processes.mjs';
import { openStore } from '../stores/index.mjs';

/** An opaque id, which is hexadecimal. */
const PROJECT = 'bec4';
const EVERYTHING = { project: PROJECT, maxEvents: Infinity, maxBytes: Infinity };
/** Events are removed in batches, as PostHog accepts them, while this many wait. */
const BATCH = 100;
const WAITING = 1000;

let store;
let captured = 0;
const waiting = [];

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** An event as the queue holds it. `place` is for the compared designs, so that finding an event costs nothing. */
function queued(n) {
  const payload = JSON.stringify(eventOf(n));
  return {
    id: `0190a6f0-0000-7000-8000-${String(n).padStart(12, '0')}`,
    name: EVENT_NAME,
    orderKey: personOf(n),
    format: 'v0',
    payload,
    bytes: payload.length,
    capturedAt: 1_790_000_000_000 + n,
    place: null,
  };
}

/** Appends events in one turn, each by a call of its own, as the queue does. */
async function append(count) {
  let kept;
  for (let added = 0; added < count; added += 1) {
    const event = queued((captured += 1));
    kept = store.append([event]);
    waiting.push(event);
  }
  await turn();
  await kept;
}

function usage() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

serve({
  /** Recovers the events of dead processes. */
  async open({ design, path, young = false }) {
    if (!young) await age();
    const rss = process.memoryUsage.rss();
    const descriptors = openDescriptors();
    const cpu = usage();
    const startedAt = performance.now();
    store = await openStore(design, path);
    let warnings = 0;
    // A store may return after a while, to continue later.
    for (let found = true; found;) {
      const recovery = await store.recover(EVERYTHING);
      found = recovery.more ?? recovery.events.length > 0;
      for (const event of recovery.events) waiting.push(event);
      warnings += recovery.warnings.length;
    }
    const ms = performance.now() - startedAt;
    return {
      events: waiting.length,
      warnings,
      ms,
      cpuMs: (usage() - cpu) / 1000,
      rssBytes: process.memoryUsage.rss() - rss,
      descriptors: openDescriptors() - descriptors,
    };
  },
  /** Appends and removes events. */
  async run({ count, perTick }) {
    const cpu = usage();
    const startedAt = performance.now();
    const turns = [];
    for (let done = 0; done < count; done += perTick) {
      const turnAt = performance.now();
      await append(perTick);
      while (waiting.length > WAITING) store.remove(waiting.splice(0, BATCH));
      turns.push(performance.now() - turnAt);
    }
    const ms = performance.now() - startedAt;
    return { cpuUs: (usage() - cpu) / count, wallUs: (ms * 1000) / count, slowTurnMs: quantile(turns, 0.99) };
  },
  /** Appends events and keeps them. */
  async fill({ count, perTick }) {
    for (let done = 0; done < count; done += perTick) await append(Math.min(perTick, count - done));
  },
  /** Opens one store for each path, as many processes would, with a few events in each. */
  async leave({ design, paths, count }) {
    for (const path of paths) {
      mkdirSync(path, { recursive: true });
      store = await openStore(design, path);
      await store.recover(EVERYTHING);
      await append(count);
    }
  },
  /** Writes the number of events that have been kept to another file, until the process is killed. */
  async writeUntilKilled({ perTick, countFile }) {
    const descriptor = openSync(countFile, 'w');
    for (;;) {
      await append(perTick);
      writeSync(descriptor, String(captured).padStart(12), 0);
      if (waiting.length > WAITING) waiting.length = 0;
    }
  },
  /** Ids of the recovered events. */
  ids: () => waiting.map(({ id }) => id),
});

/** Linux only. */
function openDescriptors() {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return NaN;
  }
}
