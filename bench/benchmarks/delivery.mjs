// From `capture()` to the response: CPU per event, events per second, peak memory.
import { differences, MIB, number, ratio, spread } from '../support/numbers.mjs';
import { inTurns } from '../support/rounds.mjs';
import { printTable } from '../support/table.mjs';

const client = (label, name, more) => ({ label, name, process: 'client', mode: 'v0', ...more });
const v1 = (variant, env) => ({ ...variant, label: `${variant.label}, v1`, mode: 'v1', env });

const FLOOR = client('floor', 'floor');
/** Compresses like this package. */
const FLOOR_1 = client('floor, gzip level 1', 'floor', { level: 1 });
const OURS = client('nestjs-posthog-capture', 'ours');
const STORE = client('nestjs-posthog-capture, store', 'ours', { store: true });
const POSTHOG = client('posthog-node', 'posthog-node');
const SEGMENT = client('@segment/analytics-node', 'segment');

export const CLIENTS = { FLOOR, FLOOR_1, OURS, STORE, POSTHOG, SEGMENT };
const V1 = [v1(FLOOR), v1(OURS), v1(POSTHOG, { POSTHOG_CAPTURE_MODE: 'v1' })];

/** The same settings for all: batches of a hundred, and at most a thousand events in a client. */
export const alike = (variants) => variants.map((variant) => ({ ...variant, batch: 100, window: 1000 }));

/** Each client with its own defaults; the floor with ours. */
const OUR_BATCHES = { batch: 500, window: 50_000 };
export const OWN_DEFAULTS = [{ ...FLOOR, ...OUR_BATCHES }, { ...FLOOR_1, ...OUR_BATCHES }, OURS, POSTHOG, SEGMENT];

/** Measures clients in turns of `count` events. Throws unless every event arrived exactly once. */
export function measureDelivery(sink, variants, { latencyMs, warmUp, count, rounds, turns }) {
  return inTurns(`delivery, ${latencyMs} ms`, variants, {
    rounds,
    turns,
    async start(child, { name, mode, batch, window, level, store }) {
      await sink.reset();
      await child.call('open', { url: sink.url, name, mode, batch, window, level, storePath: store && child.folder });
      await child.call('run', { count: warmUp });
    },
    async measure(child, { label }) {
      await sink.reset({ latencyMs, count });
      const measured = await child.call('run', { count });
      return { ...measured, report: await sink.verified(label) };
    },
  });
}

/**
 * A sustained load: V8 has compiled everything after some hundred thousand events, and shorter turns would mostly measure the cold caches
 * of a process that has paused.
 */
export const LASTING = { latencyMs: 0, warmUp: 300_000, count: Number(process.env.BENCH_TURN ?? 30_000), turns: 6 };

/**
 * Counts are multiples of all batch sizes, because Segment's client sends an incomplete batch only after ten seconds, even on flush.
 */
export const QUICK = { warmUp: 300, count: 600, rounds: 1, turns: 1 };

export async function delivery(sink, { quick }) {
  const all = alike([...Object.values(CLIENTS), ...V1]);
  const loads = [
    { ...LASTING, rounds: 3 },
    { latencyMs: 50, warmUp: 60_000, count: 3000, rounds: 2, turns: 4 },
    { latencyMs: 200, warmUp: 60_000, count: 1500, rounds: 2, turns: 3 },
  ];
  for (const load of quick ? [{ latencyMs: 5, ...QUICK }] : loads) {
    const title = `delivery: batches of 100, responses after ${load.latencyMs} ms (${load.rounds} × ${load.turns} turns of ${load.count} events)`;
    print(title, await measureDelivery(sink, all, load));
  }
  if (quick) return;
  const load = { latencyMs: 50, warmUp: 60_000, count: 9000, rounds: 2, turns: 3 };
  const title = `delivery: each client's own defaults, responses after 50 ms (${load.rounds} × ${load.turns} turns of ${load.count} events)`;
  print(title, await measureDelivery(sink, OWN_DEFAULTS, load));
}

const COLUMNS = [
  'client',
  'CPU µs/event',
  '× floor',
  'events/s',
  '× posthog-node',
  '× floor',
  'peak MiB',
  'bytes/event',
  'on the wire',
  'per request',
  'at once',
];

function print(title, samples) {
  const of = (label, field) => samples.get(label)?.map((turn) => turn[field]);
  const rows = [...samples].map(([label, turns]) => {
    const mode = label.endsWith(', v1') ? ', v1' : '';
    const cpu = of(label, 'cpuUs');
    const rate = of(label, 'perSecond');
    const { report } = turns[0];
    return [
      label,
      spread(cpu),
      number(ratio(cpu, of(`floor${mode}`, 'cpuUs')), 2),
      spread(rate, 0),
      number(ratio(rate, of(`posthog-node${mode}`, 'perSecond')), 2),
      number(ratio(rate, of(`floor${mode}`, 'perSecond')), 2),
      number(Math.max(...of(label, 'peakBytes')) / MIB, 0),
      number(report.jsonBytes / report.events, 0),
      number(report.wireBytes / report.events, 0),
      number(report.events / report.requests, 0),
      report.atOnce,
    ];
  });
  printTable(title, [COLUMNS, ...rows]);
  const store = of(STORE.label, 'cpuUs');
  if (store) console.log(`\nThe store adds ${spread(differences(store, of(OURS.label, 'cpuUs')))} µs per event.`);
}
